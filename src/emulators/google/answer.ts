import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf } from '../../lib/errors.ts'
import { type Refusal, sendJson as sendPlain, sendRefusal, type Travel } from '../answer.ts'
import { ServiceError } from '../service-error.ts'
import { receive } from '../transfer.ts'
import { envelopeOf, GoogleError, invalid, OAuthError, unauthenticated, wordsFor } from './wire.ts'

const BODY_BYTES = 1024 * 1024

const jsonType = { 'content-type': 'application/json; charset=UTF-8' }

/** Sends JSON under the type that Google gives it. */
export const sendJson = (
  response: ServerResponse,
  status: number,
  value: unknown,
  travel?: Travel,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> => sendPlain(response, status, value, travel, { ...jsonType, ...headers })

/** Faults in Google's words. */
export async function refuseByFault(
  fault: Refusal,
  headers: Readonly<Record<string, string>>,
): Promise<never> {
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
  }
}

/** Turns what was thrown into the service's own envelope. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  request.resume() // what is still on its way does not hold up the answer
  if (error instanceof OAuthError) {
    const envelope = { error: error.error, error_description: error.message }
    sendRefusal(response, error.status, envelope, jsonType)
    return
  }
  const known = inGoogleTerms(error)
  sendRefusal(response, known.status, envelopeOf(known), { ...jsonType, ...known.headers })
}

/** Orders to the emulator are refused in plain words, and sent in Google's envelope all the same. */
function inGoogleTerms(error: unknown): GoogleError {
  if (error instanceof GoogleError) return error
  if (!(error instanceof ServiceError))
    return new GoogleError(500, 'backendError', messageOf(error))
  const reason = ORDER_REASONS[error.status] ?? 'invalid'
  return new GoogleError(error.status, reason, error.message)
}

const ORDER_REASONS: Readonly<Record<number, string>> = { 401: 'authError', 404: 'notFound' }

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
