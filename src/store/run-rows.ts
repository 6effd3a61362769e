import {
  defaultOptions,
  type Run,
  type RunOptions,
  type RunState,
  type ServingPolicy,
} from '../rotation/run.ts'
import { date, dateOrNull, number, type Queries, type Row, text, textOrNull } from './database.ts'

export const toRun = (row: Row): Run => ({
  id: text(row, 'id'),
  name: text(row, 'name'),
  engine: text(row, 'engine'),
  state: text(row, 'state') as RunState, // the column's check constraint
  stopAsked: number(row, 'stop_asked') === 1,
  datasetVersion: text(row, 'dataset_version'),
  plan: JSON.parse(text(row, 'plan')) as Record<string, unknown>, // written by insertRun alone
  // Written by insertRun and updateRun, maybe of an earlier program that had fewer of them.
  options: { ...defaultOptions, ...(JSON.parse(text(row, 'options')) as Partial<RunOptions>) },
  serving: servingOf(textOrNull(row, 'serving')),
  priority: number(row, 'priority'),
  targetSteps: number(row, 'target_steps'),
  step: number(row, 'step'),
  generation: number(row, 'generation'),
  failures: number(row, 'failures'),
  failure: textOrNull(row, 'failure'),
  waiting: textOrNull(row, 'waiting'),
  sample: number(row, 'sample') === 1,
  createdAt: date(row, 'created_at'),
  endedAt: dateOrNull(row, 'ended_at'),
})

const servingOf = (json: string | null): ServingPolicy | null =>
  json === null ? null : (JSON.parse(json) as ServingPolicy) // written by insertRun and by policyBook alone

export async function insertRun(db: Queries, run: Run): Promise<void> {
  await db.run(
    `insert into runs (id, name, engine, state, dataset_version, plan, options, target_steps, sample, created_at, priority,
       serving)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    run.id,
    run.name,
    run.engine,
    run.state,
    run.datasetVersion,
    JSON.stringify(run.plan),
    JSON.stringify(run.options),
    run.targetSteps,
    run.sample ? 1 : 0,
    run.createdAt.toISOString(),
    run.priority,
    run.serving === null ? null : JSON.stringify(run.serving),
  )
}

/** By id or by name. */
export async function readRun(db: Queries, idOrName: string): Promise<Run | undefined> {
  const row = await db.first('select * from runs where id = $1 or name = $1', idOrName)
  return row && toRun(row)
}

export const readOpenRuns = async (db: Queries): Promise<Run[]> =>
  (
    await db.all(
      "select * from runs where state in ('queued', 'training', 'stopping') order by created_at, id",
    )
  ).map(toRun)
