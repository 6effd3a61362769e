import { type Clock, secondsBetween } from '../../lib/clock.ts'
import { AppError, systemCode } from '../../lib/errors.ts'

/** A call that ended badly, in the words of the product. `who` names the account in sentences. */
export interface Trouble {
  readonly who: string
  readonly doing: string
  /** The call may have taken effect although no answer came, which must not be repeated blindly. */
  readonly isPush: boolean
}

/** The connection never stood, so nothing was asked. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** The answer of a push is gone: whether a session started is not known until its status is read. */
const answerLost = (what: string, cause?: unknown): AppError =>
  new AppError('unavailable', `Kaggle's answer to a push was lost (${what})`, {
    code: 'answer_lost',
    next: 'Read the status of that notebook before anything is pushed again',
    ...(cause === undefined ? {} : { cause }),
  })

/** What `fetch` threw: a time limit, a refused or broken connection. */
export function networkFailure(error: unknown, { isPush, doing }: Trouble): AppError {
  const isTimeout = error instanceof Error && error.name === 'TimeoutError'
  const code = systemCode(error instanceof Error ? (error.cause ?? error) : error)
  if (code !== undefined && NEVER_SENT.has(code))
    return new AppError('unavailable', `Kaggle cannot be reached (${code})`, {
      code: 'unreachable',
      cause: error,
      next: 'Check the network of this machine and the address in RODIZIO_KAGGLE_URL',
    })
  const what = isTimeout ? 'no answer in time' : (code ?? 'the connection broke')
  if (isPush) return answerLost(what, error)
  return new AppError('unavailable', `Kaggle did not answer while ${doing} (${what})`, {
    code: isTimeout ? 'timeout' : 'connection_lost',
    cause: error,
    next: 'It is tried again; when it lasts, look at the status page of Kaggle',
  })
}

/** An answer that is not what this call answers. `text` must be free of secrets. */
export function garbledAnswer(text: string, { isPush, doing }: Trouble, cause?: unknown): AppError {
  if (isPush) return answerLost('it made no sense', cause)
  const start = text.slice(0, 80).replace(/\s+/g, ' ')
  return new AppError('unavailable', `Kaggle's answer while ${doing} made no sense: "${start}"`, {
    code: 'bad_answer',
    next: 'It is tried again; when it lasts, Kaggle has changed its API',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** An answer with an error status. `message` is Kaggle's own, free of secrets. */
export function statusFailure(
  status: number,
  message: string,
  retryAfterSeconds: number | undefined,
  { who, doing, isPush }: Trouble,
): AppError {
  const after = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  if (status === 401)
    return new AppError('unauthorized', `Kaggle refused the credentials of ${who}`, {
      next: "Make a new API token in that account's settings, then add the account again",
    })
  if (status === 403)
    return new AppError('not-allowed', `Kaggle does not allow ${who} this: ${message}`, {
      code: 'kaggle_denied',
      next: 'Check the owner and the name, and that the account is verified by phone',
    })
  if (status === 404)
    return new AppError('not-found', `Kaggle knows nothing of that: ${message}`, {
      code: 'kaggle_not_found',
    })
  if (status === 429)
    return new AppError('unavailable', `Kaggle limits the calls of ${who}: ${message}`, {
      code: 'rate_limited',
      next: 'Wait; fewer calls are allowed than were made',
      ...after,
    })
  if (status === 501) return new AppError('invalid', message, { code: 'not_implemented' })
  if (status >= 500) {
    // 503 is said before any work is done; any other may come after the session has started.
    if (isPush && status !== 503) return answerLost(`status ${status}`)
    return new AppError('unavailable', `Kaggle answered ${status} while ${doing}`, {
      code: 'server_error',
      next: 'It is tried again; when it lasts, look at the status page of Kaggle',
      ...after,
    })
  }
  return new AppError('invalid', `Kaggle refused (${status}) while ${doing}: ${message}`, {
    code: 'kaggle_refused',
  })
}

/** Seconds from a `Retry-After` header, which holds a number of seconds or a date (RFC 9110, 10.2.3). */
export function retryAfterSeconds(header: string | null, clock: Clock): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds)
  const date = new Date(header)
  if (Number.isNaN(date.getTime())) return undefined
  return Math.max(0, secondsBetween(clock.now(), date))
}
