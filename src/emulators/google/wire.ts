/** A refusal in the envelope of Google's APIs. */
export class GoogleError extends Error {
  readonly status: number
  readonly reason: string
  readonly location: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    reason: string,
    message: string,
    details: {
      readonly location?: string
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ) {
    super(message)
    this.name = 'GoogleError'
    this.status = status
    this.reason = reason
    this.location = details.location
    this.headers = details.headers ?? {}
  }
}

/** A refusal of the token endpoints (RFC 6749, 5.2). */
export class OAuthError extends Error {
  readonly status: number
  readonly error: string

  constructor(status: number, error: string, description: string) {
    super(description)
    this.name = 'OAuthError'
    this.status = status
    this.error = error
  }
}

/** Which application calls, and for whom. */
export interface Caller {
  readonly clientId: string
  readonly user: string
  readonly scopes: readonly string[]
  readonly isServiceAccount: boolean
}

export const READ_DRIVE = 'https://www.googleapis.com/auth/drive.readonly'
/** Who calls with a key alone: nobody in particular. */
export const ANYONE = 'anyone'
export const FULL_DRIVE = 'https://www.googleapis.com/auth/drive'
export const DRIVE_FILE = 'https://www.googleapis.com/auth/drive.file'
export const FOLDER = 'application/vnd.google-apps.folder'

/** The body of a refusal: https://developers.google.com/workspace/drive/api/guides/handle-errors (read 2026-11). */
export const envelopeOf = (error: GoogleError): Record<string, unknown> => {
  const detail = {
    message: error.message,
    domain: domainOf(error.reason),
    reason: error.reason,
    ...(error.location === undefined
      ? {}
      : {
          location: error.location,
          locationType: error.location === 'Authorization' ? 'header' : 'parameter',
        }),
  }
  return { error: { code: error.status, message: error.message, errors: [detail] } }
}

const USAGE = ['userRateLimitExceeded', 'rateLimitExceeded', 'dailyLimitExceeded']
const domainOf = (reason: string): string => (USAGE.includes(reason) ? 'usageLimits' : 'global')

export const invalid = (message: string, location?: string): GoogleError =>
  new GoogleError(400, 'invalid', message, location === undefined ? {} : { location })

export const notFound = (fileId: string): GoogleError =>
  new GoogleError(404, 'notFound', `File not found: ${fileId}.`, { location: 'fileId' })

export const unauthenticated = (): GoogleError =>
  new GoogleError(401, 'authError', 'Invalid Credentials', {
    location: 'Authorization',
    headers: { 'www-authenticate': 'Bearer realm="https://accounts.google.com/"' },
  })

export const storageFull = (): GoogleError =>
  new GoogleError(403, 'storageQuotaExceeded', "The user's Drive storage quota has been exceeded.")

/** As quoted in https://github.com/n8n-io/n8n/issues/26050 (read 2026-11). */
export const serviceAccountHasNoStorage = (): GoogleError =>
  new GoogleError(
    403,
    'storageQuotaExceeded',
    'Service Accounts do not have storage quota. Leverage shared drives (https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth delegation (http://support.google.com/a/answer/7281227) instead.',
  )

export const notModelled = (what: string): GoogleError =>
  new GoogleError(501, 'notImplemented', `This emulator does not model ${what}.`)

/** What Google says when it gives only a reason. */
const WORDS: Readonly<Record<string, string>> = {
  userRateLimitExceeded: 'User Rate Limit Exceeded',
  rateLimitExceeded: 'Rate Limit Exceeded',
  dailyLimitExceeded: 'Daily Limit Exceeded',
  backendError: 'Backend Error',
  authError: 'Invalid Credentials',
  storageQuotaExceeded: storageFull().message,
}
export const wordsFor = (reason: string): string => WORDS[reason] ?? reason
