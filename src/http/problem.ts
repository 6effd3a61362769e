import type { Context } from 'hono'
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
  if (!(error instanceof AppError)) unexpected(error)
  const known =
    error instanceof AppError
      ? error
      : new AppError('internal', 'something went wrong inside the service', {
          next: "Look at the service's log; the same request may be sent again",
        })
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
