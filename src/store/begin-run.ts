import { runHasName, standingExists } from '../control/standing-words.ts'
import type { Run } from '../rotation/run.ts'
import { type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { refuseWhatGoes } from './removal-rows.ts'
import { insertRun, readRun } from './run-rows.ts'

/**
 * Stores a run that begins, with the word that it does.
 * @throws AppError `conflict` (`run_exists`, `standing_exists`), or of what it would stand on
 */
export async function beginRun(tx: Queries, run: Run, at: string): Promise<void> {
  // Asked again inside: another request may have taken the name since the first look.
  if (await readRun(tx, run.name)) throw runHasName(run.name)
  const standing = await tx.first('select name from standing_runs where name = $1', run.name)
  if (standing) throw standingExists(text(standing, 'name'))
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
