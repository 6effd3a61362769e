import type { OpenedRun, StandingRun } from './standing-run.ts'

/** Finds the run whose adapter the next run of a standing run begins with, by its id or name; undefined for the base alone. */
export type NextAdapter = (
  standing: Pick<StandingRun, 'request'>,
  runs: readonly OpenedRun[],
) => string | undefined

/**
 * The newest adapter that a completed run of the same standing run has left; where there is none, what the request says. No
 * adapter is promoted yet: once one can be, a promoted one takes this place.
 * @param runs the oldest first
 */
export const nextAdapter: NextAdapter = ({ request }, runs) => {
  const left = runs.findLast(
    ({ run, label }) => run.state === 'completed' && label !== null && label !== 'dry',
  )
  return left?.run.id ?? request.fromAdapter
}
