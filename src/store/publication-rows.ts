import type { Adapter } from '../artifacts/adapter.ts'
import { versionOf } from '../artifacts/adapter.ts'
import type { Publication } from '../artifacts/publication.ts'
import type { Noted, PublicationRows } from '../control/publishing.ts'
import { newId } from '../lib/random.ts'
import { readAdapter, readHead } from './adapter-rows.ts'
import {
  type Database,
  date,
  dateOrNull,
  number,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'
import { insertEvent } from './event-rows.ts'

const toPublication = (row: Row): Publication => ({
  id: text(row, 'id'),
  number: number(row, 'number'),
  target: text(row, 'target'),
  state: text(row, 'state') as Publication['state'], // the column's check constraint
  place: textOrNull(row, 'place'),
  code: textOrNull(row, 'code'),
  why: textOrNull(row, 'why'),
  next: textOrNull(row, 'next_step'),
  tries: number(row, 'tries'),
  missingBytes: Number(text(row, 'missing')),
  lookAt: date(row, 'look_at'),
  askedAt: date(row, 'asked_at'),
  doneAt: dateOrNull(row, 'done_at'),
})

/** Writes down that an adapter shall be published; one that is open is looked at anew, one that is done stays. */
export async function insertPublication(
  tx: Queries,
  { number: which, label }: Pick<Adapter, 'number' | 'label'>,
  target: string,
  at: Date,
): Promise<void> {
  if (label === 'dry') return
  await tx.run(
    `insert into publications (id, number, target, state, tries, look_at, asked_at) values ($1, $2, $3, 'pending', 0, $4, $4)
     on conflict (number, target) do update set state = 'pending', tries = 0, look_at = excluded.look_at
       where publications.state <> 'done'`,
    newId('pub'),
    which,
    target,
    at.toISOString(),
  )
}

export async function readPublishTo(db: Queries, line: string): Promise<string | null> {
  const row = await db.first('select publish_to from adapter_lines where line = $1', line)
  return row ? textOrNull(row, 'publish_to') : null
}

/** What its line publishes to gets an adapter, in the transaction of its promotion. */
export async function publishPromoted(tx: Queries, adapter: Adapter, at: Date): Promise<void> {
  const target = await readPublishTo(tx, adapter.line)
  if (target !== null) await insertPublication(tx, adapter, target, at)
}

/** Publications in the database; see `PublicationRows`. */
export function publicationRows(db: Database, now: () => Date): PublicationRows {
  const all = async (sql: string, ...values: (string | number)[]) =>
    (await db.all(sql, ...values)).map(toPublication)
  return {
    ask: (adapter, target) =>
      db.transaction(async (tx) => {
        await insertPublication(tx, adapter, target, now())
        const row = await tx.first(
          'select * from publications where number = $1 and target = $2',
          adapter.number,
          target,
        )
        return toPublication(row ?? {})
      }),
    async find(id) {
      const row = await db.first('select * from publications where id = $1', id)
      return row && toPublication(row)
    },
    due: (at) =>
      all(
        "select * from publications where state <> 'done' and look_at <= $1 order by look_at, id limit 20",
        at.toISOString(),
      ),
    of: (which) => all('select * from publications where number = $1 order by asked_at, id', which),
    leftBy: async (runId, generation) =>
      all(
        `select p.* from publications p join adapters a on a.number = p.number
         where a.run_id = $1 and a.generation = $2 and p.state <> 'done' order by p.id`,
        runId,
        generation,
      ),
    async isLive(runId, generation) {
      const row = await db.first(
        'select 1 as one from sessions where run_id = $1 and generation = $2 and ended_at is null',
        runId,
        generation,
      )
      return row !== undefined
    },
    publishTo: (line) => readPublishTo(db, line),
    setPublishTo: (line, target) =>
      db.transaction(async (tx) => {
        await tx.run(
          `insert into adapter_lines (line, policy, publish_to) values ($1, 'auto', $2)
           on conflict (line) do update set publish_to = excluded.publish_to`,
          line,
          target,
        )
        const head = await readHead(tx, line)
        if (target !== null && head) await insertPublication(tx, head, target, now())
      }),
    async sessionsOf(runId) {
      const rows = await db.all(
        `select generation, provider, from_step, to_step from sessions where run_id = $1 and to_step > from_step
         order by generation`,
        runId,
      )
      return rows.map((row) => ({
        generation: number(row, 'generation'),
        provider: text(row, 'provider'),
        fromStep: number(row, 'from_step'),
        toStep: number(row, 'to_step'),
      }))
    },
    note: (before, noted) => db.transaction((tx) => note(tx, before, noted, now())),
  }
}

async function note(
  tx: Queries,
  before: Publication,
  noted: Noted,
  at: Date,
): Promise<Publication> {
  const isDone = noted.state === 'done'
  const missing = noted.missingBytes ?? before.missingBytes
  const changed = await tx.run(
    `update publications set state = $1, place = $2, code = $3, why = $4, next_step = $5, tries = $6, look_at = $7, done_at = $8,
       missing = $9 where id = $10 and state <> 'done'`,
    noted.state,
    noted.place ?? null,
    noted.code ?? null,
    noted.why ?? null,
    noted.next ?? null,
    noted.tries,
    noted.lookAt.toISOString(),
    isDone ? at.toISOString() : null,
    String(missing),
    before.id,
  )
  if (changed > 0) await countUploaded(tx, before.missingBytes - missing, at)
  const adapter = await readAdapter(tx, before.number)
  const isNewlyBlocked =
    noted.state === 'blocked' && (before.state !== 'blocked' || before.code !== noted.code)
  if (changed > 0 && adapter && (isDone || isNewlyBlocked)) {
    await insertEvent(
      tx,
      {
        kind: isDone ? 'adapter.published' : 'adapter.publish_blocked',
        runId: adapter.runId,
        data: {
          version: versionOf(adapter),
          line: adapter.line,
          target: before.target,
          ...(isDone ? { place: noted.place } : { why: noted.why, next: noted.next }),
        },
      },
      at.toISOString(),
    )
  }
  const row = await tx.first('select * from publications where id = $1', before.id)
  return toPublication(row ?? {})
}

/** So much may go to the Hub in a month, and so much of it is left when a person is told: figures to be careful by, of no provider's. */
const monthlyBytes = 5_000_000_000
const lowBytes = 500_000_000

/** What has come to the Hub is counted in the month in which that was learnt. */
async function countUploaded(tx: Queries, bytes: number, at: Date): Promise<void> {
  if (bytes <= 0) return
  const month = at.toISOString().slice(0, 7)
  const row = await tx.first('select bytes from hub_uploads where month = $1', month)
  const before = row ? Number(text(row, 'bytes')) : 0
  await tx.run(
    'insert into hub_uploads (month, bytes) values ($1, $2) on conflict (month) do update set bytes = $2',
    month,
    String(before + bytes),
  )
  const told = monthlyBytes - lowBytes
  if (before >= told || before + bytes < told) return
  const data = { megabytes: Math.round((before + bytes) / 1e6), most: monthlyBytes / 1e6 }
  await insertEvent(tx, { kind: 'hub.uploads_low', data }, at.toISOString())
}
