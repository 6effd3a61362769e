import { z } from 'zod'
import { type Clock, secondsBetween } from '../../lib/clock.ts'
import { AppError, type ErrorDetails, systemCode } from '../../lib/errors.ts'

/** Google's error envelope: https://developers.google.com/workspace/drive/api/guides/handle-errors (read 2026-11). */
const Envelope = z.looseObject({
  error: z.looseObject({
    message: z.string().nullish(),
    errors: z.array(z.looseObject({ reason: z.string().nullish() })).nullish(),
  }),
})

/** Too many calls for now. A daily limit is one too, only longer. */
const RATE_REASONS = new Set(['userRateLimitExceeded', 'rateLimitExceeded', 'dailyLimitExceeded'])
const DAY_SECONDS = 24 * 3600

/** How long to wait after a rate limit that names no time: the first step of the back-off that Google asks for is 1 s, ours is calmer. */
const RATE_WAIT_SECONDS = 30

/** What `fetch` threw: a time limit, a refused or broken connection. */
export function networkFailure(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error
  const isTimeout = error instanceof Error && /^(?:TimeoutError|AbortError)$/.test(error.name)
  const code = systemCode(error instanceof Error ? (error.cause ?? error) : error)
  const what = isTimeout ? 'no answer in time' : (code ?? 'the connection broke')
  return new AppError('unavailable', `Google did not answer while ${doing} (${what})`, {
    code: isTimeout ? 'timeout' : code === 'ECONNREFUSED' ? 'unreachable' : 'connection_lost',
    cause: error,
    next: 'It is tried again; when it lasts, check the network of this machine',
  })
}

/** An answer that is not what this call answers. Its text is left out: it might hold a token. */
export const garbledAnswer = (doing: string, cause?: unknown): AppError =>
  new AppError('unavailable', `Google's answer while ${doing} made no sense`, {
    code: 'bad_answer',
    next: 'It is tried again; when it lasts, Google has changed its API',
    ...(cause === undefined ? {} : { cause }),
  })

/** An answer with an error status. */
export interface Refused {
  readonly status: number
  /** The header `Retry-After`. */
  readonly retryAfter: string | null
  readonly body: string
}

/** A refusal in the words of the product, with the wait where there is one. */
export function statusFailure(
  { status, retryAfter, body }: Refused,
  doing: string,
  clock: Clock,
): AppError {
  const { message, reason } = readEnvelope(body)
  const told = retryAfterSeconds(retryAfter, clock)
  const failed = (
    kind: ConstructorParameters<typeof AppError>[0],
    text: string,
    details: ErrorDetails,
  ) => new AppError(kind, text, details)

  if (status === 401)
    return failed('unauthorized', 'Google refused the access token', {
      code: 'google_token_refused',
      next: 'rodizio login google',
    })
  if (status === 403 && reason === 'storageQuotaExceeded')
    return failed('disk-full', 'the storage of the Google account is full, its bin included', {
      code: 'drive_full',
      next: 'Delete files there and empty its bin, or keep fewer checkpoints',
    })
  if (status === 429 || (status === 403 && RATE_REASONS.has(reason)))
    return failed(
      'unavailable',
      `Google limits how often Drive may be called, met while ${doing}`,
      {
        code: 'rate_limited',
        next: 'It waits and tries again; nothing needs to be done',
        retryAfterSeconds:
          told ?? (reason === 'dailyLimitExceeded' ? DAY_SECONDS : RATE_WAIT_SECONDS),
      },
    )
  if (status === 403)
    return failed('not-allowed', `Google Drive does not allow this while ${doing}: ${message}`, {
      code: 'drive_denied',
      next: 'Check that the login was given the right to files of this application: rodizio login google',
    })
  if (status === 404)
    return failed(
      'not-found',
      `Google Drive shows nothing there to this application while ${doing}`,
      {
        code: 'drive_not_found',
      },
    )
  if (status === 409)
    return failed('conflict', 'a file with that id is already on Google Drive', {
      code: 'drive_id_used',
    })
  if (status === 501) return failed('invalid', message, { code: 'not_implemented' })
  if (status >= 500)
    return failed('unavailable', `Google answered ${status} while ${doing}`, {
      code: 'server_error',
      next: 'It is tried again; when it lasts, look at the status page of Google Workspace',
      ...(told === undefined ? {} : { retryAfterSeconds: told }),
    })
  return failed('invalid', `Google refused (${status}) while ${doing}: ${message}`, {
    code: 'drive_refused',
  })
}

/** Google's sign-in is over: revoked, unused for half a year, or from an application still in testing (7 days). */
export const signedOut = (): AppError =>
  new AppError('unauthorized', 'Google no longer accepts the stored sign-in (invalid_grant)', {
    code: 'google_signed_out',
    next: 'rodizio login google',
  })

/** Google's own word and reason; a reply that is no envelope has neither. */
function readEnvelope(body: string): { message: string; reason: string } {
  const parsed = Envelope.safeParse(parseJson(body))
  if (!parsed.success) return { message: 'it gave no reason', reason: '' }
  const { message, errors } = parsed.data.error
  return { message: message ?? 'it gave no reason', reason: errors?.[0]?.reason ?? '' }
}

/** Undefined for what is not JSON: refused by the schema of the answer. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Seconds from a `Retry-After` header, which holds a number of seconds or a date (RFC 9110, 10.2.3). */
function retryAfterSeconds(header: string | null, clock: Clock): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds)
  const date = new Date(header)
  return Number.isNaN(date.getTime()) ? undefined : Math.max(0, secondsBetween(clock.now(), date))
}
