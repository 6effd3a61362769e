import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fault } from './faults.ts'
import { deliver, type Journey } from './transfer.ts'

/** How an answer travels when this fault strikes; `bytes` is the length of its body. */
export function journeyOf(
  fault: Fault | undefined,
  bytesPerSecond: number | undefined,
  bytes: number,
): Journey {
  return {
    bytesPerSecond: fault?.kind === 'slow' ? fault.bytesPerSecond : bytesPerSecond,
    cutAfterBytes: fault?.kind === 'cut' ? (fault.afterBytes ?? Math.floor(bytes / 2)) : undefined,
  }
}

/** Sends JSON with its length told beforehand, so that a cut is a cut. */
export async function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  fault?: Fault,
  bytesPerSecond?: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    ...headers,
  })
  await deliver(response, [body], journeyOf(fault, bytesPerSecond, body.length))
}

/** Sends what stands in the way of the call. False when this fault lets the call through. */
export async function sendObstacle(
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const after = 'retryAfterSeconds' in fault ? fault.retryAfterSeconds : undefined
  const headers: Record<string, string> =
    after === undefined ? {} : { 'retry-after': String(after) }
  switch (fault.kind) {
    case 'rate_limit':
      await sendJson(response, 429, rateLimitBody(fault.shape), undefined, undefined, headers)
      return true
    case 'status': {
      const body = { code: fault.status, message: fault.message }
      await sendJson(response, fault.status, body, undefined, undefined, headers)
      return true
    }
    case 'expired_token':
      await sendJson(response, 401, { code: 401, message: 'The access token has expired' })
      return true
    case 'error_text':
      await sendJson(response, 200, { error: fault.text, errorMessage: fault.text })
      return true
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
  }
}

/** Both have been seen: https://github.com/Kaggle/kaggle-cli/issues/132 and /issues/931 (read 2026-11). */
const rateLimitBody = (shape: 'flat' | 'nested'): unknown =>
  shape === 'flat'
    ? { code: 429, message: 'TooManyRequests' }
    : { error: { code: 429, message: 'Too many requests', status: 'RESOURCE_EXHAUSTED' } }
