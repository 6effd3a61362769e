import type { OpenedRun, StandingRun } from './standing-run.ts'

/** Finds the run whose adapter the next run of a standing run begins with, by its id or name; undefined for the base alone. */
export type NextAdapter = (
  standing: Pick<StandingRun, 'request'>,
  runs: readonly OpenedRun[],
) => string | undefined

/**
 * What its line serves; where nothing is promoted yet, the newest adapter that a completed run of it has left and nobody has rejected;
 * where there is none, what the request says.
 * @param runs the oldest first
 */
export const nextAdapter: NextAdapter = ({ request }, runs) => {
  const served = runs.find(({ adapter }) => adapter === 'served')
  const left = runs.findLast(
    ({ run, label, adapter }) =>
      run.state === 'completed' && label !== null && label !== 'dry' && adapter !== 'rejected',
  )
  return (served ?? left)?.run.id ?? request.fromAdapter
}
