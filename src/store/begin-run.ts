import { refuseTakenName } from '../control/run-or-policy.ts'
import { standingExists } from '../control/standing-words.ts'
import type { Run } from '../rotation/run.ts'
import { type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { refuseWhatGoes } from './removal-rows.ts'
import { insertRun, readRun } from './run-rows.ts'

/**
 * Runs, policies and standing runs share their names. Asked inside the change: another request may have taken it since the first look.
 * @throws AppError `conflict` (`run_exists`, `policy_exists`, `standing_exists`)
 */
export async function refuseTaken(tx: Queries, name: string): Promise<void> {
  refuseTakenName(await readRun(tx, name), name)
  const standing = await tx.first('select name from standing_runs where name = $1', name)
  if (standing) throw standingExists(text(standing, 'name'))
}

/**
 * Stores a run that begins, with the word that it does.
 * @throws AppError `conflict` as `refuseTaken`, or of what it would stand on
 */
export async function beginRun(tx: Queries, run: Run, at: string): Promise<void> {
  await refuseTaken(tx, run.name)
  await refuseWhatGoes(tx, run)
  await insertRun(tx, run)
  const { base, quantization } = run.plan
  const data = {
    run: run.name,
    engine: run.engine,
    targetSteps: run.targetSteps,
    ...(run.engine === 'dry' ? {} : { base, quantization }),
  }
  await insertEvent(tx, { kind: 'run.started', runId: run.id, data }, at)
}
