import { createReadStream, readdirSync, statSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join, relative, sep } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { newSecret } from '../../lib/random.ts'
import { lineReader } from '../growing-log.ts'
import { sessionPaths } from '../notebook-process.ts'
import { ServiceError } from '../service-error.ts'
import { deliver, type Journey } from '../transfer.ts'
import type { Kernels } from './kernels.ts'
import { isLive } from './quota.ts'
import { type LogEvent, toEvents } from './session-log.ts'
import type { Sessions } from './sessions.ts'
import type { Session, StateFile } from './state.ts'
import { type Call, numberField, textField } from './wire.ts'

const FOLLOW_MS = 50

export interface OutputOptions {
  readonly file: StateFile
  readonly kernels: Kernels
  readonly sessions: Sessions
  readonly url: () => string
}

/** What a session left: its files, behind addresses that need no sign-in, and its log. */
export function createOutput({ file, kernels, sessions, url }: OutputOptions) {
  const addresses = new Map<string, string>() // capability → path on disk

  const events = (session: Session): LogEvent[] =>
    toEvents(
      lineReader(sessionPaths(file.sessionDir(session.id)).log).next(true),
      0,
      sessions.timelineOf(session),
    )

  const addressOf = (path: string): string => {
    const key = newSecret('out')
    addresses.set(key, path)
    return `${url()}/_files/${key}`
  }

  /** One page of files. There is output only when the session has ended; a log likewise. */
  const list = (call: Call): Record<string, unknown> => {
    const session = kernels.latestSession(kernels.find(call))
    if (!session || isLive(session)) return { files: [], log: '', nextPageToken: '' }
    const { working } = sessionPaths(file.sessionDir(session.id))
    const names = filesUnder(working)
    const from = Number(textField(call, 'pageToken') || 0)
    const size = numberField(call, 'pageSize') ?? 20
    return {
      files: names
        .slice(from, from + size)
        .map((fileName) => ({ fileName, url: addressOf(join(working, fileName)) })),
      log: JSON.stringify(events(session)),
      nextPageToken: from + size < names.length ? String(from + size) : '',
    }
  }

  const sendFile = async (key: string, response: ServerResponse, journey: Journey) => {
    const path = addresses.get(key)
    const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
    if (path === undefined || !found) throw new ServiceError(404, 'Not found')
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': found.size,
      'last-modified': found.mtime.toUTCString(),
    })
    await deliver(response, createReadStream(path), journey)
  }

  /** The log while it grows, as server-sent events; of an ended session, one JSON array. */
  const stream = async (call: Call, response: ServerResponse, journey: Journey) => {
    const session = kernels.latestSession(kernels.find(call))
    if (!session || !isLive(session)) {
      const body = Buffer.from(JSON.stringify(session ? events(session) : []))
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
      return await deliver(response, [body], journey)
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    })
    response.flushHeaders()
    await deliver(response, follow(session, response), journey)
  }

  async function* follow(session: Session, response: ServerResponse): AsyncGenerator<Buffer> {
    const lines = lineReader(sessionPaths(file.sessionDir(session.id)).log)
    let count = 0
    for (;;) {
      const ended = !isLive(session) // asked before the read: what was printed until then is in it
      const fresh = lines.next(ended)
      for (const event of toEvents(fresh, count, sessions.timelineOf(session)))
        yield Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
      count += fresh.length
      if (ended) break
      if (response.destroyed) return
      await delay(FOLLOW_MS)
    }
    yield Buffer.from('data: END_OF_LOG\n\n')
  }

  return { list, sendFile, stream }
}

/** Plain files, by name; links are not output. */
function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
}
