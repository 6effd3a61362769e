import type { EntryKind, LedgerEntry, QuotaReading } from '../rotation/ledger.ts'
import { date, dateOrNull, number, type Queries, type Row, text, textOrNull } from './database.ts'

const toEntry = (row: Row): LedgerEntry => ({
  id: text(row, 'id'),
  sessionId: textOrNull(row, 'session_id'),
  kind: text(row, 'kind') as EntryKind, // the column's check constraint
  weekStart: date(row, 'week_start'),
  account: text(row, 'account'),
  gpuSeconds: number(row, 'gpu_seconds'),
  note: textOrNull(row, 'note'),
})

/** Rows of the account's weeks from `from` on. */
export const readLedger = async (
  db: Queries,
  account: string,
  from: Date,
): Promise<LedgerEntry[]> =>
  (
    await db.all(
      'select * from ledger_entries where account = $1 and week_start >= $2 order by written_at, id',
      account,
      from.toISOString(),
    )
  ).map(toEntry)

export const readReservation = async (db: Queries, sessionId: string): Promise<LedgerEntry[]> =>
  (
    await db.all(
      "select * from ledger_entries where session_id = $1 and kind = 'reserve' order by week_start",
      sessionId,
    )
  ).map(toEntry)

/** Writes each row once: an id that stands already is left as it is. */
export async function insertEntries(
  db: Queries,
  entries: readonly LedgerEntry[],
  at: string,
): Promise<void> {
  for (const entry of entries) {
    await db.run(
      `insert into ledger_entries (id, session_id, kind, week_start, account, gpu_seconds, note, written_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing`,
      entry.id,
      entry.sessionId,
      entry.kind,
      entry.weekStart.toISOString(),
      entry.account,
      entry.gpuSeconds,
      entry.note,
      at,
    )
  }
}

export async function readQuota(db: Queries, account: string): Promise<QuotaReading | null> {
  const row = await db.first('select * from quota_readings where account = $1', account)
  if (!row) return null
  return {
    account,
    readAt: date(row, 'read_at'),
    usedSeconds: number(row, 'used_seconds'),
    reservedSeconds: number(row, 'reserved_seconds'),
    allowedSeconds: number(row, 'allowed_seconds'),
    refreshesAt: dateOrNull(row, 'refreshes_at'),
  }
}

export async function writeQuota(db: Queries, reading: QuotaReading): Promise<void> {
  await db.run(
    `insert into quota_readings (account, read_at, used_seconds, reserved_seconds, allowed_seconds, refreshes_at)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (account) do update set read_at = excluded.read_at, used_seconds = excluded.used_seconds,
       reserved_seconds = excluded.reserved_seconds, allowed_seconds = excluded.allowed_seconds,
       refreshes_at = excluded.refreshes_at`,
    reading.account,
    reading.readAt.toISOString(),
    Math.round(reading.usedSeconds),
    Math.round(reading.reservedSeconds),
    Math.round(reading.allowedSeconds),
    reading.refreshesAt?.toISOString() ?? null,
  )
}
