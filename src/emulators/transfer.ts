import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const PIECE_BYTES = 16 * 1024

/** How an answer travels: at what speed, and whether the line breaks on the way. */
export interface Journey {
  readonly bytesPerSecond: number | undefined
  /** After so many bytes of the body the connection is cut. */
  readonly cutAfterBytes: number | undefined
}

/** The chunks of a request body, no faster than the cap. */
export async function* receive(
  request: IncomingMessage,
  bytesPerSecond: number | undefined,
): AsyncGenerator<Buffer> {
  for await (const chunk of request) {
    const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    if (bytesPerSecond !== undefined) await delay((bytes.length / bytesPerSecond) * 1000)
    yield bytes
  }
}

/** Writes chunks to an answer whose head is already set, and ends it or cuts it off. */
export async function deliver(
  response: ServerResponse,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  journey: Journey,
): Promise<void> {
  let sent = 0
  for await (const chunk of chunks) {
    // A slow line drips in small pieces, so that a reader sees an answer that goes on without end.
    const { bytesPerSecond } = journey
    const size = bytesPerSecond
      ? Math.max(1, Math.min(PIECE_BYTES, bytesPerSecond / 5))
      : PIECE_BYTES
    for (let at = 0; at < chunk.length; at += Math.ceil(size)) {
      const room = (journey.cutAfterBytes ?? Number.POSITIVE_INFINITY) - sent
      const piece = chunk.subarray(at, at + Math.ceil(size)).subarray(0, Math.max(0, room))
      if (!(await write(response, piece)) || piece.length >= room) {
        response.destroy()
        return
      }
      sent += piece.length
      if (bytesPerSecond !== undefined) await delay((piece.length / bytesPerSecond) * 1000)
    }
  }
  if (journey.cutAfterBytes === undefined) response.end()
  else response.destroy()
}

/** False when nobody listens any more. */
async function write(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return false
  return await new Promise((resolve) => {
    const gone = (): void => resolve(false)
    response.once('close', gone)
    response.write(bytes, (error) => {
      response.off('close', gone)
      resolve(error === undefined || error === null)
    })
  })
}
