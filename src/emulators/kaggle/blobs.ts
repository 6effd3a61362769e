import { mkdirSync, statSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname } from 'node:path'
import { newId } from '../../lib/random.ts'
import { ServiceError } from '../service-error.ts'
import { receive } from '../transfer.ts'
import type { StateFile } from './state.ts'
import { type Call, numberField, textField } from './wire.ts'

export interface BlobsOptions {
  readonly file: StateFile
  readonly url: () => string
  readonly bytesPerSecond: number | undefined
}

/** Uploads in the manner of Google Cloud Storage: one address, a whole PUT or a resumed one. */
export function createBlobs({ file, url, bytesPerSecond }: BlobsOptions) {
  const start = (call: Call): Record<string, unknown> => {
    const name = textField(call, 'name')
    if (!/^[^/\\\0]{1,255}$/.test(name) || name === '.' || name === '..')
      throw new ServiceError(400, 'A file name is needed')
    const token = newId('blob')
    const contentLength = numberField(call, 'contentLength') ?? 0
    file.state.blobs.push({ token, owner: call.user, name, contentLength, complete: false })
    file.save()
    return { token, createUrl: `${url()}/_blobs/${token}` }
  }

  const bytesOf = (token: string): number =>
    statSync(file.blobPath(token), { throwIfNoEntry: false })?.size ?? 0

  /** Takes bytes at the place that `Content-Range` names; `cutAfterBytes` breaks the line on the way. */
  const put = async (
    token: string,
    request: IncomingMessage,
    response: ServerResponse,
    cutAfterBytes: number | undefined,
  ): Promise<void> => {
    const blob = file.state.blobs.find((candidate) => candidate.token === token)
    if (!blob) throw new ServiceError(404, 'The upload has expired')
    const path = file.blobPath(token)
    mkdirSync(dirname(path), { recursive: true })
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(request.headers['content-range'] ?? '')
    const isQuestion = request.headers['content-range']?.startsWith('bytes */') === true
    if (!isQuestion) {
      const at = Number(range?.[1] ?? 0)
      if (at > bytesOf(token)) return incomplete(response, bytesOf(token))
      if (!(await take(path, at, request, cutAfterBytes))) {
        response.destroy()
        return
      }
    }
    blob.complete = bytesOf(token) === blob.contentLength
    file.save()
    if (!blob.complete) return incomplete(response, bytesOf(token))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  }

  /** False when the line was cut. Bytes stay in the order in which they came, so that an upload can go on. */
  const take = async (
    path: string,
    at: number,
    request: IncomingMessage,
    cutAfterBytes: number | undefined,
  ): Promise<boolean> => {
    const target = await open(path, at === 0 ? 'w' : 'r+')
    let taken = 0
    try {
      for await (const chunk of receive(request, bytesPerSecond)) {
        const bytes = chunk.subarray(0, (cutAfterBytes ?? Number.POSITIVE_INFINITY) - taken)
        await target.write(bytes, 0, bytes.length, at + taken)
        taken += bytes.length
        if (cutAfterBytes !== undefined && taken >= cutAfterBytes) return false
      }
    } finally {
      await target.close()
    }
    truncateSync(path, at + taken)
    return cutAfterBytes === undefined
  }

  return { start, put }
}

const incomplete = (response: ServerResponse, bytes: number): void => {
  const range = bytes > 0 ? { range: `bytes=0-${bytes - 1}` } : {}
  response.writeHead(308, { ...range, 'content-length': 0 }).end()
}
