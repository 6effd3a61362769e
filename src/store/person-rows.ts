import { type Person, type PersonHours, usualPerson } from '../control/people.ts'
import { number, type Queries, text } from './database.ts'

/** A person who lends accounts; of whom nothing was said, the usual one. */
export async function readPerson(db: Queries, owner: string): Promise<Person> {
  const row = await db.first('select * from people where owner = $1', owner)
  if (!row) return usualPerson(owner)
  return {
    owner,
    zone: text(row, 'zone'),
    wakingFrom: number(row, 'waking_from'),
    wakingTo: number(row, 'waking_to'),
  }
}

/** Writes down what was said of a person; nothing where nothing was. */
export async function writePerson(
  tx: Queries,
  owner: string,
  { zone, waking }: PersonHours,
  at: string,
): Promise<void> {
  if (zone === undefined && waking === undefined) return
  const before = await readPerson(tx, owner)
  await tx.run(
    `insert into people (owner, zone, waking_from, waking_to, written_at) values ($1, $2, $3, $4, $5)
     on conflict (owner) do update set zone = excluded.zone, waking_from = excluded.waking_from,
       waking_to = excluded.waking_to, written_at = excluded.written_at`,
    owner,
    zone ?? before.zone,
    waking?.from ?? before.wakingFrom,
    waking?.to ?? before.wakingTo,
    at,
  )
}
