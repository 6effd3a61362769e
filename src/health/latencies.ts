/**
 * Latencies counted by class, so that percentiles of hours add up to those of days: eight classes for each doubling, so that a
 * percentile read from them is off by less than 5 %.
 */
export type Latencies = Readonly<Record<string, number>>

const classesPerDoubling = 8

const classOf = (ms: number): number => Math.round(classesPerDoubling * Math.log2(ms + 1))
const msOf = (one: number): number => 2 ** (one / classesPerDoubling) - 1

export function counted(latencies: Iterable<number>): Latencies {
  const counts: Record<string, number> = {}
  for (const ms of latencies) {
    const one = String(classOf(ms))
    counts[one] = (counts[one] ?? 0) + 1
  }
  return counts
}

/** Counts added up, class by class. */
export function added(all: Iterable<Latencies>): Latencies {
  const counts: Record<string, number> = {}
  for (const one of all) {
    for (const [name, count] of Object.entries(one)) counts[name] = (counts[name] ?? 0) + count
  }
  return counts
}

/**
 * The latency in ms that a share of the looks stayed within (nearest rank); null without any.
 * @param share 0.5 for the median, 0.95 for the 95th percentile
 */
export function percentile(latencies: Latencies, share: number): number | null {
  const classes = Object.entries(latencies)
    .map(([name, count]) => [Number(name), count] as const)
    .toSorted(([a], [b]) => a - b)
  const all = classes.reduce((sum, [, count]) => sum + count, 0)
  if (all === 0) return null
  let left = Math.max(1, Math.ceil(share * all))
  for (const [one, count] of classes) {
    left -= count
    if (left <= 0) return Math.round(msOf(one))
  }
  return null
}
