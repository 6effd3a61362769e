import type { EventKind, RotationEvent } from '../rotation/event.ts'
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

/** Writes an event beside its cause, in the cause's own transaction. */
export async function insertEvent(tx: Queries, event: NewEvent, at: string): Promise<void> {
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
