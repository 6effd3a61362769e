import type { Account } from './account.ts'
import { splitByWeek, type Week, weekOf } from './week.ts'

export type EntryKind = 'reserve' | 'settle' | 'release' | 'adjust'

/** One line of an account's GPU-hour book. Seconds are whole; `release` is negative, `adjust` may be. */
export interface LedgerEntry {
  readonly id: string
  readonly sessionId: string | null
  readonly kind: EntryKind
  readonly weekStart: Date
  readonly account: string
  readonly gpuSeconds: number
  readonly note: string | null
}

/** What the provider's own books said at `readAt`, in seconds of GPU time. */
export interface QuotaReading {
  readonly account: string
  readonly readAt: Date
  readonly usedSeconds: number
  readonly reservedSeconds: number
  readonly allowedSeconds: number
  readonly refreshesAt: Date | null
}

const entry = (
  account: Account,
  sessionId: string,
  kind: EntryKind,
  week: Pick<Week, 'start'>,
  gpuSeconds: number,
): LedgerEntry => ({
  id: `${sessionId}:${kind}:${week.start.toISOString()}`,
  sessionId,
  kind,
  weekStart: week.start,
  account: account.name,
  gpuSeconds,
  note: null,
})

/** The reservation of a session planned from `from`: one row for each week it touches. */
export const reserve = (
  account: Account,
  sessionId: string,
  from: Date,
  seconds: number,
): LedgerEntry[] =>
  splitByWeek(account.reset, from, seconds).map(({ week, seconds: part }) =>
    entry(account, sessionId, 'reserve', week, part),
  )

/** GPU time is booked by the started minute. */
export const roundedToMinute = (seconds: number): number => Math.ceil(seconds / 60) * 60

/**
 * The end of a session: what was reserved is released, what was used is settled, in the weeks where it was used.
 * Never settles more than was reserved plus the started minute, nor more in a week than was reserved there: a launch some
 * seconds after its booking would else use seconds beyond a reset that another session may have booked.
 */
export function settle(
  account: Account,
  sessionId: string,
  reserved: readonly LedgerEntry[],
  from: Date,
  usedSeconds: number,
): LedgerEntry[] {
  const released = reserved.map((row) => ({
    ...row,
    id: row.id.replace(':reserve:', ':release:'),
    kind: 'release' as const,
    gpuSeconds: -row.gpuSeconds,
  }))
  const parts = splitByWeek(account.reset, from, roundedToMinute(usedSeconds))
  const used = asReserved(reserved, parts).map(({ week, seconds }) =>
    entry(account, sessionId, 'settle', week, seconds),
  )
  return [...released, ...used]
}

type Part = { readonly week: Pick<Week, 'start'>; readonly seconds: number }

/** The same seconds in all, moved out of weeks that have too few reserved into those that have more. */
function asReserved(reserved: readonly LedgerEntry[], parts: readonly Part[]): Part[] {
  const rooms = reserved.map(({ weekStart, gpuSeconds }) => {
    const part = parts.find(({ week }) => week.start.getTime() === weekStart.getTime())
    return { week: { start: weekStart }, room: gpuSeconds, seconds: part?.seconds ?? 0 }
  })
  const total = parts.reduce((sum, { seconds }) => sum + seconds, 0)
  let left = total - rooms.reduce((sum, { room, seconds }) => sum + Math.min(room, seconds), 0)
  const moved = rooms.map(({ week, room, seconds }, index) => {
    const kept = Math.min(room, seconds)
    const more = index === rooms.length - 1 ? left : Math.min(left, room - kept)
    left -= more
    return { week, seconds: kept + more }
  })
  return reserved.length === 0 ? [...parts] : moved.filter(({ seconds }) => seconds > 0)
}

/** What a week's rows add up to: charged (reserved and settled, less released) and adjustments apart. */
export function totals(rows: readonly LedgerEntry[], weekStart: Date) {
  let chargedSeconds = 0
  let settledSeconds = 0
  let reservedSeconds = 0
  let adjustedSeconds = 0
  for (const row of rows) {
    if (row.weekStart.getTime() !== weekStart.getTime()) continue
    if (row.kind === 'adjust') adjustedSeconds += row.gpuSeconds
    else chargedSeconds += row.gpuSeconds
    if (row.kind === 'settle') settledSeconds += row.gpuSeconds
    if (row.kind === 'reserve' || row.kind === 'release') reservedSeconds += row.gpuSeconds
  }
  return { chargedSeconds, settledSeconds, reservedSeconds, adjustedSeconds }
}

/** Seconds of the week that may be planned at all: the grant less the safety margin. */
export const plannableSeconds = (
  account: Account,
  grantSeconds: number = account.weeklySeconds,
): number => Math.floor((grantSeconds * (100 - account.marginPercent)) / 100)

/** A reading of this week; one from before the refresh says nothing any more. */
export const freshReading = (reading: QuotaReading | null, now: Date): QuotaReading | null =>
  reading && (!reading.refreshesAt || reading.refreshesAt > now) ? reading : null

/** What the provider grants this week: what it says itself, for that floats, else what the account was added with. */
export const grantOf = (account: Account, reading: QuotaReading | null): number =>
  reading?.allowedSeconds ?? account.weeklySeconds

/**
 * What the provider's own book leaves: allowed less used less reserved there, less what it does not show yet; without end where
 * it keeps none.
 */
export const theirLeftSeconds = (reading: QuotaReading | null, unseenSeconds: number): number =>
  reading
    ? reading.allowedSeconds - reading.usedSeconds - reading.reservedSeconds - unseenSeconds
    : Number.POSITIVE_INFINITY

/** What is left of a week by our own book. Adjustments are signed: positive gives, negative takes. */
export function balanceSeconds(
  account: Account,
  rows: readonly LedgerEntry[],
  weekStart: Date,
  grantSeconds: number = account.weeklySeconds,
): number {
  const { chargedSeconds, adjustedSeconds } = totals(rows, weekStart)
  return plannableSeconds(account, grantSeconds) + adjustedSeconds - chargedSeconds
}

/**
 * The longest session, in seconds, that an account may start at `now`: by its own limit, by our book in every week that the
 * session would touch, and by the provider's book where there is one.
 * @param unseenSeconds reservations of ours that the provider's reading does not show yet
 */
export function grantedSeconds(
  account: Account,
  rows: readonly LedgerEntry[],
  reading: QuotaReading | null,
  unseenSeconds: number,
  now: Date,
): number {
  const week = weekOf(account.reset, now)
  const untilReset = Math.ceil((week.end.getTime() - now.getTime()) / 1000)
  const fresh = freshReading(reading, now)
  const thisWeek = balanceSeconds(account, rows, week.start, grantOf(account, fresh))
  const nextWeek = balanceSeconds(account, rows, week.end)
  const own = thisWeek < untilReset ? thisWeek : untilReset + Math.max(0, nextWeek)
  const theirs = theirLeftSeconds(fresh, unseenSeconds)
  // Bookings are by the started minute, so a grant that is no whole minute would settle above it.
  const seconds = Math.min(account.maxSessionSeconds, own, theirs)
  return Math.max(0, Math.floor(seconds / 60) * 60)
}
