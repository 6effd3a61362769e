import type { Account } from './account.ts'

export interface Standing {
  readonly account: Account
  /** The longest session that it may start now, in seconds. */
  readonly grantedSeconds: number
  /** When its present week ends and the books begin anew. */
  readonly resetsAt: Date
  /** Its sessions of any run that have not ended. */
  readonly liveSessions: number
  /** The generation of this run that it held last, 0 for never. */
  readonly lastGeneration: number
}

export type Choice =
  | { readonly kind: 'start'; readonly account: Account; readonly seconds: number }
  | { readonly kind: 'wait'; readonly until: Date; readonly why: string }
  | { readonly kind: 'no-accounts' }

/**
 * Whose turn it is: of the accounts that may start a session worth its start-up, the one that held this run longest ago;
 * then the one with most time, the name breaking ties so that two schedulers agree. Else the earliest moment to look again.
 * @param wantedSeconds the longest session the run wants
 * @param minSeconds a shorter session is not started
 */
export function chooseAccount(
  rota: readonly Standing[],
  wantedSeconds: number,
  minSeconds: number,
  now: Date,
): Choice {
  const able = rota.filter(
    ({ account, grantedSeconds, liveSessions }) =>
      liveSessions < account.maxConcurrent &&
      !(account.holdUntil && account.holdUntil > now) &&
      grantedSeconds >= minSeconds,
  )
  const [best] = able.toSorted(
    (a, b) =>
      a.lastGeneration - b.lastGeneration ||
      b.grantedSeconds - a.grantedSeconds ||
      (a.account.name < b.account.name ? -1 : 1),
  )
  if (best) {
    const seconds = Math.min(best.grantedSeconds, wantedSeconds)
    return { kind: 'start', account: best.account, seconds }
  }
  const [next] = rota
    .map((standing) => obstacle(standing, minSeconds, now))
    .toSorted((a, b) => a.until.getTime() - b.until.getTime() || (a.why < b.why ? -1 : 1))
  return next ? { kind: 'wait', ...next } : { kind: 'no-accounts' }
}

function obstacle(standing: Standing, minSeconds: number, now: Date): { until: Date; why: string } {
  const { account, grantedSeconds, resetsAt } = standing
  if (account.holdUntil && account.holdUntil > now) {
    return { until: account.holdUntil, why: `${account.name}: ${account.holdReason ?? 'on hold'}` }
  }
  if (grantedSeconds < minSeconds) {
    return { until: resetsAt, why: `${account.name}: this week's GPU hours are spent or booked` }
  }
  return {
    until: new Date(now.getTime() + 60_000),
    why: `${account.name}: busy with another session`,
  }
}
