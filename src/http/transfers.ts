import { Hono } from 'hono'
import type { OneTimeUrls } from '../control/one-time-urls.ts'

/** Bytes of checkpoints and data sets through one-time URLs; `Range: bytes=a-` and `bytes=a-b` understood. */
export function transferRoutes(urls: OneTimeUrls): Hono {
  const app = new Hono()
  app.put('/v1/transfers/:secret', async (c) => {
    const body = c.req.raw.body ?? new Blob([]).stream()
    await urls.receive(c.req.param('secret'), body)
    return c.body(null, 201)
  })
  app.get('/v1/transfers/:secret', async (c) => {
    const file = await urls.open(c.req.param('secret'))
    const range = rangeOf(c.req.header('range'), file.bytes)
    if (range === 'unsatisfiable') {
      return c.body(null, 416, { 'content-range': `bytes */${file.bytes}` })
    }
    const { from, to } = range ?? { from: 0, to: file.bytes }
    const source = await file.read({ from, to })
    const done = to === file.bytes ? file.spent : undefined
    return c.body(streamOf(source, done), range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': String(to - from),
      'accept-ranges': 'bytes',
      etag: `"${file.sha256}"`,
      ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${file.bytes}` } : {}),
    })
  })
  return app
}

/** Half-open range asked for; undefined for the whole file. */
export function rangeOf(
  header: string | undefined,
  bytes: number,
): { readonly from: number; readonly to: number } | 'unsatisfiable' | undefined {
  if (header === undefined) return undefined
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(header.trim()) ?? []
  if (first === undefined) return undefined // another unit or several ranges: the whole file is a right answer
  const from = Number(first)
  const to = last ? Math.min(Number(last) + 1, bytes) : bytes
  return from < to ? { from, to } : 'unsatisfiable'
}

/** As fast as it is read. @param done told only when the reader has taken the last byte */
export function streamOf(
  source: AsyncIterable<Uint8Array>,
  done?: (() => Promise<void>) | undefined,
): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done: over, value } = await iterator.next()
      if (!over) {
        controller.enqueue(value)
        return
      }
      await done?.()
      controller.close()
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
