import { readRefusal, retryTime } from '../../rotation/kaggle-refusal.ts'
import type { LaunchOrder, LaunchResult } from '../../rotation/session-provider.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { VirtualTime } from '../virtual-time.ts'
import { type KaggleUser, kaggleUser, refreshAfter } from './kaggle-user.ts'
import type { ProviderModel, RunNotebook } from './machine.ts'
import { noAnswer, outages, quotaOutages, unavailable } from './trouble.ts'

export interface KaggleModelOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  /** What runs on each machine. */
  readonly run: RunNotebook
}

/**
 * Kaggle in virtual time, for any number of users: what the emulated Kaggle does by the second, in a few events for each
 * session (test/contract/kaggle-sessions.ts holds both to the same promises).
 */
export function kaggleModel(options: KaggleModelOptions): ProviderModel {
  const { time, seed, faults } = options
  const users = new Map<string, KaggleUser>()
  const calls = stream(seed, 'kaggle/calls')
  const down = outages(seed, faults, 'kaggle', time.now())
  const quotaAway = quotaOutages(seed, faults, time.now())

  const userOf = (username: string): KaggleUser => {
    const known = users.get(username)
    if (known) return known
    const user = kaggleUser({ ...options, username })
    users.set(username, user)
    return user
  }

  const isDown = (): boolean => down.at(time.now()) !== null
  const isBookAway = (): boolean => isDown() || quotaAway.at(time.now()) !== null

  /** A refusal of no kind of its own: an error at the push. */
  const refusedByError = (reason: string): LaunchResult => ({
    kind: 'refused',
    reason,
    retryAt: new Date(time.date().getTime() + 60_000),
  })
  const unheard: LaunchResult = { kind: 'unknown', reason: noAnswer('Kaggle') }

  function launch(order: LaunchOrder): LaunchResult {
    // One draw for each question at every launch: a rate that changes moves no other fate.
    const isRefused = calls.chance(faults.launchRefusedShare)
    const isLost = calls.chance(faults.launchLostShare)
    const isUnheard = calls.chance(faults.launchUnheardShare)
    const isSilent = calls.chance(0.5)
    if (isDown()) return isSilent ? unheard : refusedByError(noAnswer('Kaggle'))
    if (isLost) return unheard
    if (isRefused) return refusedByError('Kaggle answered: Too many requests')
    const user = userOf(order.account.username)
    const text = user.refusal()
    if (text !== null) {
      const refreshesAt = isBookAway() ? null : new Date(refreshAfter(time.now()))
      const retryAt = retryTime(readRefusal(text), refreshesAt, time.date())
      return { kind: 'refused', reason: text, retryAt }
    }
    user.push(order)
    if (isUnheard) return unheard
    const handle = `https://www.kaggle.com/code/${order.account.username}/${order.name}`
    return { kind: 'started', handle }
  }

  return {
    name: 'kaggle',
    appearsWithinSeconds: 20,
    tells: () => true,
    sealed: () => false,
    launch: async (order) => launch(order),
    async observe(account, name) {
      if (isDown()) return { kind: 'unknown', reason: noAnswer('Kaggle') }
      return userOf(account.username).observe(name)
    },
    kill: async () => false,
    askToStop: async () => undefined,
    logTail: async () => '',
    async quota(account) {
      if (isBookAway()) throw unavailable('Kaggle')
      return userOf(account.username).quota(account)
    },
    truth: (username) => userOf(username).truth(),
    left: (username) => userOf(username).left(),
    usernames: () => [...users.keys()],
  }
}
