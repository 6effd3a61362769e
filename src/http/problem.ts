import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { statusOf } from '../api/client.ts'
import { AppError } from '../lib/errors.ts'

/** Codes that deserve a status of their own. */
const statusByCode: Readonly<Record<string, ContentfulStatusCode>> = {
  url_spent: 410,
  hash_mismatch: 422,
  incomplete: 422,
  body_too_large: 413,
}

/** Any error as an RFC 9457 problem document; what nobody expected says no more than that. */
export function problem(
  c: Context,
  error: unknown,
  unexpected: (error: unknown) => void,
): Response {
  const known = knownOf(error, unexpected)
  // Every value of both tables is an error status that carries a body.
  const status = statusByCode[known.code] ?? (statusOf[known.kind] as ContentfulStatusCode)
  const body = {
    type: 'about:blank',
    title: known.kind.replace('-', ' '),
    status,
    code: known.code,
    detail: known.message,
    ...(known.next === undefined ? {} : { next: known.next }),
  }
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
  if (known.retryAfterSeconds !== undefined) {
    headers['retry-after'] = String(Math.ceil(known.retryAfterSeconds))
  }
  return c.body(JSON.stringify(body), status, headers)
}

function knownOf(error: unknown, unexpected: (error: unknown) => void): AppError {
  if (error instanceof AppError) return error
  // What the router itself refuses: a body that is no JSON, or not called so.
  if (error instanceof HTTPException && error.status < 500) {
    return new AppError('invalid', error.message || 'the request was not understood', {
      code: 'invalid_request',
      next: 'The description of this call stands at /openapi.json',
      cause: error,
    })
  }
  unexpected(error)
  return new AppError('internal', 'something went wrong inside the service', {
    next: "Look at the service's log; the same request may be sent again",
  })
}
