import type { Account } from '../rotation/account.ts'
import type { LedgerEntry } from '../rotation/ledger.ts'
import type { Session } from '../rotation/session.ts'

const minuteMs = 60_000
const weekMs = 7 * 24 * 60 * minuteMs
/** A Sunday, 00:00 UTC: weekday 0. */
const aSundayMs = Date.UTC(2026, 0, 4)
/**
 * One that says how it ended may do so after its deadline: it was frozen, or nobody could hear it. An hour is more than the
 * service takes to give it up.
 */
const lateMs = 60 * minuteMs

/** When the account's week in which a moment lies begins; null where its weeks follow a zone with summer time. */
function weekStartMs({ reset }: Account, atMs: number): number | null {
  if (reset.zone !== 'UTC') return null
  const anchor = aSundayMs + (reset.weekday * 24 + reset.hour) * 60 * minuteMs
  return anchor + Math.floor((atMs - anchor) / weekMs) * weekMs
}

/** A booking that covers the session, to the started minute, each week with no more seconds than it still has. */
export function isBooked(
  account: Account,
  session: Session,
  rows: readonly LedgerEntry[],
): boolean {
  const booked = rows.reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0)
  if (booked < session.plannedSeconds || booked >= session.plannedSeconds + 60) return false
  const fromMs = session.createdAt.getTime()
  return rows.every(({ weekStart, gpuSeconds }) => {
    const startMs = weekStart.getTime()
    if (weekStartMs(account, startMs) === null) return true
    const leftMs = startMs + weekMs - Math.max(fromMs, startMs)
    return weekStartMs(account, startMs) === startMs && gpuSeconds * 1000 < leftMs + minuteMs
  })
}

/**
 * All rows of a session that is over add up to the time from its launch to its end, to the minute and at most its plan; of a
 * node that was given up while its machine may go on unheard, to the plan.
 */
export function isSettled(session: Session, rows: readonly LedgerEntry[]): boolean {
  const charged = rows.reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0)
  const isFor = (used: number) => charged > used - 1 && charged < used + 60 + 1
  const used = Math.min(session.plannedSeconds, Math.max(0, ranMs(session) / 1000))
  return isFor(used) || (mayGoOn(session) && isFor(session.plannedSeconds))
}

/** Kaggle ends no session when it is asked to, and this one had missed three heartbeats. */
const mayGoOn = ({ serves, outcome, provider, heardAt, endedAt, heartbeatSeconds }: Session) =>
  serves &&
  outcome === 'lost' &&
  provider === 'kaggle' &&
  heardAt !== null &&
  endedAt !== null &&
  endedAt.getTime() - heardAt.getTime() > 3 * heartbeatSeconds * 1000

/** It went on, by its own word, longer than was booked for it. */
export const isOverBooking = (session: Session): boolean =>
  session.outcome !== 'lost' &&
  session.outcome !== 'preempted' &&
  ranMs(session) > session.plannedSeconds * 1000 + lateMs

/** From its launch to its end; nothing for one that was called off before a machine of it was heard of. */
function ranMs({ enrolledAt, launchedAt, endedAt, outcome }: Session): number {
  const isCalledOff = outcome === 'cancelled' || outcome === 'expired' || outcome === 'superseded'
  if (!launchedAt || !endedAt || (isCalledOff && !enrolledAt)) return 0
  return endedAt.getTime() - launchedAt.getTime()
}
