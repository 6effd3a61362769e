/** How many backups are kept. */
export interface BackupRetention {
  readonly days: number
  readonly weeks: number
}

/** A backup that stands. */
export interface KeptBackup {
  readonly name: string
  readonly madeAt: Date
}

const dayMs = 86_400_000
/** Nothing goes on the day after it was made: what was just put there by hand stays at hand. */
const untouchedMs = 2 * dayMs

/**
 * Which backups may go: all but those of the last two days, the newest of each of the newest days and weeks (UTC, from Monday),
 * the newest one, and the newest that is proven. Pure.
 * @param provenName the newest that a drill has opened; null where none has
 */
export function removableBackups(
  backups: readonly KeptBackup[],
  { days, weeks }: BackupRetention,
  provenName: string | null,
  now: Date,
): KeptBackup[] {
  const newestFirst = backups.toSorted((a, b) => b.madeAt.getTime() - a.madeAt.getTime())
  const kept = new Set([
    ...newestFirst.slice(0, 1),
    ...newestFirst.filter(({ name }) => name === provenName),
    ...newestFirst.filter(({ madeAt }) => now.getTime() - madeAt.getTime() < untouchedMs),
    ...newestOfEach(newestFirst, dayOf).slice(0, days),
    ...newestOfEach(newestFirst, weekOf).slice(0, weeks),
  ])
  return newestFirst.filter((backup) => !kept.has(backup))
}

const dayOf = (at: Date): number => Math.floor(at.getTime() / dayMs)
/** 1970-01-01 was a Thursday. */
const weekOf = (at: Date): number => Math.floor((dayOf(at) + 3) / 7)

function newestOfEach(
  newestFirst: readonly KeptBackup[],
  spanOf: (at: Date) => number,
): KeptBackup[] {
  const seen = new Set<number>()
  return newestFirst.filter(({ madeAt }) => {
    const span = spanOf(madeAt)
    if (seen.has(span)) return false
    seen.add(span)
    return true
  })
}
