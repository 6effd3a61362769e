import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Account } from '../../rotation/account.ts'
import { type KaggleRefusal, retryTime } from '../../rotation/kaggle-refusal.ts'
import { unreachableFrom } from '../../rotation/reach.ts'
import type {
  LaunchOrder,
  LaunchResult,
  Observed,
  SessionProvider,
} from '../../rotation/session-provider.ts'
import type { KaggleClient } from './client.ts'

export interface KaggleSessionsOptions {
  /** The client of an account. @throws AppError when its credentials cannot be had */
  readonly clientOf: (account: Account) => Promise<KaggleClient>
  readonly clock: Clock
  /** How sessions get on: by calling this service, by what went with them, or not at all. */
  readonly reach: () => 'open' | 'sealed' | 'none'
}

const minute = 60

/**
 * Sessions on Kaggle: private notebooks on two T4s with a hard time limit. It cannot end a session by force: stopping is the
 * heartbeat's business.
 */
export function kaggleSessions({ clientOf, clock, reach }: KaggleSessionsOptions): SessionProvider {
  const after = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000)

  async function launch({
    account,
    name,
    notebook,
    timeoutSeconds,
    outputsOf,
    models,
  }: LaunchOrder): Promise<LaunchResult> {
    if (reach() === 'none') {
      return {
        kind: 'refused',
        reason: `${unreachableFrom('Kaggle')}. Or set RODIZIO_STORE=drive: then Kaggle does without`,
        retryAt: after(60 * minute),
      }
    }
    try {
      const client = await clientOf(account)
      const pushed = await client.push({
        userName: account.username,
        slug: name,
        title: name,
        notebook,
        machineShape: 'NvidiaTeslaT4',
        enableInternet: true,
        isPrivate: true,
        sessionTimeoutSeconds: timeoutSeconds,
        kernelSources: outputsOf.map((slug) => `${account.username}/${slug}`),
        modelSources: models,
      })
      if (pushed.kind === 'started') return { kind: 'started', handle: pushed.url ?? name }
      const retryAt = await whenToRetry(client, pushed.refusal)
      return { kind: 'refused', reason: pushed.refusal.text, retryAt }
    } catch (error) {
      return troubled(error)
    }
  }

  /** What an error at a push means: only a definite no is a refusal. */
  function troubled(error: unknown): LaunchResult {
    if (!(error instanceof AppError)) throw error
    const wait = error.retryAfterSeconds
    if (error.code === 'answer_lost') return { kind: 'unknown', reason: error.message }
    if (error.kind === 'unauthorized' || error.kind === 'not-allowed') {
      return { kind: 'refused', reason: error.message, retryAt: after(wait ?? 60 * minute) }
    }
    return { kind: 'refused', reason: error.message, retryAt: after(wait ?? minute) }
  }

  async function whenToRetry(client: KaggleClient, refusal: KaggleRefusal): Promise<Date> {
    if (refusal.reason !== 'week') return retryTime(refusal, null, clock.now())
    const refreshesAt = await client.quota().then(
      (quota) => quota.refreshesAt,
      () => null, // its book cannot be read now: a fixed wait does
    )
    return retryTime(refusal, refreshesAt, clock.now())
  }

  async function observe(account: Account, name: string): Promise<Observed> {
    try {
      const client = await clientOf(account)
      const { state, failureMessage } = await client.sessionStatus(account.username, name)
      switch (state) {
        case 'absent':
        case 'never_ran':
          return { kind: 'absent' }
        case 'queued':
          return { kind: 'queued', handle: name }
        case 'running':
        case 'cancel_requested':
          return { kind: 'running', handle: name }
        case 'complete':
          return { kind: 'ended', failed: false, message: failureMessage }
        case 'error':
        case 'cancelled':
          return { kind: 'ended', failed: true, message: failureMessage }
        case 'unknown':
          return { kind: 'unknown', reason: 'a status that is not known here' }
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return { kind: 'unknown', reason: error.message }
    }
  }

  return {
    name: 'kaggle',
    appearsWithinSeconds: 20,
    tells: () => true,
    sealed: () => reach() === 'sealed',
    launch,
    observe,
    kill: async () => false,
    askToStop: async () => undefined,
    async logTail(account, name, maxChars) {
      try {
        return await (await clientOf(account)).logTail(account.username, name, maxChars)
      } catch (error) {
        return `(the log could not be read: ${messageOf(error)})`
      }
    },
    async quota(account) {
      const quota = await (await clientOf(account)).quota()
      const { usedSeconds, reservedSeconds, allowedSeconds, refreshesAt } = quota
      if (usedSeconds === null || allowedSeconds === null) return null
      return {
        account: account.name,
        readAt: clock.now(),
        usedSeconds,
        reservedSeconds: reservedSeconds ?? 0,
        allowedSeconds,
        refreshesAt,
      }
    },
  }
}
