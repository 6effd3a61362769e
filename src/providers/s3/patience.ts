import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'

const mostTries = 5
/** Longer than this nobody waits; it is told instead. */
const longestWaitSeconds = 300

/** Tries again what is `unavailable`, after as long as the store says, else after 2, 4, 8 and 16 s. */
export async function patiently<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await work()
    } catch (error) {
      await pause(clock, error, failures)
    }
  }
}

/** Waits before another try. @throws what it was given, where there is to be none */
export async function pause(clock: Clock, error: unknown, failures: number): Promise<void> {
  if (!(error instanceof AppError) || error.kind !== 'unavailable') throw error
  const seconds = error.retryAfterSeconds ?? 2 ** failures
  if (failures >= mostTries || seconds > longestWaitSeconds) throw error
  await clock.sleep(seconds * 1000)
}
