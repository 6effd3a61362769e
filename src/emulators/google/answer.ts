import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fault } from '../faults.ts'
import { deliver, type Journey, receive } from '../transfer.ts'
import { envelopeOf, GoogleError, invalid, OAuthError, unauthenticated, wordsFor } from './wire.ts'

const BODY_BYTES = 1024 * 1024

/** How an answer travels when this fault strikes; `bytes` is the length of its body. */
export const journeyOf =
  (fault: Fault | undefined, bytesPerSecond: number | undefined) =>
  (bytes: number): Journey => ({
    bytesPerSecond: fault?.kind === 'slow' ? fault.bytesPerSecond : bytesPerSecond,
    cutAfterBytes: fault?.kind === 'cut' ? (fault.afterBytes ?? Math.floor(bytes / 2)) : undefined,
  })

export type Travel = ReturnType<typeof journeyOf>
const directly: Travel = () => ({ bytesPerSecond: undefined, cutAfterBytes: undefined })

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
    'content-type': 'application/json; charset=UTF-8',
    'content-length': body.length,
    ...headers,
  })
  await deliver(response, [body], travel(body.length))
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
      throw new GoogleError(429, 'rateLimitExceeded', wordsFor('rateLimitExceeded'), { headers })
    case 'status': {
      const reason = fault.reason ?? (fault.status >= 500 ? 'backendError' : 'invalid')
      const message = fault.reason === undefined ? fault.message : wordsFor(reason)
      throw new GoogleError(fault.status, reason, message, { headers })
    }
    case 'expired_token':
      throw unauthenticated()
    case 'error_text':
      throw new OAuthError(400, fault.text, fault.text)
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

/** Turns what was thrown into the service's own envelope; a caller that is gone gets nothing. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  request.resume() // what is still on its way does not hold up the answer
  const send = (status: number, value: unknown, headers: Readonly<Record<string, string>>) =>
    response
      .writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers })
      .end(JSON.stringify(value))
  if (error instanceof OAuthError)
    return void send(error.status, { error: error.error, error_description: error.message }, {})
  const known =
    error instanceof GoogleError
      ? error
      : new GoogleError(500, 'backendError', error instanceof Error ? error.message : String(error))
  send(known.status, envelopeOf(known), known.headers)
}

async function readText(request: IncomingMessage, bytesPerSecond: number | undefined) {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of receive(request, bytesPerSecond)) {
    bytes += chunk.length
    if (bytes > BODY_BYTES) throw new GoogleError(413, 'uploadTooLarge', 'Request Too Large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A JSON object, empty when there is no body. Throws 400 and 413. */
export async function readObject(
  request: IncomingMessage,
  bytesPerSecond?: number,
): Promise<Record<string, unknown>> {
  const text = await readText(request, bytesPerSecond)
  return objectOf(text.trim() === '' ? {} : parse(text))
}

/** Whatever JSON comes; an empty object when there is no body. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request, undefined)
  return text.trim() === '' ? {} : parse(text)
}

/** A form, or the same as JSON, as the token endpoints take it. */
export async function readForm(
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Record<string, string>> {
  const text = await readText(request, undefined)
  const isJson = request.headers['content-type']?.includes('json') === true
  const pairs = isJson
    ? Object.entries(objectOf(parse(text))).map(([key, value]) => [key, String(value)] as const)
    : [...new URLSearchParams(text)]
  return Object.fromEntries([...query, ...pairs])
}

export function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw invalid('Parse Error')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('Parse Error')
  }
}
