import type { Config } from '../config/schema.ts'
import { googleSignIn } from '../control/google-sign-in.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type DriveClient, driveClient } from '../providers/google/drive.ts'
import type { DriveFiles } from '../providers/google/drive-artifacts.ts'
import { driveBackups } from '../providers/google/drive-backups.ts'
import { driveFiles } from '../providers/google/drive-files.ts'
import { notebookShelf } from '../providers/google/notebook-shelf.ts'
import { googleOAuth } from '../providers/google/oauth.ts'
import type { BackupPlace } from '../safekeeping/backup-place.ts'
import type { Storage } from './storage.ts'

export interface GoogleOptions {
  readonly config: Config
  readonly clock: Clock
  readonly signIns: Storage['signIns']
  /** Where Drive answers and where Google gives tokens: known only once the emulators stand, where there are any. */
  readonly urls: () => { readonly drive: string; readonly googleToken: string }
}

const timeoutMs = 20_000

/** The one Google client of this service: its sign-in, and Drive behind it. Undefined while none is configured. */
export function openGoogle({ config, clock, signIns, urls }: GoogleOptions) {
  const { GOOGLE_CLIENT_ID: clientId, GOOGLE_CLIENT_SECRET: clientSecret } = config
  if (!clientId || !clientSecret) return undefined
  const login = () =>
    googleOAuth({ clientId, clientSecret, tokenUrl: urls().googleToken, timeoutMs, clock })
  const signIn = googleSignIn({
    clientId,
    rows: signIns,
    clock,
    login: {
      startDeviceLogin: () => login().startDeviceLogin(),
      pollDeviceLogin: (pending) => login().pollDeviceLogin(pending),
      refresh: (token) => login().refresh(token),
      revoke: (token) => login().revoke(token),
    },
  })
  const tokens = {
    get: (minSeconds?: number) => signIn.access(minSeconds).catch(waitForSignIn),
    forget: () => signIn.forget(),
  }
  const folder = config.RODIZIO_DRIVE_FOLDER
  let known: { rootUrl: string; client: DriveClient; files: DriveFiles } | undefined
  const drive = () => {
    const rootUrl = urls().drive
    if (known?.rootUrl !== rootUrl) {
      const client = driveClient({ rootUrl, tokens, timeoutMs, clock })
      known = {
        rootUrl,
        client,
        files: driveFiles({ client, clientId, folder, rootUrl, tokens, clock }),
      }
    }
    return known
  }
  return {
    signIn,
    folder,
    files: async () => drive().files,
    shelf: async () => notebookShelf(drive().client, folder),
    backups: (): BackupPlace => driveBackups(drive().client, folder, clock),
    freeBytes: async () => (await drive().client.quota()).freeBytes,
  }
}

export type Google = NonNullable<ReturnType<typeof openGoogle>>

/** To a session a store that is signed out is one that will be back: it keeps what it has and tries again. */
function waitForSignIn(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== 'google_signed_out') throw error
  throw new AppError('unavailable', `the store on Drive cannot be reached: ${error.message}`, {
    code: 'store_signed_out',
    next: 'Sign in with: rodizio login google',
    retryAfterSeconds: 30,
    cause: error,
  })
}
