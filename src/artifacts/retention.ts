import type { Checkpoint } from './checkpoint.ts'

const keepLast = 3

/**
 * Checkpoints that may go: all but the last three and the last one of each day (UTC). Nothing goes while the newest has not
 * been verified, which the caller has done when it asks.
 */
export function prunable(checkpoints: readonly Checkpoint[]): Checkpoint[] {
  const newestFirst = checkpoints
    .filter(({ state }) => state === 'committed')
    .toSorted((a, b) => b.step - a.step || b.generation - a.generation)
  const days = new Set<string>()
  return newestFirst.filter((checkpoint, index) => {
    const day = checkpoint.committedAt.toISOString().slice(0, 10)
    const lastOfDay = !days.has(day)
    days.add(day)
    return index >= keepLast && !lastOfDay
  })
}
