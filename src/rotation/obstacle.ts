import type { Account } from './account.ts'

export interface Standing {
  readonly account: Account
  /** The longest session that it may start now, in seconds. */
  readonly grantedSeconds: number
  /** When its present week ends and the books begin anew. */
  readonly resetsAt: Date
  /** When its sessions of any run will have ended, those that have not. */
  readonly busyUntil: readonly Date[]
}

export interface Obstacle {
  readonly until: Date
  readonly why: string
}

/** Of what keeps the accounts from starting a session now, that which ends first; null when one of them could. */
export function firstObstacle(
  rota: readonly Standing[],
  minSeconds: number,
  now: Date,
): Obstacle | null {
  const obstacles = rota.map((standing) => obstacleOf(standing, minSeconds, now))
  if (obstacles.includes(null)) return null
  const [first] = obstacles
    .flatMap((obstacle) => obstacle ?? [])
    .toSorted((a, b) => a.until.getTime() - b.until.getTime() || (a.why < b.why ? -1 : 1))
  return first ?? null
}

function obstacleOf(standing: Standing, minSeconds: number, now: Date): Obstacle | null {
  const { account, grantedSeconds, resetsAt, busyUntil } = standing
  if (account.holdUntil && account.holdUntil > now) {
    return { until: account.holdUntil, why: `${account.name}: ${account.holdReason ?? 'on hold'}` }
  }
  if (grantedSeconds < minSeconds) {
    return { until: resetsAt, why: `${account.name}: this week's GPU hours are spent or booked` }
  }
  if (busyUntil.length < account.maxConcurrent) return null
  const [first] = busyUntil.toSorted((a, b) => a.getTime() - b.getTime())
  return { until: first ?? now, why: `${account.name}: busy with another session` }
}
