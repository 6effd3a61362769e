import { setTimeout as delay } from 'node:timers/promises'

/** Where time comes from: the system's clock in production, a settable one in tests and the simulator. */
export interface Clock {
  now(): Date
  /** Milliseconds that only ever grow, for durations; the start is arbitrary. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when the signal fires. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    // The only rejection here is the abort itself, which is an ordinary way to stop waiting.
    await delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined)
  },
}

/** UTC ISO 8601 with milliseconds: the one form in which times are stored and sent. */
export const iso = (date: Date): string => date.toISOString()

export const addSeconds = (date: Date, seconds: number): Date =>
  new Date(date.getTime() + seconds * 1000)

/** Seconds from `from` to `to`; negative when `to` is earlier. */
export const secondsBetween = (from: Date, to: Date): number =>
  (to.getTime() - from.getTime()) / 1000
