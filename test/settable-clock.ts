import { addSeconds, type Clock } from '../src/lib/clock.ts'

/** A clock that stands still until it is moved; sleeping on it moves it at once. */
export interface SettableClock extends Clock {
  set(to: Date | string): void
  advance(seconds: number): void
}

/** A clock that shows `start` (UTC ISO text) until it is told otherwise. */
export function settableClock(start: string): SettableClock {
  let at = new Date(start)
  let passedMs = 0
  const advance = (seconds: number) => {
    at = addSeconds(at, seconds)
    passedMs += seconds * 1000
  }
  return {
    now: () => at,
    monotonicMs: () => passedMs,
    sleep: async (ms) => advance(ms / 1000),
    set: (to) => {
      at = new Date(to)
    },
    advance,
  }
}
