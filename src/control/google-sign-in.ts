import type { Clock } from '../lib/clock.ts'
import { addSeconds } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

/** A right to call Google for about an hour. */
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
  /** Gives a sign-in back; one that is already over is fine. */
  revoke(refreshToken: string): Promise<void>
}

/** The stored sign-in of one client id; the refresh token is sealed at rest. */
export interface SignInRows {
  read(clientId: string): Promise<{ refreshToken: string; state: 'good' | 'revoked' } | undefined>
  write(clientId: string, refreshToken: string): Promise<void>
  /** Notes that it is over, as one event; false when that was noted before. */
  markRevoked(clientId: string): Promise<boolean>
  /** Removes it, as one event; false when there was none. */
  remove(clientId: string): Promise<boolean>
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

/** The one sign-in at Google that the store lives on: begun by a code for a person, renewed by itself, given back on demand. */
export function googleSignIn({ clientId, login, rows, clock }: SignInPorts) {
  let pending: { login: PendingLogin; askAfter: Date } | undefined
  let last: 'denied' | 'expired' | undefined
  let access: Access | undefined
  let asking: Promise<Access> | undefined
  let quietUntil = new Date(0)
  /** Counts sign-ins and sign-outs: what Google says of an older sign-in is nothing to the newer. */
  let generation = 0

  async function renew(): Promise<Access> {
    if (clock.now() < quietUntil) throw signedOut()
    const mine = generation
    const kept = await rows.read(clientId)
    if (!kept) throw signedOut()
    try {
      const renewed = await login.refresh(kept.refreshToken)
      if (mine === generation) access = renewed
      return renewed
    } catch (error) {
      const isOver = error instanceof AppError && error.code === 'google_signed_out'
      if (isOver && mine === generation) {
        quietUntil = addSeconds(clock.now(), quietSeconds)
        await rows.markRevoked(clientId)
      }
      throw error
    }
  }

  function startAnew(granted: Access | undefined): void {
    generation += 1
    access = granted
    asking = undefined
    quietUntil = new Date(0)
    pending = undefined
    last = undefined
  }

  let turn: Promise<unknown> = Promise.resolve()
  /** One after the other: of two that ask Google about one login, the second would be told that its code is spent. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.catch(() => undefined).then(work)
    turn = mine
    return mine
  }

  /** Asks Google once about a login, and notes when it may be asked again; less often after a connection that failed. */
  async function poll(waiting: PendingLogin): Promise<void> {
    pending = undefined
    const answer = await login.pollDeviceLogin(waiting).catch((error: unknown): LoginPoll => {
      if (!(error instanceof AppError) || error.kind !== 'unavailable') throw error
      if (clock.now() >= waiting.expiresAt) return { kind: 'expired' }
      return { kind: 'slow-down', intervalSeconds: waiting.intervalSeconds + 5 } // RFC 8628, 3.5
    })
    switch (answer.kind) {
      case 'granted':
        await rows.write(clientId, answer.refreshToken)
        startAnew(answer.access)
        return
      case 'denied':
      case 'expired':
        last = answer.kind
        return
      case 'pending':
      case 'slow-down': {
        const { intervalSeconds } = answer.kind === 'slow-down' ? answer : waiting
        const askAfter = addSeconds(clock.now(), intervalSeconds)
        pending = { login: { ...waiting, intervalSeconds }, askAfter }
      }
    }
  }

  /** How the sign-in stands; asks Google about a waiting one, no oftener than it allows. */
  const status = (): Promise<SignInStatus> =>
    inTurn(async () => {
      if (pending && clock.now() >= pending.askAfter) await poll(pending.login)
      if (pending) {
        const { userCode, verificationUrl } = pending.login
        return { state: 'waiting', userCode, verificationUrl }
      }
      if (last) return { state: last }
      return { state: (await rows.read(clientId))?.state ?? 'none' }
    })

  return {
    /** Begins a login and says what the person has to do; one that was waiting is not asked about any more. */
    begin: (): Promise<SignInStatus> =>
      inTurn(async () => {
        const begun = await login.startDeviceLogin()
        last = undefined
        pending = { login: begun, askAfter: addSeconds(clock.now(), begun.intervalSeconds) }
        const { userCode, verificationUrl } = begun
        return { state: 'waiting', userCode, verificationUrl }
      }),
    status,
    /** Whether there is a sign-in that Google is not known to refuse, whatever became of a login begun since. */
    async isGood(): Promise<boolean> {
      if ((await rows.read(clientId))?.state === 'good') return true
      return (await status()).state === 'good'
    },
    /**
     * Gives the sign-in back at Google, then forgets it here, a login that waits included. Whoever dies in between keeps a
     * sign-in that is worth nothing: the next call forgets it. Without an answer from Google nothing is forgotten.
     */
    end: (): Promise<SignInStatus> =>
      inTurn(async () => {
        const kept = await rows.read(clientId)
        if (kept) await login.revoke(kept.refreshToken)
        startAnew(undefined)
        await rows.remove(clientId)
        return { state: 'none' }
      }),
    /**
     * A token that is good for so many seconds, some minutes when left out; all who ask at once share one question.
     * @throws AppError `unauthorized` (`google_signed_out`)
     */
    async access(minSeconds: number = earlySeconds): Promise<Access> {
      if (access && access.expiresAt > addSeconds(clock.now(), minSeconds)) return access
      if (asking) return asking
      const mine = renew().finally(() => {
        if (asking === mine) asking = undefined
      })
      asking = mine
      return mine
    },
    /** The token that was given is refused: the next call fetches another. */
    forget(): void {
      access = undefined
    },
  }
}

export type GoogleSignIn = ReturnType<typeof googleSignIn>
