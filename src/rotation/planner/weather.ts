/** A launch that was tried at an account, and whether it came to nothing. */
export interface Launch {
  readonly atMs: number
  readonly failed: boolean
}

const foulMs = 6 * 3_600_000

/**
 * How gladly an account is taken: 1, or one half for six hours after its last launch when that one and the one before both
 * failed. Launches may come in any order; those after `nowMs` do not count.
 */
export function preferenceOf(launches: readonly Launch[], nowMs: number): number {
  const [last, before] = launches
    .filter(({ atMs }) => atMs <= nowMs)
    .toSorted((a, b) => b.atMs - a.atMs || Number(a.failed) - Number(b.failed))
  return last?.failed && before?.failed && nowMs - last.atMs < foulMs ? 0.5 : 1
}
