import type { IncomingMessage } from 'node:http'
import { ServiceError } from './service-error.ts'
import { receive } from './transfer.ts'

const BODY_BYTES = 32 * 1024 * 1024

/** A JSON body, an empty object when there is none. Throws 400 and 413. */
export async function readJson(
  request: IncomingMessage,
  bytesPerSecond: number | undefined,
): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of receive(request, bytesPerSecond)) {
    bytes += chunk.length
    if (bytes > BODY_BYTES) throw new ServiceError(413, 'The request is too large')
    chunks.push(chunk)
  }
  if (bytes === 0) return {}
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new ServiceError(400, 'The request is not JSON')
  }
}

/** A JSON body that must be an object. */
export async function readObject(
  request: IncomingMessage,
  bytesPerSecond: number | undefined,
): Promise<Record<string, unknown>> {
  const body = await readJson(request, bytesPerSecond)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body }
  throw new ServiceError(400, 'The request is not a JSON object')
}
