import {
  type StandingPorts,
  standingDesk,
  type WantedStandingRun,
} from '../../src/control/standing-desk.ts'
import type { RunState } from '../../src/rotation/run.ts'
import { insertDataset } from '../../src/store/dataset-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { removalRows } from '../../src/store/removal-rows.ts'
import { runBook } from '../../src/store/run-book.ts'
import { standingRows } from '../../src/store/standing-rows.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase, seed, start } from '../store/fixture.ts'
import type { Dying } from './dying.ts'

export const DAY = 86_400
export const hashOf = (letter: string): string => letter.repeat(64)

/** A weekly standing run over the data set `one`, whose version `ds_one` has 100 training examples. */
export const weekly: WantedStandingRun = {
  id: 'std_weekly',
  name: 'weekly',
  everySeconds: 7 * DAY,
  whenNew: null,
  request: { dataset: 'one', engine: 'dry', seed: 7, plan: {}, options: {}, steps: 5 },
}

/** Standing runs over a real database and a clock that stands still. */
export async function standingWorld() {
  const fresh = await freshDatabase()
  const { db } = fresh
  const clock = settableClock(start)
  const now = () => clock.now()
  await seed(db, [], [])
  const troubles: unknown[] = []
  /** What a process builds when it starts, over the same database. */
  const started = (process?: Dying, changes: Partial<StandingPorts> = {}) => {
    const over = process ? process.over(db) : db
    const look = reads(over)
    return standingDesk({
      rows: standingRows(over, now),
      start: {
        dataset: look.dataset,
        runNamed: look.run,
        artifact: look.artifact,
        insertRun: runBook(over, now).insertRun,
        now,
      },
      trouble: (error) => troubles.push(error),
      ...changes,
    })
  }
  const look = reads(db)
  return {
    db,
    clock,
    look,
    troubles,
    started,
    desk: started(),
    rows: standingRows(db, now),
    book: runBook(db, now),
    removals: removalRows(db, now, false),
    /** Another version of that name, with so many training examples. */
    async importRows(name: string, rows: number, version = `ds_${name}_${rows}`) {
      clock.advance(1)
      const part = { rows, bytes: rows, sha256: hashOf('d') }
      const made = { version, train: part, validation: { ...part, rows: 0 } }
      await insertDataset(db, name, made, 0, now().toISOString())
      return version
    },
    /** A run ends so, with what it has left where it has left something. */
    async ends(name: string, state: RunState, label?: string) {
      const failure = state === 'failed' ? 'it ran out of memory' : null
      const at = now().toISOString()
      const sql = 'update runs set state = $1, failure = $2, ended_at = $3 where name = $4'
      await db.run(sql, state, failure, at, name)
      if (label === undefined) return
      await db.run(
        `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
         select id, $1, 5, 1, $2, '1', '{}', $3 from runs where name = $4`,
        label,
        hashOf(name.at(-1) ?? 'a'),
        at,
        name,
      )
    },
    names: async () => (await db.all('select name from runs order by name')).map((r) => r.name),
    kinds: async () => (await look.events(0, 200)).map(({ kind }) => kind),
    told: async (kind: string) =>
      (await look.events(0, 200)).filter((e) => e.kind === kind).map(({ data }) => data),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}
