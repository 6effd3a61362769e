import { secondsBetween } from '../../lib/clock.ts'
import { AppError, systemCode } from '../../lib/errors.ts'
import { textOf } from './xml.ts'

/** What a refusal is told with: where it was met, and what the clock here says. */
export interface Met {
  readonly host: string
  readonly bucket: string
  readonly doing: string
  readonly now: Date
}

/** An answer with an error status. */
export interface Refused {
  readonly status: number
  readonly retryAfter: string | null
  readonly date: string | null
  /** XML, or empty: an answer to HEAD has none. */
  readonly body: string
}

/** Refusals that pass. Source: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (read 2026-11). */
const passing: ReadonlySet<string> = new Set([
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'RequestTimeout',
  'OperationAborted',
  // The bytes were spoiled on their way: they are sent again.
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
])
const full: ReadonlySet<string> = new Set([
  'QuotaExceeded',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'InsufficientStorage',
])
const elsewhere: ReadonlySet<string> = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'InvalidRegionName',
])

/** A refusal in the words of the product. What the store says itself is cut short, and shown only where nothing better is known. */
export function statusFailure(
  { status, retryAfter, date, body }: Refused,
  { host, bucket, doing, now }: Met,
): AppError {
  const code = plain(textOf(body, 'Code') ?? '', 60)
  const message = plain(textOf(body, 'Message') ?? '', 200)
  const about = `while ${doing}`
  if (code === 'RequestTimeTooSkewed')
    return new AppError(
      'invalid',
      `${host} refuses requests from a clock that is off${offBy(date, now)}`,
      {
        code: 'clock_off',
        next: 'Set the clock of this machine, such as with: sudo timedatectl set-ntp true',
      },
    )
  if (code === 'SignatureDoesNotMatch')
    return new AppError('unauthorized', `${host} refuses what the secret key has signed`, {
      code: 's3_signature',
      next: 'RODIZIO_S3_SECRET_ACCESS_KEY has to be the one that was made with RODIZIO_S3_ACCESS_KEY_ID',
    })
  if (code === 'InvalidAccessKeyId' || status === 401)
    return new AppError('unauthorized', `${host} does not know the access key`, {
      code: 's3_key_unknown',
      next: 'Make a key at the store, and set RODIZIO_S3_ACCESS_KEY_ID and RODIZIO_S3_SECRET_ACCESS_KEY',
    })
  if (elsewhere.has(code) || (status >= 300 && status < 400)) {
    const region = /^[a-z0-9-]{1,40}$/.exec(textOf(body, 'Region') ?? '')?.[0]
    return new AppError(
      'invalid',
      `${host} says that ${bucket} is in another region, met ${about}`,
      {
        code: 's3_region',
        next: `Set RODIZIO_S3_REGION${region ? ` to ${region}` : ''}, and RODIZIO_S3_ENDPOINT to the address of that region; redirects are not followed`,
      },
    )
  }
  // Backblaze refuses with AccessDenied what goes over the caps of its account.
  if (full.has(code) || status === 507 || (status === 403 && /\bcap exceeded|quota/i.test(message)))
    return new AppError(
      'disk-full',
      `${host} has no room for it, or its account has used up what it may`,
      {
        code: 's3_full',
        next: 'Remove what is not needed there, raise the limit, or keep fewer backups (RODIZIO_BACKUP_KEEP)',
      },
    )
  if (code === 'NoSuchBucket')
    return new AppError('not-found', `there is no bucket ${bucket} at ${host}`, {
      code: 's3_no_bucket',
      next: 'Make it there, or correct the name and RODIZIO_S3_ENDPOINT',
    })
  if (code === 'NoSuchUpload' || code === 'InvalidPart' || code === 'InvalidPartOrder')
    return new AppError('conflict', `${host} has lost an upload in parts (${code})`, {
      code: 's3_upload_gone',
      next: 'Try again; when it lasts, look whether a rule of the bucket removes unfinished uploads',
    })
  if (status === 404)
    return new AppError('not-found', `${host} has nothing there ${about}`, { code: 's3_not_found' })
  if (status === 403)
    return new AppError('not-allowed', `${host} does not let this key do that ${about}`, {
      code: 's3_denied',
      next: `Give the key the right to list, read, write and delete in the bucket ${bucket}`,
    })
  if (status === 501 || code === 'NotImplemented')
    return new AppError('invalid', `${host} does not know the call ${about}`, {
      code: 'not_implemented',
    })
  if (status === 429 || status === 408 || status >= 500 || passing.has(code)) {
    const seconds = retryAfterSeconds(retryAfter, now)
    return new AppError(
      'unavailable',
      `${host} answered ${status} ${code || 'without a word'} ${about}`,
      {
        code: status === 429 || code === 'SlowDown' ? 'rate_limited' : 'server_error',
        next: 'It is tried again; when it lasts, look at the status page of the store',
        ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
      },
    )
  }
  return new AppError(
    'invalid',
    `${host} refused (${[status, code, message].filter(Boolean).join(', ')}) ${about}`,
    {
      code: 's3_refused',
    },
  )
}

/** What `fetch` threw: a time limit, a refused or broken connection. */
export function networkFailure(error: unknown, { host, doing }: Met): AppError {
  if (error instanceof AppError) return error
  const isTimeout = error instanceof Error && /^(?:TimeoutError|AbortError)$/.test(error.name)
  const code = systemCode(error instanceof Error ? (error.cause ?? error) : error)
  const what = isTimeout ? 'no answer in time' : (code ?? 'the connection broke')
  return new AppError('unavailable', `${host} did not answer while ${doing} (${what})`, {
    code: isTimeout ? 'timeout' : code === 'ECONNREFUSED' ? 'unreachable' : 'connection_lost',
    cause: error,
    next: 'Check RODIZIO_S3_ENDPOINT and the network of this machine',
  })
}

/** An answer that is not what this call answers. */
export const garbledAnswer = ({ host, doing }: Pick<Met, 'host' | 'doing'>): AppError =>
  new AppError('unavailable', `what ${host} answered made no sense while ${doing}`, {
    code: 'bad_answer',
    next: 'Check that RODIZIO_S3_ENDPOINT is the address of an S3 API, without the bucket',
  })

function offBy(date: string | null, now: Date): string {
  const seconds = secondsBetween(new Date(date ?? Number.NaN), now)
  if (Number.isNaN(seconds)) return ''
  const minutes = Math.round(Math.abs(seconds) / 60)
  return `: this one is ${minutes} minutes ${seconds > 0 ? 'ahead' : 'behind'}`
}

/** Seconds from a `Retry-After` header, which holds a number of seconds or a date (RFC 9110, 10.2.3). */
function retryAfterSeconds(header: string | null, now: Date): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds)
  const date = new Date(header)
  return Number.isNaN(date.getTime()) ? undefined : Math.max(0, secondsBetween(now, date))
}

/** One short line without control characters. */
const plain = (text: string, most: number): string =>
  text
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, most)
