import type { AuditLog } from '../control/audit.ts'
import {
  type AuditEntry,
  type AuditHead,
  type AuditLine,
  auditVerifier,
  firstHash,
  hashOf,
} from '../safekeeping/audit.ts'
import { type Database, date, number, type Queries, type Row, text } from './database.ts'

const toLine = (row: Row): AuditLine => ({
  number: number(row, 'number'),
  at: date(row, 'at'),
  who: text(row, 'who'),
  what: text(row, 'what'),
  outcome: number(row, 'outcome'),
  hash: text(row, 'hash'),
})

async function headOf(db: Queries): Promise<AuditHead | null> {
  const row = await db.first('select number, hash from audit_head')
  return row ? { number: number(row, 'number'), hash: text(row, 'hash') } : null
}

const together = 500

/** The audit log in the database. */
export const auditLog = (db: Database, now: () => Date): AuditLog => ({
  add: (entry) =>
    db.transaction(async (tx) => {
      const head = (await headOf(tx)) ?? { number: 0, hash: firstHash }
      const line: AuditEntry = { ...entry, number: head.number + 1, at: now() }
      const hash = hashOf(head.hash, line)
      await tx.run(
        'insert into audit_log (number, at, who, what, outcome, hash) values ($1, $2, $3, $4, $5, $6)',
        line.number,
        line.at.toISOString(),
        line.who,
        line.what,
        line.outcome,
        hash,
      )
      await tx.run(
        'insert into audit_head (one, number, hash) values (1, $1, $2) on conflict (one) do update set number = $1, hash = $2',
        line.number,
        hash,
      )
    }),
  newest: async (limit, before) =>
    (
      await db.all(
        'select * from audit_log where number < $1 order by number desc limit $2',
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
    ).map(toLine),
  async verify() {
    const verifier = auditVerifier()
    // The head first: lines that are added meanwhile are not looked at.
    const head = await headOf(db)
    for (let after = 0; ; ) {
      const rows = await db.all(
        'select * from audit_log where number > $1 and number <= $2 order by number limit $3',
        after,
        // Beyond the head too, where nothing is written meanwhile: a line that somebody has put there is found.
        head === null ? Number.MAX_SAFE_INTEGER : head.number,
        together,
      )
      for (const row of rows) verifier.see(toLine(row))
      const last = rows.at(-1)
      if (!last || rows.length < together) return verifier.end(head)
      after = number(last, 'number')
    }
  },
})
