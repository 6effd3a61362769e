import type { BackupAttempt, BackupRows } from '../control/backup-desk.ts'
import { newId } from '../lib/random.ts'
import {
  type Database,
  date,
  dateOrNull,
  numberOrNull,
  type Row,
  text,
  textOrNull,
} from './database.ts'
import { installationOf } from './move-on.ts'

const toAttempt = (row: Row): BackupAttempt => ({
  kind: row.kind === 'drill' ? 'drill' : 'backup',
  place: text(row, 'place'),
  name: textOrNull(row, 'name'),
  beganAt: date(row, 'began_at'),
  endedAt: dateOrNull(row, 'ended_at'),
  outcome: row.outcome === 'done' ? 'done' : row.outcome === 'failed' ? 'failed' : null,
  why: textOrNull(row, 'why'),
  bytes: numberOrNull(row, 'bytes'),
})

/** Older attempts than this are forgotten. */
const keptDays = 90

/** Backups and drills as they were tried, in the database; see `BackupRows`. */
export const backupRows = (db: Database, now: () => Date): BackupRows => ({
  installation: () => installationOf(db),
  async begin(kind, place) {
    const id = newId('bak')
    const at = now()
    await db.transaction(async (tx) => {
      const oldest = new Date(at.getTime() - keptDays * 86_400_000).toISOString()
      // The newest good one of each kind says since when there is none.
      await tx.run(
        `delete from backup_attempts where began_at < $1 and id not in
           (select id from backup_attempts a where outcome = 'done' and began_at =
             (select max(began_at) from backup_attempts b where b.kind = a.kind and b.outcome = 'done'))`,
        oldest,
      )
      await tx.run(
        'insert into backup_attempts (id, kind, place, began_at) values ($1, $2, $3, $4)',
        id,
        kind,
        place,
        at.toISOString(),
      )
    })
    return id
  },
  async done(id, name, bytes) {
    await db.run(
      "update backup_attempts set ended_at = $1, outcome = 'done', name = $2, bytes = $3 where id = $4",
      now().toISOString(),
      name,
      String(bytes),
      id,
    )
  },
  async failed(id, why) {
    await db.run(
      "update backup_attempts set ended_at = $1, outcome = 'failed', why = $2 where id = $3",
      now().toISOString(),
      why,
      id,
    )
  },
  async diedMeanwhile() {
    await db.run(
      `update backup_attempts set ended_at = $1, outcome = 'failed', why = 'the service ended meanwhile'
       where ended_at is null`,
      now().toISOString(),
    )
  },
  newest: async (kind, limit) =>
    (
      await db.all(
        'select * from backup_attempts where kind = $1 order by began_at desc, id desc limit $2',
        kind,
        limit,
      )
    ).map(toAttempt),
  async lastDone(kind, before) {
    const row = await db.first(
      `select * from backup_attempts where kind = $1 and outcome = 'done' and began_at < $2
       order by began_at desc limit 1`,
      kind,
      before?.toISOString() ?? '9999',
    )
    return row && toAttempt(row)
  },
})
