import type { OpenedRun, StandingRun, Waiting } from '../control/standing-run.ts'
import type { Because } from '../rotation/standing.ts'
import {
  date,
  dateOrNull,
  number,
  numberOrNull,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'
import { toRun } from './run-rows.ts'

export const toStanding = (row: Row): StandingRun => ({
  id: text(row, 'id'),
  name: text(row, 'name'),
  request: JSON.parse(text(row, 'request')) as StandingRun['request'], // written by insert alone
  everySeconds: numberOrNull(row, 'every_seconds'),
  whenNew: numberOrNull(row, 'when_new'),
  state: text(row, 'state') as StandingRun['state'], // the column's check constraint
  stoppedWhy: textOrNull(row, 'stopped_why'),
  count: number(row, 'count'),
  lastRunId: textOrNull(row, 'last_run_id'),
  lastOpenedAt: dateOrNull(row, 'last_opened_at'),
  rowsThen: number(row, 'rows_then'),
  waiting: waitingOf(row),
  createdAt: date(row, 'created_at'),
})

function waitingOf(row: Row): Waiting | null {
  const why = textOrNull(row, 'waiting')
  const what = textOrNull(row, 'waits_for')
  return why === null || what === null ? null : { for: what as Waiting['for'], why } // likewise
}

const toOpened = (row: Row): OpenedRun => ({
  run: toRun(row),
  number: number(row, 'number'),
  because: text(row, 'because') as Because, // likewise
  rows: number(row, 'dataset_rows'),
  openedAt: date(row, 'opened_at'),
  label: textOrNull(row, 'label'),
  adapter: textOrNull(row, 'adapter') as OpenedRun['adapter'], // by the query
})

/** By id or by name. */
export async function readStanding(
  db: Queries,
  idOrName: string,
): Promise<StandingRun | undefined> {
  const row = await db.first('select * from standing_runs where id = $1 or name = $1', idOrName)
  return row && toStanding(row)
}

/** Those that are not stopped, the oldest first. */
export const readOpenStandings = async (db: Queries): Promise<StandingRun[]> =>
  (await db.all("select * from standing_runs where state = 'open' order by created_at, id")).map(
    toStanding,
  )

/** The runs that a standing run has opened, the oldest first. */
export const readOpenedRuns = async (db: Queries, standingId: string): Promise<OpenedRun[]> =>
  (
    await db.all(
      `select r.*, o.number, o.because, o.dataset_rows, o.opened_at,
         (select a.label from artifacts a where a.run_id = r.id order by a.committed_at limit 1) as label,
         (select case when a.number = (select m.number from adapter_moves m join adapters b on b.number = m.number
            where m.line = a.line and b.state = 'promoted' order by m.id desc limit 1) then 'served'
            when a.state = 'rejected' then 'rejected' else 'other' end
          from adapters a where a.run_id = r.id order by a.number limit 1) as adapter
       from standing_openings o join runs r on r.id = o.run_id where o.standing_id = $1 order by o.number`,
      standingId,
    )
  ).map(toOpened)
