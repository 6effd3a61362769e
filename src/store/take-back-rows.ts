import type { TakeBackPorts } from '../control/take-back.ts'
import { type Database, number, text } from './database.ts'
import { insertEvent } from './event-rows.ts'

/** What is remembered of checkpoints that are taken back after a restore. */
export const takeBackRows = (
  db: Database,
  now: () => Date,
): Pick<TakeBackPorts, 'isWanted' | 'done' | 'known' | 'insert'> => ({
  isWanted: async () =>
    (await db.first('select 1 as one from restores where wants_checkpoints = 1 limit 1')) !==
    undefined,
  async done() {
    await db.run('update restores set wants_checkpoints = 0')
  },
  known: async (runId) =>
    new Set(
      (await db.all('select step, generation from checkpoints where run_id = $1', runId)).map(
        (row) => `${number(row, 'step')}-g${number(row, 'generation')}`,
      ),
    ),
  insert: (kept) =>
    db.transaction(async (tx) => {
      // The session that made it was begun after the backup: the newest that is known stands for it.
      const session = await tx.first(
        'select id from sessions where run_id = $1 order by created_at desc, id desc limit 1',
        kept.runId,
      )
      if (!session) return false
      const at = now().toISOString()
      const sessionId = text(session, 'id')
      const { runId, step, generation } = kept
      await tx.run(
        `insert into checkpoints (run_id, step, generation, session_id, state, manifest_sha256, bytes, metrics, committed_at)
         values ($1, $2, $3, $4, 'committed', $5, $6, $7, $8) on conflict (run_id, step, generation) do nothing`,
        runId,
        step,
        generation,
        sessionId,
        kept.manifestSha256,
        String(kept.bytes),
        JSON.stringify(kept.metrics),
        at,
      )
      await tx.run('update runs set step = $1 where id = $2 and step < $1', step, runId)
      const run = await tx.first('select name from runs where id = $1', runId)
      const data = { run: run ? text(run, 'name') : runId, step, generation, bytes: kept.bytes }
      await insertEvent(tx, { kind: 'checkpoint.taken_back', runId, sessionId, data }, at)
      return true
    }),
})
