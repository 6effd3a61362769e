import type { Silence } from '../health/silence.ts'
import { date, dateOrNull, number, type Queries, type Row, text, textOrNull } from './database.ts'

export const toSilence = (row: Row): Silence => ({
  id: text(row, 'id'),
  node: textOrNull(row, 'node_id'),
  kind: text(row, 'kind') as Silence['kind'], // the column's check constraint
  startsAt: date(row, 'starts_at'),
  endsAt: date(row, 'ends_at'),
  isWeekly: number(row, 'weekly') === 1,
  zone: text(row, 'zone'),
  why: textOrNull(row, 'why'),
  madeBy: text(row, 'made_by'),
  createdAt: date(row, 'created_at'),
  endedAt: dateOrNull(row, 'ended_at'),
})

/** Those that may still cover something, the newest first. */
export const readSilences = async (db: Queries, now: Date): Promise<Silence[]> =>
  (
    await db.all(
      'select * from silences where ended_at is null and (weekly = 1 or ends_at > $1) order by created_at desc, id',
      now.toISOString(),
    )
  ).map(toSilence)

export async function insertSilence(tx: Queries, silence: Silence): Promise<void> {
  await tx.run(
    `insert into silences (id, node_id, kind, starts_at, ends_at, weekly, zone, why, made_by, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    silence.id,
    silence.node,
    silence.kind,
    silence.startsAt.toISOString(),
    silence.endsAt.toISOString(),
    silence.isWeekly ? 1 : 0,
    silence.zone,
    silence.why,
    silence.madeBy,
    silence.createdAt.toISOString(),
  )
}
