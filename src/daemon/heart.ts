import type { Clock } from '../lib/clock.ts'

/** Something that is done again and again until told to stop. */
export interface Beat {
  readonly everySeconds: number
  readonly work: () => Promise<void>
  /** A failure is told and the beat goes on. */
  readonly failed: (error: unknown) => void
}

/**
 * Starts a beat: the pause begins when the work is done, so that slow work never overlaps itself.
 * The returned function stops it and resolves when the last work is done.
 */
export function startBeat(beat: Beat, clock: Clock): () => Promise<void> {
  const stop = new AbortController()
  const done = (async () => {
    while (!stop.signal.aborted) {
      try {
        await beat.work()
      } catch (error) {
        beat.failed(error)
      }
      await clock.sleep(beat.everySeconds * 1000, stop.signal)
    }
  })()
  return async () => {
    stop.abort()
    await done
  }
}
