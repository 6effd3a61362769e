import { alertsFromEvent, toldEvents } from '../alerts/from-event.ts'
import type { EventKind, RotationEvent } from '../rotation/event.ts'
import { dropHeld, insertAlert, isWaiting, withdrawAlerts } from './alert-rows.ts'
import { date, number, type Queries, type Row, text, textOrNull } from './database.ts'

const toEvent = (row: Row): RotationEvent => ({
  id: number(row, 'id'),
  at: date(row, 'at'),
  kind: text(row, 'kind') as EventKind, // written by insertEvent alone
  runId: textOrNull(row, 'run_id'),
  sessionId: textOrNull(row, 'session_id'),
  data: JSON.parse(text(row, 'data')) as Record<string, unknown>, // likewise
})

export interface NewEvent {
  readonly kind: EventKind
  readonly runId?: string
  readonly sessionId?: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** Writes an event beside its cause, in the cause's own transaction, and what people are to be told of it. */
export async function insertEvent(tx: Queries, event: NewEvent, at: string): Promise<void> {
  if (toldEvents.has(event.kind)) await tell(tx, event, at)
  await tx.run(
    `insert into events (id, at, kind, run_id, session_id, data)
     values ((select coalesce(max(id), 0) + 1 from events), $1, $2, $3, $4, $5)`,
    at,
    event.kind,
    event.runId ?? null,
    event.sessionId ?? null,
    JSON.stringify(event.data ?? {}),
  )
}

async function tell(tx: Queries, event: NewEvent, at: string): Promise<void> {
  const { kind, runId = null, sessionId = null, data = {} } = event
  const row = runId && (await tx.first('select name, sample from runs where id = $1', runId))
  const run = row ? { name: text(row, 'name'), isSample: number(row, 'sample') === 1 } : null
  const happened = { kind, at: new Date(at), runId, sessionId, data }
  const { alerts, withdrawn, once } = alertsFromEvent(happened, run)
  for (const { thread, kind: overtaken } of withdrawn) {
    await withdrawAlerts(tx, thread, overtaken)
    await dropHeld(tx, thread, overtaken)
  }
  for (const alert of alerts) {
    if (once && (await isWaiting(tx, alert))) continue
    await insertAlert(tx, alert)
  }
}

/** Events after `afterId`, oldest first, at most `limit`; of one run when it is given. */
export const readEvents = async (
  db: Queries,
  afterId: number,
  limit: number,
  runId?: string,
): Promise<RotationEvent[]> =>
  (runId === undefined
    ? await db.all('select * from events where id > $1 order by id limit $2', afterId, limit)
    : await db.all(
        'select * from events where run_id = $3 and id > $1 order by id limit $2',
        afterId,
        limit,
        runId,
      )
  ).map(toEvent)

export async function newestEventAt(db: Queries): Promise<Date | null> {
  const row = await db.first('select at from events order by id desc limit 1')
  return row ? date(row, 'at') : null
}
