import { z } from 'zod'
import { addSeconds, type Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { garbledAnswer, networkFailure, parseJson, signedOut, statusFailure } from './failures.ts'

/** Files that this application made, and no others: Google asks for no review of it. */
const DRIVE_FILE_SCOPE = 'https://www.googleapis.com/auth/drive.file'

export interface GoogleOAuthOptions {
  readonly clientId: string
  readonly clientSecret: string
  /** `https://oauth2.googleapis.com/token`, or any other address with `device/code` and `revoke` beside it. */
  readonly tokenUrl: string
  readonly timeoutMs: number
  readonly clock: Clock
}

/** A right to call Google for about an hour. */
export interface AccessToken {
  readonly token: string
  readonly expiresAt: Date
}

/** A login that waits for a person at another screen. `deviceCode` is a secret; the other words are to be shown. */
export interface DeviceLogin {
  readonly deviceCode: string
  readonly userCode: string
  readonly verificationUrl: string
  readonly intervalSeconds: number
  readonly expiresAt: Date
}

export type DevicePoll =
  | { readonly kind: 'pending' }
  /** Asked too often: from now on this long between two questions. */
  | { readonly kind: 'slow-down'; readonly intervalSeconds: number }
  | { readonly kind: 'granted'; readonly refreshToken: string; readonly access: AccessToken }
  | { readonly kind: 'denied' }
  | { readonly kind: 'expired' }

const DeviceAnswer = z.looseObject({
  device_code: z.string(),
  user_code: z.string(),
  verification_url: z.string(),
  expires_in: z.number(),
  interval: z.number().nullish(),
})
const TokenAnswer = z.looseObject({
  access_token: z.string(),
  expires_in: z.number(),
  refresh_token: z.string().nullish(),
})
const ErrorAnswer = z.looseObject({ error: z.string() })

/**
 * Google's token endpoints for one OAuth client. Nothing is repeated here. Throws AppError: `unauthorized`
 * (`google_signed_out` for a sign-in that is over, `google_client_refused` for an unknown client), `unavailable`.
 */
export function googleOAuth(options: GoogleOAuthOptions) {
  const { clientId, clientSecret, tokenUrl, timeoutMs, clock } = options
  const post = async (
    url: string | URL,
    form: Readonly<Record<string, string>>,
    doing: string,
  ): Promise<{ response: Response; text: string }> => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'error',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(form).toString(),
        signal: AbortSignal.timeout(timeoutMs),
      })
      return { response, text: await response.text() }
    } catch (error) {
      throw networkFailure(error, doing)
    }
  }

  const failureOf = (response: Response, text: string, doing: string): AppError => {
    const word = errorWord(text)
    if (word === 'invalid_grant') return signedOut()
    if (word === 'invalid_client' || word === 'unauthorized_client') return clientRefused()
    if (response.status < 500 && response.status !== 429 && word !== undefined)
      return new AppError('invalid', `Google refused while ${doing} (${safeWord(word)})`, {
        code: 'google_refused',
        next: 'Check the OAuth client in the Google Cloud console',
      })
    const retryAfter = response.headers.get('retry-after')
    return statusFailure({ status: response.status, retryAfter, body: text }, doing, clock)
  }

  const accessOf = (answer: z.output<typeof TokenAnswer>): AccessToken => ({
    token: answer.access_token,
    expiresAt: addSeconds(clock.now(), answer.expires_in),
  })

  const credentials = { client_id: clientId, client_secret: clientSecret }

  /** Begins a login; the person enters `userCode` at `verificationUrl`. */
  const startDeviceLogin = async (): Promise<DeviceLogin> => {
    const doing = 'a login was begun'
    const form = { client_id: clientId, scope: DRIVE_FILE_SCOPE }
    const { response, text } = await post(new URL('device/code', tokenUrl), form, doing)
    if (!response.ok) throw failureOf(response, text, doing)
    const answer = DeviceAnswer.safeParse(parseJson(text))
    if (!answer.success) throw garbledAnswer(doing)
    return {
      deviceCode: answer.data.device_code,
      userCode: answer.data.user_code,
      verificationUrl: answer.data.verification_url,
      intervalSeconds: answer.data.interval ?? 5,
      expiresAt: addSeconds(clock.now(), answer.data.expires_in),
    }
  }

  /** Asks once what became of a login. To be asked again no sooner than after `intervalSeconds`. */
  const pollDeviceLogin = async (login: DeviceLogin): Promise<DevicePoll> => {
    const doing = 'a login was waited for'
    const form = {
      ...credentials,
      device_code: login.deviceCode,
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    }
    const { response, text } = await post(tokenUrl, form, doing)
    if (response.ok) {
      const answer = TokenAnswer.safeParse(parseJson(text))
      if (!answer.success || !answer.data.refresh_token) throw garbledAnswer(doing)
      const { refresh_token: refreshToken } = answer.data
      return { kind: 'granted', refreshToken, access: accessOf(answer.data) }
    }
    switch (errorWord(text)) {
      case 'authorization_pending':
        return { kind: 'pending' }
      case 'slow_down':
        return { kind: 'slow-down', intervalSeconds: login.intervalSeconds + 5 } // RFC 8628, 3.5
      case 'access_denied':
        return { kind: 'denied' }
      case 'expired_token':
      case 'invalid_grant': // what Google says of a code that was used or is too old
        return { kind: 'expired' }
      default:
        throw failureOf(response, text, doing)
    }
  }

  /** A new access token. @throws AppError `unauthorized` (`google_signed_out`) when only a new login helps */
  const refresh = async (refreshToken: string): Promise<AccessToken> => {
    const doing = 'the sign-in was renewed'
    const form = { ...credentials, refresh_token: refreshToken, grant_type: 'refresh_token' }
    const { response, text } = await post(tokenUrl, form, doing)
    if (!response.ok) throw failureOf(response, text, doing)
    const answer = TokenAnswer.safeParse(parseJson(text))
    if (!answer.success) throw garbledAnswer(doing)
    return accessOf(answer.data)
  }

  /** Gives a sign-in back, its access tokens with it; one that is already worth nothing is fine. */
  const revoke = async (refreshToken: string): Promise<void> => {
    const doing = 'the sign-in was given back'
    const { response, text } = await post(
      new URL('revoke', tokenUrl),
      { token: refreshToken },
      doing,
    )
    if (!response.ok && errorWord(text) !== 'invalid_token') throw failureOf(response, text, doing)
  }

  return { startDeviceLogin, pollDeviceLogin, refresh, revoke }
}

export type GoogleOAuth = ReturnType<typeof googleOAuth>

const clientRefused = (): AppError =>
  new AppError('unauthorized', 'Google does not know this OAuth client, or refused its secret', {
    code: 'google_client_refused',
    next: 'Check its id, its secret and its type (TVs and limited input devices) in the Google Cloud console, then: rodizio login google',
  })

function errorWord(text: string): string | undefined {
  const parsed = ErrorAnswer.safeParse(parseJson(text))
  return parsed.success ? parsed.data.error : undefined
}

/** Only what looks like a word of the standard is repeated. */
const safeWord = (word: string): string => (/^[a-z_]{1,40}$/.test(word) ? word : 'unknown error')
