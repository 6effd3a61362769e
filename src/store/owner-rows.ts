import {
  type ArtifactKind,
  artifactPrefix,
  checkpointPrefix,
  type FileEntry,
} from '../artifacts/checkpoint.ts'
import type { Owners } from '../artifacts/left-over.ts'
import { labelOf } from '../control/upload-desk.ts'
import { number, type Queries, text } from './database.ts'

/** Who needs files of the store, by the database. */
export async function readOwners(db: Queries): Promise<Owners> {
  const kept = new Set<string>()
  const arriving = new Set<string>()
  const announced = new Set<string>()
  const checkpoints = "select run_id, step, generation from checkpoints where state = 'committed'"
  for (const row of await db.all(checkpoints)) {
    kept.add(checkpointPrefix(text(row, 'run_id'), number(row, 'step'), number(row, 'generation')))
  }
  for (const row of await db.all('select run_id, label, generation from artifacts')) {
    kept.add(artifactPrefix(text(row, 'run_id'), text(row, 'label'), number(row, 'generation')))
  }
  const uploads = `select u.kind, u.run_id, u.step, u.generation, u.files, r.engine, s.ended_at
    from uploads u join sessions s on s.id = u.session_id join runs r on r.id = u.run_id`
  for (const row of await db.all(uploads)) {
    const kind: ArtifactKind = row.kind === 'artifact' ? 'artifact' : 'checkpoint'
    const [runId, generation] = [text(row, 'run_id'), number(row, 'generation')]
    const prefix =
      kind === 'artifact'
        ? artifactPrefix(runId, labelOf(text(row, 'engine')), generation)
        : checkpointPrefix(runId, number(row, 'step'), generation)
    if (row.ended_at === null) arriving.add(prefix)
    const files = JSON.parse(text(row, 'files')) as FileEntry[] // written by openUpload alone
    for (const { name } of files) announced.add(`${prefix}/${name}`)
  }
  const all = async (sql: string) => new Set((await db.all(sql)).map((row) => text(row, 'subject')))
  return {
    kept,
    arriving,
    announced,
    runs: await all('select id as subject from runs'),
    dataVersions: await all('select version as subject from dataset_versions'),
    removed: await all('select subject from removals'),
  }
}
