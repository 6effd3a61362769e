import { sign } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { hostOf, networkFailure } from './get.ts'
import { garbled, parsed } from './source-text.ts'

/** What a box reads a folder of Drive by, without the service. */
export type GoogleReader =
  /** Of a project: it opens what is shared with anyone who has the link. */
  | { readonly kind: 'key'; readonly key: string }
  /** It opens what is shared with its mail address. */
  | { readonly kind: 'service-account'; readonly email: string; readonly privateKey: string }
  | {
      readonly kind: 'person'
      readonly clientId: string
      readonly clientSecret: string
      readonly refreshToken: string
    }

const ServiceAccount = z.looseObject({
  type: z.literal('service_account'),
  client_email: z.string().min(3),
  private_key: z.string().includes('PRIVATE KEY'),
})
const Person = z.looseObject({
  type: z.literal('authorized_user'),
  client_id: z.string().min(1),
  client_secret: z.string().min(1),
  refresh_token: z.string().min(1),
})

/**
 * Reads a credentials file as Google's own tools write it.
 * @throws AppError `invalid` (`credentials_invalid`); nothing of the file is repeated
 */
export function readerOf(text: string): GoogleReader {
  const json = parsed(text)
  const account = ServiceAccount.safeParse(json)
  if (account.success) {
    const { client_email: email, private_key: privateKey } = account.data
    return { kind: 'service-account', email, privateKey }
  }
  const person = Person.safeParse(json)
  if (person.success) {
    const { client_id: clientId, client_secret: clientSecret } = person.data
    return { kind: 'person', clientId, clientSecret, refreshToken: person.data.refresh_token }
  }
  throw new AppError(
    'invalid',
    'the file that GOOGLE_APPLICATION_CREDENTIALS names is no key of a service account and no sign-in of a person',
    {
      code: 'credentials_invalid',
      next: 'Make a JSON key of a service account in the Google Cloud console, and share the folder with its mail address',
    },
  )
}

const readScope = 'https://www.googleapis.com/auth/drive.readonly'
const timeoutMs = 20_000
/** An access token that ends so soon is made anew. */
const spareMs = 120_000
/** Google refuses a longer life (developers.google.com/identity/protocols/oauth2/service-account, read 2026-11). */
const assertionSeconds = 3600

/**
 * The headers by which that reader reads, access tokens kept for their hour.
 * @returns a function; `isRefused` when what it gave last opened nothing. It throws AppError `unauthorized` (`access_refused`),
 * `unavailable` (`network`)
 */
export function readingHeaders(
  reader: GoogleReader,
  { tokenUrl, clock }: { readonly tokenUrl: string; readonly clock: Clock },
) {
  let held: { readonly token: string; readonly until: number } | undefined
  return async (isRefused = false): Promise<Readonly<Record<string, string>>> => {
    if (reader.kind === 'key') return { 'x-goog-api-key': reader.key }
    if (isRefused || held === undefined || clock.monotonicMs() >= held.until) {
      const asked = clock.monotonicMs()
      const { token, seconds } = await accessToken(reader, tokenUrl, clock)
      held = { token, until: asked + seconds * 1000 - spareMs }
    }
    return { authorization: `Bearer ${held.token}` }
  }
}

const Answer = z.looseObject({ access_token: z.string().min(1), expires_in: z.number() })

async function accessToken(
  reader: Exclude<GoogleReader, { kind: 'key' }>,
  tokenUrl: string,
  clock: Clock,
): Promise<{ readonly token: string; readonly seconds: number }> {
  const form = new URLSearchParams(
    reader.kind === 'person'
      ? {
          grant_type: 'refresh_token',
          client_id: reader.clientId,
          client_secret: reader.clientSecret,
          refresh_token: reader.refreshToken,
        }
      : {
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion: assertion(reader, tokenUrl, clock),
        },
  )
  const { status, text } = await post(tokenUrl, form.toString())
  if (status >= 400 && status < 500 && status !== 429) {
    throw new AppError('unauthorized', `${hostOf(tokenUrl)} gives no access (${status})`, {
      code: 'access_refused',
      next: 'Check the file that GOOGLE_APPLICATION_CREDENTIALS names: its key may have been deleted, or its sign-in be over',
    })
  }
  const answer = status === 200 ? Answer.safeParse(parsed(text)) : undefined
  if (!answer?.success) throw garbled(tokenUrl, 'an access token')
  return { token: answer.data.access_token, seconds: answer.data.expires_in }
}

/** RFC 7523: who asks, for what, signed by the account's own key. */
function assertion(
  { email, privateKey }: Extract<GoogleReader, { kind: 'service-account' }>,
  tokenUrl: string,
  clock: Clock,
): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const iat = Math.floor(clock.now().getTime() / 1000)
  const claims = { iss: email, scope: readScope, aud: tokenUrl, iat, exp: iat + assertionSeconds }
  const said = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`
  try {
    return `${said}.${sign('RSA-SHA256', Buffer.from(said), privateKey).toString('base64url')}`
  } catch {
    // The cause would show parts of the key.
    throw new AppError('invalid', `the private key of ${email} is none`, {
      code: 'credentials_invalid',
      next: 'Make a new JSON key of that service account in the Google Cloud console',
    })
  }
}

function post(
  url: string,
  form: string,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(form),
    }
    const options = { method: 'POST', headers, timeout: timeoutMs }
    const request = (url.startsWith('https:') ? https : http).request(url, options, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => {
        if (text.length < 100_000) text += part
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      answer.on('error', (error) => reject(networkFailure(error, url)))
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', (error) => reject(networkFailure(error, url)))
    request.end(form)
  })
}
