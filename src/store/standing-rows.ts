import { refuseTakenName } from '../control/run-or-policy.ts'
import type { StandingRows } from '../control/standing-run.ts'
import { standingExists, standingOpen, unknownStanding } from '../control/standing-words.ts'
import { AppError } from '../lib/errors.ts'
import { beginRun } from './begin-run.ts'
import { type Database, number, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { partOf, readCursor } from './parts.ts'
import { readRun } from './run-rows.ts'
import { readOpenedRuns, readOpenStandings, readStanding, toStanding } from './standing-reads.ts'

/** Standing runs in the database; see `StandingRows`. */
export function standingRows(db: Database, now: () => Date): StandingRows {
  const at = () => now().toISOString()
  return {
    insert: (standing) =>
      db.transaction(async (tx) => {
        if (await readStanding(tx, standing.name)) throw standingExists(standing.name)
        refuseTakenName(await readRun(tx, standing.name), standing.name)
        // Asked inside: a removal may have taken the name since the first look.
        const { dataset } = standing.request
        if (!(await tx.first('select 1 as one from dataset_names where name = $1', dataset))) {
          throw new AppError('not-found', `there is no data set ${dataset} any more`, {
            code: 'dataset_unknown',
            next: 'Import it again: rodizio data import FILE --name NAME',
          })
        }
        await tx.run(
          `insert into standing_runs (id, name, dataset, request, every_seconds, when_new, state, created_at)
           values ($1, $2, $3, $4, $5, $6, 'open', $7)`,
          standing.id,
          standing.name,
          dataset,
          JSON.stringify(standing.request),
          standing.everySeconds,
          standing.whenNew,
          standing.createdAt.toISOString(),
        )
      }),
    find: (idOrName) => readStanding(db, idOrName),
    async list(limit, cursor) {
      const [before, id] = readCursor(cursor)
      const rows = await db.all(
        `select * from standing_runs where created_at < $1 or (created_at = $1 and id < $2)
         order by created_at desc, id desc limit $3`,
        before,
        id,
        limit + 1,
      )
      return partOf(rows, limit, toStanding)
    },
    open: () => readOpenStandings(db),
    runsOf: (id) => readOpenedRuns(db, id),
    async openedBy(runId) {
      const row = await db.first(
        `select s.name, o.number from standing_openings o join standing_runs s on s.id = o.standing_id
         where o.run_id = $1`,
        runId,
      )
      return row && { name: text(row, 'name'), number: number(row, 'number') }
    },
    opened: (id, { number: n, after, because }, run) =>
      db.transaction(async (tx) => {
        const standing = await readStanding(tx, id)
        if (standing?.state !== 'open' || standing.count !== after) return false
        // A process that had stored it and died before it could say so.
        if (!(await readRun(tx, run.id))) await beginRun(tx, run, at())
        const data = await tx.first(
          'select train_rows from dataset_versions where version = $1',
          run.datasetVersion,
        )
        const rows = data ? number(data, 'train_rows') : 0
        await tx.run(
          `insert into standing_openings (run_id, standing_id, number, because, dataset_rows, opened_at)
           values ($1, $2, $3, $4, $5, $6)`,
          run.id,
          id,
          n,
          because,
          rows,
          at(),
        )
        await tx.run(
          `update standing_runs set count = $1, last_run_id = $2, last_opened_at = $3, rows_then = $4, waits_for = null,
             waiting = null where id = $5`,
          n,
          run.id,
          at(),
          rows,
          id,
        )
        const told = {
          standing: standing.name,
          run: run.name,
          because,
          newExamples: Math.max(0, rows - standing.rowsThen),
        }
        await insertEvent(tx, { kind: 'standing.opened', runId: run.id, data: told }, at())
        return true
      }),
    waits: (id, waiting) =>
      db.transaction(async (tx) => {
        const standing = await readStanding(tx, id)
        if (standing?.state !== 'open' || standing.waiting?.why === waiting.why) return
        await tx.run(
          'update standing_runs set waits_for = $1, waiting = $2 where id = $3',
          waiting.for,
          waiting.why,
          id,
        )
        // That the run it has opened is open is no news, nor is another figure for the same reason.
        const isKnown = waiting.for !== 'trouble' && waiting.for === standing.waiting?.for
        if (isKnown || waiting.for === 'run') return
        const data = { standing: standing.name, why: waiting.why }
        await insertEvent(tx, { kind: 'standing.waiting', data }, at())
      }),
    stop: (id, why, asked) =>
      db.transaction(async (tx) => {
        const sql = `update standing_runs set state = 'stopped', stopped_why = $1, waits_for = null, waiting = null
          where id = $2 and state = 'open'`
        if ((await tx.run(sql, why, id)) === 0) return
        const standing = await readStanding(tx, id)
        const data = { standing: standing?.name, why, asked }
        await insertEvent(tx, { kind: 'standing.stopped', data }, at())
      }),
    remove: (idOrName) =>
      db.transaction(async (tx) => {
        const standing = await readStanding(tx, idOrName)
        if (!standing) throw unknownStanding(idOrName)
        if (standing.state === 'open') throw standingOpen(standing.name)
        const runs = await tx.run(
          'delete from standing_openings where standing_id = $1',
          standing.id,
        )
        await tx.run('delete from standing_runs where id = $1', standing.id)
        const data = { standing: standing.name, runs }
        await insertEvent(tx, { kind: 'standing.removed', data }, at())
        return standing
      }),
  }
}
