import type { Checkpoint } from '../artifacts/checkpoint.ts'
import type { CheckpointRows } from '../control/checkpoint-book.ts'
import { type Database, date, number, type Row, text } from './database.ts'
import { insertEvent } from './event-rows.ts'

const toCheckpoint = (row: Row): Checkpoint => ({
  runId: text(row, 'run_id'),
  step: number(row, 'step'),
  generation: number(row, 'generation'),
  sessionId: text(row, 'session_id'),
  state: text(row, 'state') as Checkpoint['state'], // the column's check constraint
  manifestSha256: text(row, 'manifest_sha256'),
  bytes: number(row, 'bytes'),
  metrics: JSON.parse(text(row, 'metrics')) as Record<string, unknown>, // written by the commit alone
  committedAt: date(row, 'committed_at'),
})

/** Checkpoints in the database; see `CheckpointRows`. */
export const checkpointRows = (db: Database, now: () => Date): CheckpointRows => ({
  committed: async (runId) =>
    (
      await db.all(
        `select * from checkpoints where run_id = $1 and state = 'committed' order by step desc, generation desc`,
        runId,
      )
    ).map(toCheckpoint),
  all: async (runId) =>
    (
      await db.all('select * from checkpoints where run_id = $1 order by step, generation', runId)
    ).map(toCheckpoint),
  mark: (checkpoint, state) =>
    db.transaction(async (tx) => {
      const { runId, step, generation, sessionId } = checkpoint
      const changed = await tx.run(
        `update checkpoints set state = $1
         where run_id = $2 and step = $3 and generation = $4 and state = 'committed'`,
        state,
        runId,
        step,
        generation,
      )
      if (changed === 0) return
      const data = { step, generation }
      const kind = `checkpoint.${state}` as const
      await insertEvent(tx, { kind, runId, sessionId, data }, now().toISOString())
    }),
  runs: async () =>
    (await db.all('select distinct run_id from uploads')).map((row) => text(row, 'run_id')),
  isOpen: async (runId, step, generation) =>
    (await db.first(
      `select 1 as one from uploads u join sessions s on s.id = u.session_id
       where u.run_id = $1 and u.step = $2 and u.generation = $3 and u.kind = 'checkpoint' and s.ended_at is null`,
      runId,
      step,
      generation,
    )) !== undefined,
})
