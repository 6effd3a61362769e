import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fault } from './faults.ts'
import { deliver, type Journey } from './transfer.ts'

/** How an answer travels, told by the length of its body. */
export type Travel = (bytes: number) => Journey

/** How answers travel when this fault strikes. */
export const journeyOf =
  (fault: Fault | undefined, bytesPerSecond: number | undefined): Travel =>
  (bytes) => ({
    bytesPerSecond: fault?.kind === 'slow' ? fault.bytesPerSecond : bytesPerSecond,
    cutAfterBytes: fault?.kind === 'cut' ? (fault.afterBytes ?? Math.floor(bytes / 2)) : undefined,
  })

const directly = journeyOf(undefined, undefined)

/** Sends JSON with its length told beforehand, so that a cut is a cut. */
export async function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  travel: Travel = directly,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    ...headers,
  })
  await deliver(response, [body], travel(body.length))
}

/** A fault that the service puts into its own words. */
export type Refusal = Extract<
  Fault,
  { kind: 'rate_limit' | 'status' | 'expired_token' | 'error_text' }
>

/** Sends what stands in the way of the call, `answer` what has the service's own form. False when this fault lets it through. */
export async function sendObstacle(
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
  answer: (refusal: Refusal, headers: Readonly<Record<string, string>>) => Promise<void>,
): Promise<boolean> {
  switch (fault.kind) {
    case 'garbage':
      response.writeHead(200, { 'content-type': 'text/html' }).end(fault.body)
      return true
    case 'hang':
      await new Promise((resolve) => request.socket.once('close', resolve))
      return true
    case 'slow':
    case 'cut':
    case 'started_but_cut':
      return false
    default: {
      const after = 'retryAfterSeconds' in fault ? fault.retryAfterSeconds : undefined
      await answer(fault, after === undefined ? {} : { 'retry-after': String(after) })
      return true
    }
  }
}

/** Sends an error envelope; a caller that is gone, or that has begun to hear another answer, is cut off. */
export function sendRefusal(
  response: ServerResponse,
  status: number,
  envelope: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(envelope))
}
