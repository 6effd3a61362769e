import type { Context } from 'hono'
import { statusOf } from '../api/client.ts'
import { AppError } from '../lib/errors.ts'

/** Codes that deserve another status than their kind has. */
const statusByCode: Readonly<Record<string, number>> = {
  queue_full: 429,
  node_lost: 502,
  node_late: 504,
  body_too_large: 413,
  encoding_unknown: 415,
  method_not_allowed: 405,
}

const typeOf = (status: number): string =>
  status === 401
    ? 'authentication_error'
    : status === 429
      ? 'rate_limit_error'
      : status < 500
        ? 'invalid_request_error'
        : 'server_error'

/** An error in the shape that clients of OpenAI's interface read; what nobody expected says no more than that. */
export function openAiProblem(
  c: Context,
  error: unknown,
  unexpected: (error: unknown) => void,
): Response {
  if (!(error instanceof AppError)) unexpected(error)
  const known =
    error instanceof AppError
      ? error
      : new AppError('internal', 'something went wrong inside the service')
  const status = statusByCode[known.code] ?? statusOf[known.kind]
  const message = known.next === undefined ? known.message : `${known.message}. ${known.next}`
  const body = { error: { message, type: typeOf(status), param: null, code: known.code } }
  c.header('content-type', 'application/json')
  if (known.retryAfterSeconds !== undefined) {
    c.header('retry-after', String(Math.ceil(known.retryAfterSeconds)))
  }
  if (status === 401) c.header('www-authenticate', 'Bearer')
  return c.newResponse(JSON.stringify(body), status as 400) // every status of both tables bears a body
}
