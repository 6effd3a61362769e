import http from 'node:http'
import https from 'node:https'
import type { ByteRange } from '../../artifacts/artifact-store.ts'
import { inParts, missingRanges } from '../../artifacts/missing-ranges.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { type Agents, get, hostOf, networkFailure, type Remote } from './get.ts'

/** Where the bytes of a file go, and what of them is there already. */
export interface PartialFile {
  readonly held: readonly ByteRange[]
  write(bytes: Uint8Array, at: number): Promise<void>
  /** A range is there whole: it need not be fetched again, whatever happens next. */
  hold(range: ByteRange): Promise<void>
}

export interface Download {
  /** Of the file, for messages. */
  readonly name: string
  readonly bytes: number
  /** Where it is, with the right to read it; `isRefused` when the last one opened nothing any more, so that a fresh one is wanted. */
  readonly remote: (isRefused: boolean) => Promise<Remote>
  readonly into: PartialFile
  /** Bytes that have come since the last call. */
  readonly came?: (bytes: number) => void
}

export interface DownloadOptions {
  readonly clock: Clock
  /** Ranges that are asked for at once. */
  readonly connections?: number
  readonly partBytes?: number
  readonly silenceMs?: number
  readonly signal?: AbortSignal
}

/** A part that has brought no byte so many times in a row is given up. */
const mostTries = 8
const firstWaitMs = 500
const longestWaitMs = 30_000
/** Longer than that a server's `Retry-After` is told to the person instead. */
const longestRetryAfterSeconds = 300

/**
 * Fetches what is missing of a file, several ranges at once; each goes on from its last byte when its connection breaks. A server
 * without ranges is read from the start in one go. What has come is in `into`, also when it throws; nothing says yet that it is the
 * file that was wanted: that is for its hash.
 * @throws AppError `not-found` (`file_gone`), `unauthorized` (`access_refused`), `unavailable` (`rate_limited`, `network`,
 * `server_error`), `invalid` (`size_mismatch`), each naming the file and its server
 */
export async function download(wanted: Download, options: DownloadOptions): Promise<void> {
  const { connections = 8, partBytes = 4 << 20 } = options
  const parts = inParts(missingRanges(wanted.bytes, wanted.into.held), partBytes)
  if (parts.length === 0) return
  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  const agents = {
    http: new http.Agent({ keepAlive: true, maxSockets: connections }),
    https: new https.Agent({ keepAlive: true, maxSockets: connections }),
  }
  const shared: Shared = { ...options, agents, signal, silenceMs: options.silenceMs ?? 20_000 }
  const access = accessTo(wanted)
  const queue = parts.values()
  let failed: { readonly why: unknown } | undefined
  const worker = async (): Promise<void> => {
    try {
      for (const part of queue) {
        if (signal.aborted) return
        await fetchPart(wanted, part, access, shared)
      }
    } catch (why) {
      failed ??= { why } // what the others throw follows from it
      stop.abort()
    }
  }
  try {
    // All have come to their end before this one does: nothing is written afterwards.
    await Promise.all(Array.from({ length: Math.min(connections, parts.length) }, worker))
    if (failed?.why instanceof NoRanges) {
      await wholeFile(wanted, access, {
        ...shared,
        signal: options.signal ?? new AbortController().signal,
      })
    } else if (failed) throw failed.why
  } finally {
    agents.http.destroy()
    agents.https.destroy()
  }
  options.signal?.throwIfAborted()
}

interface Shared extends Omit<DownloadOptions, 'signal'> {
  readonly agents: Agents
  readonly signal: AbortSignal
  readonly silenceMs: number
}

/** The server sends the whole file whatever is asked for. */
class NoRanges extends Error {}

/** One address for all parts, and one fresh one for all when it is refused. */
function accessTo({ remote }: Download) {
  let current = remote(false)
  let renewals = 0
  return {
    get: () => current,
    /** @returns whether there is a fresh one to try */
    refused(old: Remote): Promise<boolean> {
      return current.then((now) => {
        if (now !== old) return true // another part has asked already
        if (renewals >= 3) return false
        renewals += 1
        current = remote(true)
        return true
      })
    },
  }
}
type Access = ReturnType<typeof accessTo>

/**
 * Tries until it is done: a refused address is made fresh, trouble that may pass is outlasted.
 * @param hasCome whether it has brought bytes since it was last asked: then the tries are counted anew
 */
async function untilDone(
  access: Access,
  { clock, signal }: Shared,
  work: (remote: Remote) => Promise<void>,
  hasCome: () => boolean = () => false,
): Promise<void> {
  for (let tries = 0; ; ) {
    const remote = await access.get()
    try {
      return await work(remote)
    } catch (error) {
      if (hasCome()) tries = 0
      if (signal.aborted) throw error
      if (isRefusal(error) && (await access.refused(remote))) continue
      tries += 1
      if (!isPassing(error) || tries >= mostTries) throw error
      await clock.sleep(waitMs(error, tries), signal)
    }
  }
}

async function fetchPart(
  wanted: Download,
  part: ByteRange,
  access: Access,
  shared: Shared,
): Promise<void> {
  let at = part.from
  let before = at
  const hasCome = () => {
    const isFurther = at > before
    before = at
    return isFurther
  }
  const rest = (remote: Remote) =>
    readRange(wanted, { from: at, to: part.to }, remote, shared, (reached) => {
      at = reached
    })
  await untilDone(access, shared, rest, hasCome)
  await wanted.into.hold(part)
}

async function readRange(
  wanted: Download,
  { from, to }: ByteRange,
  remote: Remote,
  shared: Shared,
  reached: (at: number) => void,
): Promise<void> {
  const headers = { ...remote.headers, range: `bytes=${from}-${to - 1}` }
  const answer = await get({ ...remote, headers }, shared)
  if (answer.statusCode === 200) {
    answer.destroy()
    throw new NoRanges()
  }
  if (answer.statusCode !== 206) {
    answer.resume()
    throw refusal(answer.statusCode ?? 0, answer.headers['retry-after'], wanted, remote)
  }
  const [, begins, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(
    answer.headers['content-range'] ?? '',
  ) ?? ['', '', '']
  if (Number(begins) !== from || (total !== '*' && Number(total) !== wanted.bytes)) {
    answer.destroy()
    throw wrongSize(wanted, remote, total ?? '')
  }
  await drained(answer, wanted, { from, to }, remote, reached)
}

async function drained(
  body: AsyncIterable<Uint8Array>,
  wanted: Download,
  { from, to }: ByteRange,
  { url }: Remote,
  reached?: (at: number) => void,
): Promise<void> {
  let at = from
  try {
    for await (const chunk of body) {
      const taken = chunk.subarray(0, to - at) // a server may send more than was asked for
      await wanted.into.write(taken, at)
      at += taken.byteLength
      reached?.(at)
      wanted.came?.(taken.byteLength)
      if (at >= to) return
    }
  } catch (error) {
    throw networkFailure(error, url) // the disk's own trouble as it is
  }
  if (at < to) throw networkFailure(new Error('its answer ended early'), url)
}

/** In one go, from the first byte each time. */
async function wholeFile(wanted: Download, access: Access, shared: Shared): Promise<void> {
  const whole = { from: 0, to: wanted.bytes }
  await untilDone(access, shared, async (remote) => {
    const answer = await get(remote, shared)
    if (answer.statusCode !== 200) {
      answer.resume()
      throw refusal(answer.statusCode ?? 0, answer.headers['retry-after'], wanted, remote)
    }
    await drained(answer, wanted, whole, remote)
    await wanted.into.hold(whole)
  })
}

const isRefusal = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'access_refused'

const isPassing = (error: unknown): boolean =>
  error instanceof AppError &&
  error.kind === 'unavailable' &&
  (error.retryAfterSeconds ?? 0) <= longestRetryAfterSeconds

/** Twice as long each time; what the server asks for, where it does. */
function waitMs(error: unknown, tries: number): number {
  const asked = error instanceof AppError ? error.retryAfterSeconds : undefined
  return asked === undefined
    ? Math.min(longestWaitMs, firstWaitMs * 2 ** (tries - 1))
    : Math.max(firstWaitMs, asked * 1000)
}

function refusal(
  status: number,
  retryAfter: string | undefined,
  { name }: Download,
  { url }: Remote,
): AppError {
  const host = hostOf(url)
  const seconds = Number(retryAfter)
  const later = Number.isFinite(seconds) && seconds >= 0 ? { retryAfterSeconds: seconds } : {}
  if (status === 401 || status === 403) {
    return new AppError('unauthorized', `${host} does not give out ${name} (${status})`, {
      code: 'access_refused',
      next: 'The right to read it may have ended: pull again; for a repository of the Hub, check that the token may read it',
    })
  }
  if (status === 404 || status === 410) {
    return new AppError('not-found', `${host} has ${name} no longer (${status})`, {
      code: 'file_gone',
      next: 'Pull again for the newest version; what was serving stays',
    })
  }
  if (status === 429) {
    return new AppError('unavailable', `${host} is asked too often (429)`, {
      code: 'rate_limited',
      next: 'Wait, and pull again: what has come is kept',
      ...later,
    })
  }
  if (status >= 500) {
    return new AppError('unavailable', `${host} has trouble of its own (${status})`, {
      code: 'server_error',
      next: 'Pull again later: what has come is kept',
      ...later,
    })
  }
  return new AppError('invalid', `${host} answered ${status} when asked for ${name}`, {
    code: 'answer_unknown',
    next: 'Pull again; when it stays so, look at the store of that version',
  })
}

const wrongSize = ({ name, bytes }: Download, { url }: Remote, total: string): AppError =>
  new AppError(
    'invalid',
    `${hostOf(url)} has another ${name}: ${total || 'other'} bytes, where ${bytes} were promised`,
    { code: 'size_mismatch', next: 'Pull again for the newest version; what was serving stays' },
  )
