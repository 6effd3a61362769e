import { endOf } from '../session-end.ts'
import type { Draft } from './changes.ts'
import { endSession } from './end-session.ts'
import type { RotationState } from './state.ts'

/** Generations are counted by ones; from a restore on they go by time, ten a minute from this moment on. */
const epochMs = Date.UTC(2026, 0, 1)
const generationMs = 6000
/** Where the clock is no help: more than a run has sessions in a year. */
const leastLeap = 1000

/**
 * The generation that a run goes on from after a restore: higher than any that was given out in the time between the backup and
 * the restore, also where the same backup has been restored before. No run has ten sessions a minute for long. Pure.
 */
export const generationAfterRestore = (generation: number, now: Date): number =>
  Math.max(generation + leastLeap, Math.floor((now.getTime() - epochMs) / generationMs))

/**
 * What was remembered is put in place again after a time of which nothing is known. Sessions that were open then may have ended
 * since, or still run: each is ended here, so that nothing of it is taken any more, and charged as it was booked where nobody can
 * say that it has stopped. Every run goes on from a generation that nobody has.
 */
export function restored(state: RotationState, draft: Draft, reason: string, now: Date): void {
  for (const session of draft.liveSessions()) {
    const run = draft.run(session.runId)
    if (!run) continue
    // Its end says nothing about the run.
    draft.putRun({ ...run, failures: 0 })
    // One of this machine has died with it, or is ended at the next start.
    const mayGoOn = session.provider !== 'local'
    endSession(state, draft, session.id, endOf('lost', reason), now, mayGoOn)
    const ended = draft.run(run.id)
    if (ended) draft.putRun({ ...ended, failures: run.failures })
  }
  for (const { id } of state.runs.values()) {
    const run = draft.run(id)
    if (run) draft.putRun({ ...run, generation: generationAfterRestore(run.generation, now) })
  }
}
