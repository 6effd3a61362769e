import type { Random } from './random.ts'

/** From `fromMs` to `toMs`, the end not included. */
export interface Spell {
  readonly fromMs: number
  readonly toMs: number
}

/** Times in which something is out of order: found when they are asked for, without an event of their own. */
export interface Spells {
  /** The spell in which that moment lies, or null. Any moment from the beginning on may be asked for, late ones fastest. */
  at(ms: number): Spell | null
}

const never: Spells = { at: () => null }

/**
 * Spells from `startMs` on that begin so often in a millisecond of the time between them and last on average `meanMs`; gaps and
 * lengths are exponential.
 */
export function spells(random: Random, startMs: number, perMs: number, meanMs: number): Spells {
  if (perMs <= 0 || meanMs <= 0) return never
  const found: Spell[] = []
  let knownMs = startMs // all spells that begin before it have been found
  return {
    at(ms) {
      while (knownMs <= ms) {
        const fromMs = knownMs + random.exponential(1 / perMs)
        const toMs = fromMs + Math.max(1, random.exponential(meanMs))
        found.push({ fromMs, toMs })
        knownMs = toMs
      }
      for (let index = found.length - 1; index >= 0; index -= 1) {
        const spell = found[index] as Spell // the index is within the list
        if (spell.toMs <= ms) return null
        if (spell.fromMs <= ms) return spell
      }
      return null
    },
  }
}

/** Two kinds of trouble as one: a moment is bad when it is bad in either. */
export const either = (one: Spells, other: Spells): Spells => ({
  at: (ms) => one.at(ms) ?? other.at(ms),
})
