import type { Reads } from '../control/reads.ts'
import { asPolicy } from '../control/run-or-policy.ts'
import { readAbsences } from './absence-rows.ts'
import { readEveryAccount, readLentAccounts } from './account-rows.ts'
import { checkpointRows } from './checkpoint-rows.ts'
import { type Database, date, number, text } from './database.ts'
import { readDataset, readDatasets } from './dataset-rows.ts'
import { readEvents } from './event-rows.ts'
import { readLedger, readQuota } from './ledger-rows.ts'
import { partOf, readCursor } from './parts.ts'
import { readPerson } from './person-rows.ts'
import { readRun, toRun } from './run-rows.ts'
import { readAcceptances } from './serving-rows.ts'
import { readSessionsOf, toSession } from './session-rows.ts'

/** The faces' view of the database; see `Reads`. */
export function reads(db: Database): Reads {
  const checkpoints = checkpointRows(db, () => new Date(0)) // read only: no time is ever written
  return {
    async runs(limit, cursor) {
      const [at, id] = readCursor(cursor)
      const rows = await db.all(
        `select r.*, (select count(*) from sessions s where s.run_id = r.id) as sessions from runs r
         where r.serving is null and (r.created_at < $1 or (r.created_at = $1 and r.id < $2))
         order by r.created_at desc, r.id desc limit $3`,
        at,
        id,
        limit + 1,
      )
      return partOf(rows, limit, (row) => ({ run: toRun(row), sessions: number(row, 'sessions') }))
    },
    async policies(limit, cursor) {
      const [at, id] = readCursor(cursor)
      const rows = await db.all(
        `select r.*, (select count(*) from sessions s where s.run_id = r.id) as sessions,
           (select count(*) from sessions s where s.run_id = r.id and s.ended_at is null) as live from runs r
         where r.serving is not null and (r.created_at < $1 or (r.created_at = $1 and r.id < $2))
         order by r.created_at desc, r.id desc limit $3`,
        at,
        id,
        limit + 1,
      )
      return partOf(rows, limit, (row) => ({
        policy: asPolicy(toRun(row), text(row, 'name')),
        sessions: number(row, 'sessions'),
        live: number(row, 'live'),
      }))
    },
    run: (idOrName) => readRun(db, idOrName),
    sessionsOf: (runId) => readSessionsOf(db, runId),
    async sessions({ open, account, run }, limit, cursor) {
      const [at, id] = readCursor(cursor)
      const rows = await db.all(
        `select s.*, r.name as run_name from sessions s join runs r on r.id = s.run_id
         where (s.created_at < $1 or (s.created_at = $1 and s.id < $2))
           and ($4 = '' or s.account = $4) and ($5 = '' or r.name = $5 or r.id = $5)
           ${open ? 'and s.ended_at is null' : ''} order by s.created_at desc, s.id desc limit $3`,
        at,
        id,
        limit + 1,
        account ?? '',
        run ?? '',
      )
      return partOf(rows, limit, (row) => ({ ...toSession(row), run: text(row, 'run_name') }))
    },
    checkpoints: (runId) => checkpoints.all(runId),
    async artifact(runId) {
      const row = await db.first(
        'select * from artifacts where run_id = $1 order by committed_at limit 1',
        runId,
      )
      if (!row) return undefined
      return {
        label: text(row, 'label'),
        step: number(row, 'step'),
        generation: number(row, 'generation'),
        manifestSha256: text(row, 'manifest_sha256'),
        bytes: number(row, 'bytes'),
        metrics: JSON.parse(text(row, 'metrics')) as Record<string, unknown>, // written by the commit
        committedAt: date(row, 'committed_at'),
      }
    },
    async artifactWith(manifestSha256) {
      const row = await db.first(
        'select run_id, label, generation from artifacts where manifest_sha256 = $1',
        manifestSha256,
      )
      if (!row) return undefined
      return {
        runId: text(row, 'run_id'),
        label: text(row, 'label'),
        generation: number(row, 'generation'),
      }
    },
    async losses(runId) {
      const rows = await db.all(
        `select m.step, m.generation, m.loss from metrics m where m.run_id = $1 and m.generation =
           (select max(n.generation) from metrics n where n.run_id = m.run_id and n.step = m.step)
         order by m.step`,
        runId,
      )
      return rows.map((row) => ({
        step: number(row, 'step'),
        generation: number(row, 'generation'),
        loss: number(row, 'loss'),
      }))
    },
    async newestEvent() {
      const row = await db.first('select max(id) as id from events')
      return row ? number(row, 'id') : 0
    },
    events: (after, limit, runId) => readEvents(db, after, limit, runId),
    datasets: () => readDatasets(db),
    dataset: (nameOrVersion) => readDataset(db, nameOrVersion),
    accounts: () => readLentAccounts(db),
    everyAccount: () => readEveryAccount(db),
    ledger: (account, from) => readLedger(db, account, from),
    quota: (account) => readQuota(db, account),
    person: (owner) => readPerson(db, owner),
    acceptedRules: async () =>
      new Map(
        (await db.all('select * from accepted_rules')).map((row) => [
          text(row, 'provider'),
          date(row, 'accepted_at'),
        ]),
      ),
    servingAccepted: () => readAcceptances(db),
    absences: (after) => readAbsences(db, after),
  }
}
