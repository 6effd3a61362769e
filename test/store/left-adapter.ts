import { insertCandidate } from '../../src/store/adapter-rows.ts'
import { type Database, number } from '../../src/store/database.ts'
import { decideCandidate } from '../../src/store/decide-adapter.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { runOf } from './fixture.ts'

/** The one that is named, or one made from a run's name. */
export const manifestHashOf = (name: string): string =>
  /^[0-9a-f]{64}$/.test(name) ? name : Buffer.from(name).toString('hex').padEnd(64, '0')

export interface Left {
  readonly loss?: number
  readonly rows?: number
  readonly data?: string
  readonly from?: string
  readonly fromLoss?: number
  readonly label?: string
  /** Of a manifest that is really there. */
  readonly manifestSha256?: string
}

export const insertDatasetVersion = (db: Database, version: string, split: string, at: Date) =>
  db.run(
    `insert into dataset_versions (version, train_rows, train_bytes, train_sha256, validation_rows, validation_bytes,
       validation_sha256, created_at) values ($1, 100, '1', 'x', 60, '1', $2, $3)`,
    version,
    split,
    at.toISOString(),
  )

/** A run that has ended, with the artifact that it has left, in one transaction as a commit does it. */
export async function leaveAdapter(
  db: Database,
  name: string,
  at: Date,
  { loss, rows = 60, data = 'ds_one', from, fromLoss, label = 'candidate', ...given }: Left = {},
): Promise<void> {
  const plan = {
    base: 'tiny',
    ...(from === undefined ? {} : { fromAdapter: manifestHashOf(from) }),
  }
  const evaluation = {
    candidate: { loss, perplexity: 1 },
    base: { loss: 9, perplexity: 1 },
    current: fromLoss === undefined ? null : { loss: fromLoss, perplexity: 1 },
  }
  const artifact = {
    runId: `run_${name}`,
    label,
    step: 10,
    generation: 1,
    manifestSha256: given.manifestSha256 ?? manifestHashOf(name),
    bytes: 1000,
    metrics: loss === undefined ? {} : { loss: 1, heldOutRows: rows, evaluation },
  }
  await db.transaction(async (tx) => {
    const known = await tx.first('select count(*) as n from runs where id = $1', `run_${name}`)
    if (number(known ?? {}, 'n') === 0) {
      await insertRun(tx, runOf(name, { engine: 'trl', datasetVersion: data, plan }))
    }
    await tx.run(
      `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
       values ($1, $2, 10, 1, $3, '1000', '{}', $4) on conflict do nothing`,
      artifact.runId,
      label,
      artifact.manifestSha256,
      at.toISOString(),
    )
    const candidate = await insertCandidate(tx, artifact, at.toISOString())
    if (candidate !== null) await decideCandidate(tx, candidate, at)
  })
}
