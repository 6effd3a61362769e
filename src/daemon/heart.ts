import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'

/** Something that is done again and again until told to stop. */
export interface Beat {
  readonly everySeconds: number
  readonly work: () => Promise<void>
  /** A failure is told, once until it changes or passes, and the beat goes on. */
  readonly failed: (error: unknown) => void
}

/**
 * Starts a beat: the pause begins when the work is done, so that slow work never overlaps itself.
 * The returned function stops it and resolves when the last work is done.
 */
export function startBeat(beat: Beat, clock: Clock): () => Promise<void> {
  const stop = new AbortController()
  const done = (async () => {
    let told: string | undefined
    while (!stop.signal.aborted) {
      try {
        await beat.work()
        told = undefined
      } catch (error) {
        if (messageOf(error) !== told) beat.failed(error)
        told = messageOf(error)
      }
      await clock.sleep(beat.everySeconds * 1000, stop.signal)
    }
  })()
  return async () => {
    stop.abort()
    await done
  }
}
