import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { artifactPrefix } from '../../src/artifacts/checkpoint.ts'
import { planFor } from '../../src/notebooks/plan.ts'
import type { Run } from '../../src/rotation/run.ts'
import type { Database } from '../../src/store/database.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { runOf, start } from '../store/fixture.ts'

/** The hash of the manifest of the adapter that the run of that name has left. */
export const adapterOf = (name: string): string =>
  Buffer.from(name.padEnd(32, '-')).toString('hex').slice(0, 64)

const facts = { targetSteps: 60, seed: 7, dataSha256: 'd'.repeat(64) }

/** A completed run of the engine `trl` with its artifact, or of `dry`, in the database alone. */
export async function insertFinished(
  db: Database,
  name: string,
  { label = 'candidate', ...changes }: Partial<Run> & { label?: string } = {},
): Promise<string> {
  const engine = label === 'dry' ? 'dry' : 'trl'
  const run = runOf(name, {
    engine,
    state: 'completed',
    plan: planFor(engine, {}, facts),
    endedAt: new Date(start),
    ...changes,
  })
  await insertRun(db, run)
  await db.run('update runs set state = $1, ended_at = $2 where id = $3', run.state, start, run.id)
  await db.run(
    `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
     values ($1, $2, 60, 1, $3, '9', '{}', $4)`,
    run.id,
    label,
    adapterOf(name),
    start,
  )
  return adapterOf(name)
}

/** The same in the data folder of a service that runs, with a file in its store; data set `rows` has to be there. */
export async function finishedRun(
  folder: string,
  name: string,
  options: { label?: string } = {},
): Promise<string> {
  const db = openSqlite(join(folder, 'rodizio.db'))
  try {
    const version = await db.first("select version from dataset_names where name = 'rows'")
    const sha256 = await insertFinished(db, name, {
      ...options,
      datasetVersion: String(version?.version),
    })
    const place = join(
      folder,
      'store',
      artifactPrefix(`run_${name}`, options.label ?? 'candidate', 1),
    )
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'manifest.json'), '{}')
    return sha256
  } finally {
    await db.close()
  }
}
