import http from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { SignedUpload } from '../../artifacts/publication.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf, systemCode } from '../../lib/errors.ts'

/** The bytes of a file, half-open; asked for again after a cut. */
export type ByteSource = (from: number, to: number) => Promise<AsyncIterable<Uint8Array>>

export interface SendOptions {
  readonly clock: Clock
  /** Told of so many bytes more that have gone; less than nothing when some of them have to go again. */
  readonly sent: (bytes: number) => void
}

const silenceMs = 60_000
const mostTries = 5
const firstWaitMs = 1000
const longestAnswerBytes = 64 * 1024

/**
 * Sends a file to where it was signed for: whole, or part by part. So much of it is in memory as a stream holds. Redirects are not
 * followed, and nothing goes along but what the address came with.
 * @throws AppError `unavailable`: `address_over` for one that takes nothing (any more), `network`
 */
export async function sendSigned(
  upload: SignedUpload,
  source: ByteSource,
  { clock, sent }: SendOptions,
): Promise<void> {
  const { name, bytes, sha256, href, headers, parts } = upload
  const put = (url: string, from: number, to: number) =>
    outlasting(clock, async () => {
      let gone = 0
      try {
        return await send(url, 'PUT', headers, to - from, counted(await source(from, to)), name)
      } catch (error) {
        sent(-gone)
        throw error
      }
      async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        for await (const chunk of chunks) {
          gone += chunk.byteLength
          sent(chunk.byteLength)
          yield chunk
        }
      }
    })
  if (parts === null) return void (await put(href, 0, bytes))
  const told: { partNumber: number; etag: string }[] = []
  for (const [index, url] of parts.hrefs.entries()) {
    const from = index * parts.partBytes
    const { etag } = await put(url, from, Math.min(bytes, from + parts.partBytes))
    if (typeof etag !== 'string') throw over(name, 'it gave no tag for a part')
    told.push({ partNumber: index + 1, etag })
  }
  const body = Buffer.from(JSON.stringify({ oid: sha256, parts: told }))
  const type = { 'content-type': 'application/vnd.git-lfs+json' }
  await outlasting(clock, () => send(href, 'POST', type, body.length, [body], name))
}

async function outlasting<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      const again = error instanceof AppError && error.code === 'network' && tries < mostTries
      if (!again) throw error
      await clock.sleep((error.retryAfterSeconds ?? 0) * 1000 || firstWaitMs * 2 ** (tries - 1))
    }
  }
}

/** One request; its answer's headers. */
async function send(
  url: string,
  method: 'PUT' | 'POST',
  headers: Readonly<Record<string, string>>,
  length: number,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  name: string,
): Promise<http.IncomingHttpHeaders> {
  const open = url.startsWith('https:') ? https.request : http.request
  const request = open(url, {
    method,
    headers: { ...headers, 'content-length': length },
    timeout: silenceMs,
  })
  request.on('timeout', () => request.destroy(new Error('nothing went for a minute')))
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  answered.catch(() => undefined) // heard below, unless the body breaks first
  try {
    // A refusal may come before the last byte has gone: then it is the answer that counts.
    const early = answered.then((answer) => {
      if ((answer.statusCode ?? 0) >= 300) request.destroy()
      return answer
    })
    await Promise.race([pipeline(body, request), early])
    return await read(await early, name)
  } catch (error) {
    throw error instanceof AppError ? error : broken(name, error)
  }
}

async function read(answer: http.IncomingMessage, name: string) {
  const status = answer.statusCode ?? 0
  let bytes = 0
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > longestAnswerBytes) break
    }
  } catch (error) {
    if (status < 300) throw broken(name, error)
  }
  if (status >= 200 && status < 300) return answer.headers
  if (status < 500 && status !== 429 && status !== 408) throw over(name, `it answered ${status}`)
  const told = Number(answer.headers['retry-after'])
  throw new AppError('unavailable', `${name} was not taken: it answered ${status}`, {
    code: 'network',
    ...(Number.isFinite(told) && told > 0 ? { retryAfterSeconds: told } : {}),
  })
}

/** The address itself is told to nobody: it is the right to write. */
const over = (name: string, why: string): AppError =>
  new AppError('unavailable', `the address for ${name} takes nothing: ${why}`, {
    code: 'address_over',
    next: 'Publish again: fresh addresses are asked for, and what has arrived stays',
  })

const broken = (name: string, error: unknown): AppError =>
  new AppError(
    'unavailable',
    `the connection broke on the way of ${name}: ${systemCode(error) ?? messageOf(error)}`,
    { code: 'network', cause: error, next: 'Publish again: what has arrived stays' },
  )
