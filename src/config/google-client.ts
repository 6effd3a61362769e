import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'

/** An OAuth client as the Google Cloud console names it. */
export interface GoogleClient {
  readonly id: string
  readonly secret: string
}

/** The layout: https://developers.google.com/api-client-library/dotnet/guide/aaa_client_secrets (read 2026-11). */
const Client = z.looseObject({ client_id: z.string().min(1), client_secret: z.string().min(1) })
const ClientFile = z.union([
  z.looseObject({ installed: Client }).transform(({ installed }) => installed),
  z.looseObject({ web: Client }).transform(({ web }) => web),
])

/** What other files of credentials say that they are. */
const OtherFile = z.looseObject({ type: z.string() })

const howToMakeOne =
  'Make an OAuth client of the type "TVs and limited input devices" in the Google Cloud console, download its JSON and name that file in GOOGLE_CLIENT_FILE, then: rodizio login google'

/**
 * The client in a JSON file as the Google Cloud console gives it.
 * @throws AppError `invalid`: `google_service_account` for the key of a service account, `google_client_file` for anything else
 * that is not the file of a client; nothing of its content is repeated
 */
export function readGoogleClient(path: string): GoogleClient {
  const value = parsed(path)
  const client = ClientFile.safeParse(value)
  if (client.success) return { id: client.data.client_id, secret: client.data.client_secret }
  const other = OtherFile.safeParse(value)
  if (other.success && other.data.type === 'service_account')
    throw new AppError(
      'invalid',
      `GOOGLE_CLIENT_FILE: ${path} is the key of a service account, and those own no storage on Google Drive: nothing could be saved`,
      { code: 'google_service_account', next: howToMakeOne },
    )
  const what =
    other.success && other.data.type === 'authorized_user'
      ? "is somebody's sign-in with another program, not an OAuth client"
      : 'is not the JSON file of an OAuth client'
  throw refused(`${path} ${what}`)
}

function parsed(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const code = systemCode(cause) ?? messageOf(cause)
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
    throw refused(`${path} ${why}`, cause)
  }
  try {
    return JSON.parse(text)
  } catch {
    return undefined // its words might be secrets: the schema refuses it
  }
}

const refused = (what: string, cause?: unknown): AppError =>
  new AppError('invalid', `GOOGLE_CLIENT_FILE: ${what}`, {
    code: 'google_client_file',
    next: howToMakeOne,
    ...(cause === undefined ? {} : { cause }),
  })
