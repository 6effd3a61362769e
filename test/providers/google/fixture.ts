import { createHash } from 'node:crypto'
import { googleSignIn, type SignInRows } from '../../../src/control/google-sign-in.ts'
import type { GoogleEmulator } from '../../../src/emulators/google/server.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { type DriveClient, driveClient } from '../../../src/providers/google/drive.ts'
import { type GoogleOAuth, googleOAuth } from '../../../src/providers/google/oauth.ts'
import { CLIENT, SECRET } from '../../emulators/google-fixture.ts'
import { settableClock } from '../../settable-clock.ts'

export const oauthOf = (
  google: GoogleEmulator,
  clock: Clock,
  app = { clientId: CLIENT, clientSecret: SECRET },
): GoogleOAuth => googleOAuth({ tokenUrl: google.tokenUrl, timeoutMs: 2000, clock, ...app })

/** A client that is signed in, and the clock on which it waits. */
export function signedIn(google: GoogleEmulator, clientId = CLIENT) {
  const clock = settableClock('2026-11-21T10:00:00Z')
  const { refreshToken } = google.admin.grant({ clientId })
  const oauth = oauthOf(google, clock, { clientId, clientSecret: SECRET })
  const rows: SignInRows = {
    read: async () => ({ refreshToken, state: 'good' }),
    write: async () => undefined,
    markRevoked: async () => true,
    remove: async () => true,
  }
  const signIn = googleSignIn({ clientId, login: oauth, rows, clock })
  const tokens = { get: signIn.access, forget: signIn.forget }
  const drive: DriveClient = driveClient({ rootUrl: google.url, tokens, timeoutMs: 2000, clock })
  return { clock, oauth, tokens, drive, refreshToken }
}

export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex')

/** The bytes from a place on, in pieces that fit no chunk. */
export const sourceOf = (bytes: Uint8Array) =>
  async function* (from: number): AsyncGenerator<Uint8Array> {
    for (let at = from; at < bytes.length; at += 100_003) yield bytes.subarray(at, at + 100_003)
  }

export const allOf = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(source))

/** What was thrown. */
export const failure = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  )
