import type { Clock } from '../lib/clock.ts'
import { addSeconds } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

export interface Access {
  readonly token: string
  readonly expiresAt: Date
}

/** A login that waits for a person; `deviceCode` is a secret. */
export interface PendingLogin {
  readonly deviceCode: string
  readonly userCode: string
  readonly verificationUrl: string
  readonly intervalSeconds: number
  readonly expiresAt: Date
}

export type LoginPoll =
  | { readonly kind: 'pending' }
  | { readonly kind: 'slow-down'; readonly intervalSeconds: number }
  | { readonly kind: 'granted'; readonly refreshToken: string; readonly access: Access }
  | { readonly kind: 'denied' }
  | { readonly kind: 'expired' }

/** Google's side of a sign-in. */
export interface LoginProvider {
  startDeviceLogin(): Promise<PendingLogin>
  pollDeviceLogin(login: PendingLogin): Promise<LoginPoll>
  /** @throws AppError `unauthorized` (`google_signed_out`) when only a new login helps */
  refresh(refreshToken: string): Promise<Access>
}

/** The stored sign-in of one client id; the refresh token is sealed at rest. */
export interface SignInRows {
  read(clientId: string): Promise<{ refreshToken: string; state: 'good' | 'revoked' } | undefined>
  write(clientId: string, refreshToken: string): Promise<void>
  /** Notes that it is over, as one event; false when that was noted before. */
  markRevoked(clientId: string): Promise<boolean>
}

export interface SignInPorts {
  readonly clientId: string
  readonly login: LoginProvider
  readonly rows: SignInRows
  readonly clock: Clock
}

export type SignInStatus =
  | { readonly state: 'none' | 'good' | 'revoked' | 'denied' | 'expired' }
  | { readonly state: 'waiting'; readonly userCode: string; readonly verificationUrl: string }

/** A token is asked for again when it is good for no longer than this. */
const earlySeconds = 300
/** After Google said that the sign-in is over it is not asked again for so long: nothing but a person helps. */
const quietSeconds = 600

const signedOut = () =>
  new AppError('unauthorized', 'the sign-in at Google is over or was never made', {
    code: 'google_signed_out',
    next: 'Sign in with: rodizio login google',
  })

/** The one sign-in at Google that the store lives on: begun by a code for a person, renewed by itself. */
export function googleSignIn({ clientId, login, rows, clock }: SignInPorts) {
  let pending: { login: PendingLogin; askAfter: Date } | undefined
  let last: 'denied' | 'expired' | undefined
  let access: Access | undefined
  let asking: Promise<Access> | undefined
  let quietUntil = new Date(0)

  async function renew(): Promise<Access> {
    if (clock.now() < quietUntil) throw signedOut()
    const kept = await rows.read(clientId)
    if (!kept) throw signedOut()
    try {
      access = await login.refresh(kept.refreshToken)
      return access
    } catch (error) {
      if (error instanceof AppError && error.code === 'google_signed_out') {
        quietUntil = addSeconds(clock.now(), quietSeconds)
        await rows.markRevoked(clientId)
      }
      throw error
    }
  }

  return {
    clientId,
    /** Begins a login and says what the person has to do. */
    async begin(): Promise<SignInStatus> {
      const begun = await login.startDeviceLogin()
      last = undefined
      pending = { login: begun, askAfter: addSeconds(clock.now(), begun.intervalSeconds) }
      const { userCode, verificationUrl } = begun
      return { state: 'waiting', userCode, verificationUrl }
    },
    /** How the sign-in stands; asks Google about a waiting one, no oftener than it allows. */
    async status(): Promise<SignInStatus> {
      if (pending && clock.now() >= pending.askAfter) {
        const { login: begun } = pending
        const poll = await login.pollDeviceLogin(begun)
        const every = poll.kind === 'slow-down' ? poll.intervalSeconds : begun.intervalSeconds
        pending = { login: begun, askAfter: addSeconds(clock.now(), every) }
        if (poll.kind === 'granted') {
          await rows.write(clientId, poll.refreshToken)
          access = poll.access
          quietUntil = new Date(0)
          pending = undefined
        } else if (poll.kind === 'denied' || poll.kind === 'expired') {
          last = poll.kind
          pending = undefined
        }
      }
      if (pending) {
        const { userCode, verificationUrl } = pending.login
        return { state: 'waiting', userCode, verificationUrl }
      }
      if (last) return { state: last }
      return { state: (await rows.read(clientId))?.state ?? 'none' }
    },
    /** A token that is good for some minutes. @throws AppError `unauthorized` (`google_signed_out`) */
    async access(): Promise<Access> {
      if (access && access.expiresAt > addSeconds(clock.now(), earlySeconds)) return access
      asking ??= renew().finally(() => {
        asking = undefined
      })
      return asking
    },
    /** The token that was given is refused: the next call fetches another. */
    forget(): void {
      access = undefined
    },
  }
}

export type GoogleSignIn = ReturnType<typeof googleSignIn>
