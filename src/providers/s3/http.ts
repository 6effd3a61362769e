import { AwsV4Signer } from 'aws4fetch'
import type { Clock } from '../../lib/clock.ts'
import { sha256Hex } from '../../lib/random.ts'
import { type Met, networkFailure, statusFailure } from './failures.ts'

export interface S3HttpOptions {
  /** https, or http of this machine; without a slash at its end. */
  readonly endpoint: string
  readonly region: string
  readonly keyId: string
  readonly secretKey: string
  readonly bucket: string
  /** How long nothing may move, either way. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/** Bytes to send: how many, their hash, and the bytes themselves, asked for once. */
export interface Payload {
  readonly bytes: number
  readonly sha256: string
  readonly from: () => AsyncIterable<Uint8Array>
}

export interface S3Call {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Empty for the bucket. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Payload | string
}

/** A good answer, whose body is still on its way. */
export interface Answer {
  readonly status: number
  header(name: string): string | null
  /** Cut off where it is longer than any that is meant here. */
  text(): Promise<string>
  bytes(): AsyncIterable<Uint8Array>
}

/** A page of a thousand names is below half a megabyte. */
const longestTextBytes = 4 * 1024 * 1024
const noBytes = sha256Hex('')

/**
 * Signed requests (Signature Version 4, the hash of what is sent among what is signed), the bucket in the path. They last as long
 * as something moves. Redirects are not followed. Everything but a good answer throws AppError.
 */
export function s3Http(options: S3HttpOptions) {
  const { endpoint, region, keyId, secretKey, bucket, timeoutMs, clock } = options
  const { host } = new URL(endpoint)

  async function signed({ method, key = '', query = {}, headers = {}, body }: S3Call) {
    const url = new URL(`${endpoint}/${bucket}${key === '' ? '' : `/${key}`}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const hash =
      body === undefined ? noBytes : typeof body === 'string' ? sha256Hex(body) : body.sha256
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': hash },
      accessKeyId: keyId,
      secretAccessKey: secretKey,
      service: 's3',
      region,
      datetime: clock
        .now()
        .toISOString()
        .replaceAll(/[:-]|\.\d{3}/g, ''),
    })
    const { url: to, headers: all } = await signer.sign()
    // After the signature: proxies in front of some stores rewrite it.
    all.set('accept-encoding', 'identity')
    if (typeof body === 'object') all.set('content-length', String(body.bytes))
    return { url: to, headers: all }
  }

  return async (call: S3Call, doing: string): Promise<Answer> => {
    const met: Met = { host, bucket, doing, now: clock.now() }
    const ending = new AbortController()
    let timer: NodeJS.Timeout | undefined
    let isAnswered = false
    const moves = () => {
      clearTimeout(timer)
      timer = setTimeout(() => ending.abort(new DOMException('', 'TimeoutError')), timeoutMs)
    }
    const within = async <Value>(work: () => Promise<Value>): Promise<Value> => {
      moves()
      try {
        return await work()
      } catch (error) {
        throw networkFailure(error, met)
      } finally {
        clearTimeout(timer)
      }
    }
    async function* watched(source: AsyncIterable<Uint8Array>) {
      for await (const chunk of source) {
        if (!isAnswered) moves()
        yield chunk
      }
    }
    const { method, body } = call
    const { url, headers } = await signed(call)
    const sent =
      typeof body === 'object'
        ? { body: ReadableStream.from(watched(body.from())), duplex: 'half' as const }
        : body === undefined
          ? {}
          : { body }
    const response = await within(() =>
      fetch(url, { method, headers, redirect: 'manual', signal: ending.signal, ...sent }),
    )
    isAnswered = true
    async function* bytes(): AsyncGenerator<Uint8Array> {
      const reader = response.body?.getReader()
      if (!reader) return
      try {
        for (;;) {
          const { value, done } = await within(() => reader.read())
          if (done) return
          yield value
        }
      } finally {
        ending.abort() // whoever stops in the middle wants no more of it
      }
    }
    async function text(): Promise<string> {
      const parts: Uint8Array[] = []
      let length = 0
      for await (const part of bytes()) {
        length += part.length
        if (length > longestTextBytes) break
        parts.push(part)
      }
      return Buffer.concat(parts).toString('utf8')
    }
    const header = (name: string) => response.headers.get(name)
    if (response.ok) return { status: response.status, header, text, bytes }
    const refused = {
      status: response.status,
      retryAfter: header('retry-after'),
      date: header('date'),
    }
    throw statusFailure({ ...refused, body: await text() }, met)
  }
}

export type S3Http = ReturnType<typeof s3Http>
