import type { Absence, AbsenceRows } from '../control/absences.ts'
import { type Database, date, type Queries, type Row, text } from './database.ts'
import { readPerson } from './person-rows.ts'

const toAbsence = (row: Row): Absence => ({
  id: text(row, 'id'),
  owner: text(row, 'owner'),
  from: date(row, 'starts_at'),
  to: date(row, 'ends_at'),
})

/** Spans in which somebody is not there, those that end after `from`, the earliest first. */
export const readAbsences = async (db: Queries, from: Date): Promise<Absence[]> =>
  (
    await db.all(
      'select * from absences where ends_at > $1 order by starts_at, id',
      from.toISOString(),
    )
  ).map(toAbsence)

/** Absences in the database; see `AbsenceRows`. */
export const absenceRows = (db: Database, now: () => Date): AbsenceRows => ({
  absences: (after) => readAbsences(db, after),
  owners: async () =>
    (
      await db.all('select distinct owner from accounts where removed_at is null order by owner')
    ).map((row) => text(row, 'owner')),
  person: (owner) => readPerson(db, owner),
  async add({ id, owner, from, to }) {
    await db.run(
      'insert into absences (id, owner, starts_at, ends_at, created_at) values ($1, $2, $3, $4, $5)',
      id,
      owner,
      from.toISOString(),
      to.toISOString(),
      now().toISOString(),
    )
  },
  remove: (id) =>
    db.transaction(async (tx) => {
      const row = await tx.first('select * from absences where id = $1', id)
      await tx.run('delete from absences where id = $1', id)
      return row && toAbsence(row)
    }),
})
