import type { Account } from '../rotation/account.ts'
import { windowSpans } from '../rotation/planner/windows.ts'
import type { ServingPolicy } from '../rotation/run.ts'
import type { ProviderModel } from './models/machine.ts'
import type { TimeSpent } from './models/notebook-time.ts'

const hourMs = 3_600_000

/** Where the hours went, in hours of GPU time. */
export interface Spent {
  readonly training: number
  readonly saving: number
  readonly serving: number
  readonly overhead: number
  readonly redone: number
  readonly idle: number
  readonly frozen: number
}

export const spentHours = (spent: TimeSpent): Spent => ({
  training: spent.trainingMs / hourMs,
  saving: spent.savingMs / hourMs,
  serving: spent.servingMs / hourMs,
  overhead: spent.overheadMs / hourMs,
  redone: spent.redoneMs / hourMs,
  idle: spent.idleMs / hourMs,
  frozen: spent.frozenMs / hourMs,
})

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** Weeks of an account in the span, with what may be used of each: the provider's grant less the margin. */
export function grantedWeeks(
  provider: ProviderModel,
  account: Account,
  fromMs: number,
  toMs: number,
): (Span & { readonly hours: number })[] {
  return provider
    .truth(account.username)
    .allowed(fromMs, toMs)
    .map(({ weekStartMs, weekEndMs, allowedMs }) => {
      const span = { fromMs: Math.max(weekStartMs, fromMs), toMs: Math.min(weekEndMs, toMs) }
      const granted = (allowedMs * (100 - account.marginPercent)) / 100 / hourMs
      // No more than the machines that the account may have could use up in that time.
      const most = (account.maxConcurrent * (span.toMs - span.fromMs)) / hourMs
      return { ...span, hours: Math.min(granted, most) }
    })
}

/**
 * The earliest moment at which a run that has one session at a time could have used so many hours: each week's hours are
 * there from its first second on, and nothing is ever lost. The weeks may come in any order.
 */
export function boundMs(
  weeks: readonly (Span & { readonly hours: number })[],
  startMs: number,
  hours: number,
): number {
  let needMs = hours * hourMs
  const left = weeks
    .filter(({ toMs }) => toMs > startMs)
    .toSorted((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs)
    .map((week) => ({ ...week, leftMs: week.hours * hourMs }))
  let at = startMs
  for (;;) {
    // Of the weeks that have begun, the one that ends first: its hours would be lost first.
    const usable = left.filter((week) => week.fromMs <= at && week.toMs > at && week.leftMs > 0)
    const [first] = usable.toSorted((a, b) => a.toMs - b.toMs)
    const next = left.find((week) => week.fromMs > at)?.fromMs ?? Number.POSITIVE_INFINITY
    if (!first) {
      if (next === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
      at = next
      continue
    }
    const step = Math.min(first.leftMs, first.toMs - at, next - at, needMs)
    at += step
    needMs -= step
    first.leftMs -= step
    if (needMs <= 0) return at
  }
}

/** How many of the spans lie one upon another at the most. */
export function mostAtOnce(spans: readonly Span[]): number {
  const turns = spans
    .flatMap(({ fromMs, toMs }) => [
      { atMs: fromMs, by: 1 },
      { atMs: toMs, by: -1 },
    ])
    .toSorted((a, b) => a.atMs - b.atMs || a.by - b.by)
  let count = 0
  let most = 0
  for (const { by } of turns) {
    count += by
    most = Math.max(most, count)
  }
  return most
}

/** The share of a policy's windows in which a node was up; null where it wants none in that time. */
export function availability(
  policy: ServingPolicy,
  up: readonly Span[],
  fromMs: number,
  toMs: number,
): number | null {
  const wanted = {
    ...policy,
    id: '',
    name: '',
    priority: 0,
    createdMs: 0,
    avoid: new Set<string>(),
  }
  const windows = windowSpans(wanted, fromMs, toMs)
  const sorted = up.toSorted((a, b) => a.fromMs - b.fromMs)
  let total = 0
  let served = 0
  let first = 0
  for (const window of windows) {
    total += window.toMs - window.fromMs
    let at = window.fromMs
    while ((sorted[first]?.toMs ?? Number.POSITIVE_INFINITY) < window.fromMs - 2 * 86_400_000)
      first += 1
    for (let n = first; n < sorted.length; n += 1) {
      const span = sorted[n]
      if (!span || span.fromMs >= window.toMs) break
      const from = Math.max(at, span.fromMs)
      const to = Math.min(window.toMs, span.toMs)
      if (to <= from) continue
      served += to - from
      at = to
    }
  }
  return total === 0 ? null : served / total
}
