/** A launch that was tried at an account, and whether it came to nothing. */
export interface Launch {
  readonly atMs: number
  readonly failed: boolean
}

/** Of two at the same moment, the one that did not fail counts as the newer. */
const newestFirst = (launches: readonly Launch[], nowMs: number): Launch[] =>
  launches
    .filter(({ atMs }) => atMs <= nowMs)
    .toSorted((a, b) => b.atMs - a.atMs || Number(a.failed) - Number(b.failed))

const foulMs = 6 * 3_600_000

/**
 * How gladly an account is taken: 1, or one half for six hours after its last launch when that one and the one before both
 * failed. Launches may come in any order; those after `nowMs` do not count.
 */
export function preferenceOf(launches: readonly Launch[], nowMs: number): number {
  const [last, before] = newestFirst(launches, nowMs)
  return last?.failed && before?.failed && nowMs - last.atMs < foulMs ? 0.5 : 1
}

const firstWaitMs = 60_000
const longestWaitMs = 30 * 60_000

/**
 * Until when an account is left alone after launches that failed one after the other: a minute after the first, twice as long
 * after each that follows, half an hour at most. Null after one that did not fail.
 */
export function backOffUntil(launches: readonly Launch[], nowMs: number): number | null {
  const past = newestFirst(launches, nowMs)
  const [last] = past
  const good = past.findIndex(({ failed }) => !failed)
  const inARow = good < 0 ? past.length : good
  if (!last || inARow === 0) return null
  return last.atMs + Math.min(longestWaitMs, firstWaitMs * 2 ** (inARow - 1))
}
