import type { Alert, AlertKind } from '../alerts/alert.ts'
import { date, type Queries, type Row, text, textOrNull } from './database.ts'

export const toAlert = (row: Row): Alert => ({
  id: text(row, 'id'),
  kind: text(row, 'kind') as AlertKind, // written by insertAlert alone
  about: text(row, 'about'),
  at: date(row, 'at'),
  dueAt: date(row, 'due_at'),
  thread: textOrNull(row, 'thread'),
  facts: JSON.parse(text(row, 'facts')) as Alert['facts'], // likewise
})

/**
 * Writes an alert beside its cause, in the cause's own transaction. One that stands already under this id stays as it is.
 * @param isSilenced it is kept on record, and told to nobody
 */
export async function insertAlert(tx: Queries, alert: Alert, isSilenced = false): Promise<void> {
  await tx.run(
    `insert into alerts (id, kind, about, at, due_at, thread, facts, state) values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (id) do nothing`,
    alert.id,
    alert.kind,
    alert.about,
    alert.at.toISOString(),
    alert.dueAt.toISOString(),
    alert.thread,
    JSON.stringify(alert.facts),
    isSilenced ? 'silenced' : 'waiting',
  )
}

/** Takes alerts of a kind and thread back that nobody has been told yet; the number of them. */
export const withdrawAlerts = (tx: Queries, thread: string, kind: AlertKind): Promise<number> =>
  tx.run(
    "update alerts set state = 'withdrawn' where thread = $1 and kind = $2 and state = 'waiting'",
    thread,
    kind,
  )

/** Whether one of its kind and thread waits to be told. */
export const isWaiting = async (tx: Queries, { thread, kind }: Alert): Promise<boolean> =>
  (await tx.first(
    "select 1 as one from alerts where thread = $1 and kind = $2 and state = 'waiting'",
    thread,
    kind,
  )) !== undefined

/** Leaves out of every channel's messages what is in none yet: nobody needs to know any more. */
export const dropHeld = (tx: Queries, thread: string, kind: AlertKind): Promise<number> =>
  tx.run(
    `update tellings set state = 'left-out' where state = 'held'
       and alert_id in (select id from alerts where thread = $1 and kind = $2)`,
    thread,
    kind,
  )
