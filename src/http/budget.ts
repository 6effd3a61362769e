import type { z } from 'zod'
import type { Budget } from '../api/schemas.ts'
import type { Reads } from '../control/reads.ts'
import type { Account } from '../rotation/account.ts'
import {
  balanceSeconds,
  freshReading,
  grantOf,
  plannableSeconds,
  type QuotaReading,
  totals,
} from '../rotation/ledger.ts'
import { weekOf } from '../rotation/week.ts'

const hours = (seconds: number): number => seconds / 3600

/** An account's week by both books, and which of the two binds. */
export async function budgetOf(
  reads: Reads,
  account: Account,
  now: Date,
): Promise<z.infer<typeof Budget>> {
  const week = weekOf(account.reset, now)
  const rows = await reads.ledger(account.name, week.start)
  const sums = totals(rows, week.start)
  const reading = await reads.quota(account.name)
  const isFresh = freshReading(reading, now) !== null
  const grant = grantOf(account, freshReading(reading, now))
  const own = balanceSeconds(account, rows, week.start, grant)
  const theirs = isFresh && reading ? await leftAtProvider(reads, reading) : null
  const refreshesAt = isFresh && reading?.refreshesAt ? reading.refreshesAt : week.end
  return {
    account: account.name,
    provider: account.provider,
    emulated: account.emulated,
    weekStart: week.start.toISOString(),
    resetsAt: week.end.toISOString(),
    weeklyHours: hours(grant),
    plannableHours: hours(plannableSeconds(account, grant)),
    usedHours: hours(sums.settledSeconds),
    reservedHours: hours(sums.reservedSeconds),
    adjustedHours: hours(sums.adjustedSeconds),
    leftHours: hours(own),
    providerLeftHours: theirs === null ? null : hours(theirs),
    mayPlanHours: hours(Math.max(0, Math.min(own, theirs ?? own))),
    binds: theirs !== null && theirs < own ? 'provider' : 'own',
    refreshesAt: refreshesAt.toISOString(),
    providerReading: reading
      ? {
          readAt: reading.readAt.toISOString(),
          usedHours: hours(reading.usedSeconds),
          reservedHours: hours(reading.reservedSeconds),
          allowedHours: hours(reading.allowedSeconds),
          refreshesAt: reading.refreshesAt?.toISOString() ?? null,
        }
      : null,
  }
}

/** What the provider still grants, less reservations of ours that its reading does not show yet. */
async function leftAtProvider(reads: Reads, reading: QuotaReading): Promise<number> {
  const { account } = reading
  const { items } = await reads.sessions({ open: true, account }, 500, undefined)
  const unseen = items
    .filter(({ createdAt }) => createdAt > reading.readAt)
    .reduce((sum, { plannedSeconds }) => sum + plannedSeconds, 0)
  return reading.allowedSeconds - reading.usedSeconds - reading.reservedSeconds - unseen
}
