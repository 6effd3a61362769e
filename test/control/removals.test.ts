import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Slots } from '../../src/artifacts/slots.ts'
import { type RemovalPorts, removals } from '../../src/control/removals.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { Database } from '../../src/store/database.ts'
import { datasetFiles } from '../../src/store/dataset-files.ts'
import { goWithRun, removalRows } from '../../src/store/removal-rows.ts'
import { runBook } from '../../src/store/run-book.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { removeSessionFolders } from '../../src/store/session-folders.ts'
import { runOf } from '../store/fixture.ts'
import { deskWorld, reportOf } from './desk-world.ts'
import { atEachCall, type Dying, dying } from './dying.ts'
import { beat, fill, report, sealedWorld } from './sealed-world.ts'

type Stores = RemovalPorts['stores']

/** Everything that a process builds for removals when it starts, over the same database and the same stores. */
function startedOver(
  world: { readonly db: Database; readonly clock: { now(): Date } },
  where: {
    readonly stores: Stores
    readonly folder: string
    readonly slots?: Slots
    readonly hasDrive?: boolean
    readonly sleep?: () => Promise<void>
  },
  process?: Dying,
) {
  const over = <T extends object>(target: T): T => (process ? process.over(target) : target)
  const files = over(datasetFiles(join(where.folder, 'datasets')))
  const places = { local: join(where.folder, 'local'), colab: join(where.folder, 'colab') }
  const folders = over({
    remove: (names: readonly string[]) => removeSessionFolders(places, names),
  })
  const forgotten: string[] = []
  const sleep = where.sleep ?? (() => new Promise<void>(() => undefined))
  const made = removals({
    rows: removalRows(over(world.db), () => world.clock.now(), where.hasDrive ?? false),
    stores: where.stores.map(over),
    slots: where.slots,
    removeSessionFolders: (names) => folders.remove(names),
    removeDataFiles: (version) => files.remove(version),
    forgetData: (version) => forgotten.push(version),
    clock: { sleep },
  })
  return Object.assign(made, { forgotten })
}

/** A run that is over, with a checkpoint of each of two sessions, an artifact, and a folder of its second one on this machine. */
async function overWorld() {
  const world = await deskWorld()
  const folder = join(world.root, '..')
  const first = await world.enrolled()
  await world.desk.heartbeat(first.token, { step: 9, phase: 'train', history: [[9, 2.5, 0.1]] })
  await world.commit(first, 10)
  world.clock.advance(600)
  await world.lose(first.id)
  const second = await world.enrolled()
  await world.commit(second, 100)
  await world.commit(second, 100, 'artifact')
  world.clock.advance(600)
  await world.desk.report(second.token, reportOf('finished', 100))
  const beside = await world.enrolled('two')
  await world.commit(beside, 10)
  await world.db.run(
    `insert into standing_runs (id, name, dataset, request, every_seconds, state, created_at)
     values ('std_1', 'weekly', 'one', '{}', 60, 'stopped', $1)`,
    world.clock.now().toISOString(),
  )
  await world.db.run(
    `insert into standing_openings (run_id, standing_id, number, because, dataset_rows, opened_at)
     values ('run_one', 'std_1', 1, 'first', 100, $1)`,
    world.clock.now().toISOString(),
  )
  for (const { name } of await world.look.sessionsOf('run_one')) {
    mkdirSync(join(folder, 'local', name, 'working'), { recursive: true })
    writeFileSync(join(folder, 'local', name, 'notebook.ipynb'), '{}')
  }
  const where = { stores: [world.artifacts], folder }
  return {
    ...world,
    folder,
    beside,
    started: (process?: Dying) => startedOver(world, where, process),
  }
}

/** How many rows each table has that belong to a run or its sessions. */
async function rowsOf(db: Database, runId: string) {
  const found: Record<string, number> = {}
  const count = async (table: string, where: string) => {
    found[table] = Number(
      (await db.first(`select count(*) as n from ${table} where ${where}`, runId))?.n,
    )
  }
  await count('runs', 'id = $1')
  await count('sessions', 'run_id = $1')
  for (const [table, column] of goWithRun) {
    await count(
      table,
      column === 'run_id'
        ? 'run_id = $1'
        : 'session_id in (select id from sessions where run_id = $1)',
    )
  }
  return found
}

const hours = async (db: Database) =>
  db.all(
    `select account, week_start, kind, sum(gpu_seconds) as seconds, count(*) as n from ledger_entries
     group by account, week_start, kind order by account, week_start, kind`,
  )

describe('a run that is removed', () => {
  it('takes its rows and files along, and leaves the hours in the books', async () => {
    await using world = await overWorld()
    const { db, started, folder } = world
    const before = await hours(db)
    const upkeep = started()
    expect(await upkeep.runContents('one')).toEqual({
      id: 'run_one',
      name: 'one',
      sessions: 2,
      checkpoints: { count: 2, bytes: 48 },
      artifact: { label: 'dry', bytes: 24 },
      events: expect.any(Number),
      ledgerRows: 6,
    })
    expect((await rowsOf(db, 'run_one')).sessions).toBe(2) // asking changes nothing
    expect(Object.values(await rowsOf(db, 'run_one')).filter((n) => n === 0)).toEqual([0]) // nonces
    const { state, why } = await upkeep.removeRun('one')
    expect({ state, why }).toEqual({ state: 'removed', why: null })
    expect(new Set(Object.values(await rowsOf(db, 'run_one')))).toEqual(new Set([0]))
    expect(await hours(db)).toEqual(before)
    const notes = await db.all(
      'select distinct session_id, note from ledger_entries where note is not null order by note',
    )
    expect(notes).toEqual([
      { session_id: null, note: 'run one, session 1' },
      { session_id: null, note: 'run one, session 2' },
    ])
    expect(readdirSync(join(world.root, 'runs'))).toEqual(['run_two'])
    expect(readdirSync(join(folder, 'local'))).toEqual([])
    expect(await world.checkpoints.committed('run_two')).toHaveLength(1)
    await world.commit(world.beside, 20) // the other run goes on
    const told = await db.all("select run_id, data from events where kind = 'run.removed'")
    expect(told).toEqual([{ run_id: null, data: '{"run":"one","sessions":2}' }])
  })

  it('gives the ids of its events to no other', async () => {
    await using world = await overWorld()
    const newest = await world.look.newestEvent()
    await world.started().removeRun('one')
    expect(await world.look.newestEvent()).toBe(newest + 1)
  })

  it('goes whole, whenever the process that removes it dies', async () => {
    for (const when of ['before', 'after'] as const) {
      const calls = await atEachCall(async (at) => {
        await using world = await overWorld()
        const before = await hours(world.db)
        const process = dying(at, when)
        // What its face would answer counts no more: only what it had begun.
        await world
          .started(process)
          .removeRun('one')
          .catch(() => undefined)
        await process.buried()
        const begun = (await world.db.all('select 1 from removals')).length > 0
        await world.started().sweep()
        const rows = await rowsOf(world.db, 'run_one')
        if (begun) {
          expect(new Set(Object.values(rows)), `call ${at}`).toEqual(new Set([0]))
          expect(existsSync(join(world.root, 'runs/run_one')), `call ${at}`).toBe(false)
          expect(readdirSync(join(world.folder, 'local'))).toEqual([])
        } else {
          expect(rows.checkpoints, `call ${at}`).toBe(2)
          expect(
            await world.checkpoints.wholeFiles(
              (await world.checkpoints.all('run_one'))[0] as never,
            ),
          ).toBeDefined()
        }
        expect(await hours(world.db)).toEqual(before)
        expect(await world.checkpoints.committed('run_two')).toHaveLength(1)
        return process.state.isDead
      })
      expect(calls).toBeGreaterThan(6)
    }
  }, 120_000)

  it('leaves no table out that refers to runs or sessions', async () => {
    await using world = await overWorld()
    const tables = await world.db.all(
      `select distinct m.name from sqlite_master m, pragma_foreign_key_list(m.name) f
       where m.type = 'table' and f."table" in ('runs', 'sessions', 'uploads') order by m.name`,
    )
    const known = [
      ...goWithRun.map(([table]) => table),
      'sessions',
      'ledger_entries',
      'sealed_files',
    ]
    // Events name a run without a reference; the rest is what the database itself would refuse to lose.
    expect(tables.map(({ name }) => name)).toEqual(
      known.filter((table) => table !== 'events').toSorted(),
    )
  })

  it('is refused while it is open, or while another run stands on its adapter', async () => {
    await using world = await overWorld()
    const { db } = world
    const upkeep = world.started()
    const open = {
      kind: 'conflict',
      code: 'run_open',
      next: expect.stringContaining('train stop two'),
    }
    await expect(upkeep.removeRun('two')).rejects.toMatchObject(open)
    await expect(upkeep.removeRun('none')).rejects.toMatchObject({ code: 'run_unknown' })
    const sha256 = String(
      (await db.first('select manifest_sha256 from artifacts'))?.manifest_sha256,
    )
    const heir = { state: 'completed', plan: { fromAdapter: sha256 } } as const
    await insertRun(db, runOf('heir', heir))
    await expect(upkeep.runContents('one')).rejects.toMatchObject({
      code: 'adapter_in_use',
      message: 'the adapter of one is what run heir began with',
      next: expect.stringContaining('train rm heir'),
    })
    await expect(upkeep.removeRun('one')).rejects.toMatchObject({ code: 'adapter_in_use' })
    expect(await db.all('select 1 from removals')).toEqual([])
    expect((await upkeep.removeRun('heir')).state).toBe('removed')
    expect((await upkeep.removeRun('one')).state).toBe('removed')
  })

  it('lets no other run begin with its adapter, once it is going', async () => {
    await using world = await overWorld()
    const { db } = world
    const artifact = await db.first('select manifest_sha256 from artifacts')
    const stuck = {
      remove: async () => {
        throw new AppError('unavailable', 'the store is out of reach')
      },
    }
    const where = { stores: [stuck], folder: world.folder }
    const upkeep = startedOver(world, where)
    expect(await upkeep.removeRun('one')).toMatchObject({
      state: 'removing',
      why: 'the store is out of reach',
    })
    const plan = { fromAdapter: String(artifact?.manifest_sha256) }
    const book = runBook(db, () => world.clock.now())
    await expect(book.insertRun(runOf('heir', { plan }))).rejects.toMatchObject({
      code: 'adapter_removing',
    })
    await expect(upkeep.sweep()).rejects.toThrow('the store is out of reach')
    expect((await rowsOf(db, 'run_one')).checkpoints).toBe(2) // rows only after the files
    await world.started().sweep()
    expect((await rowsOf(db, 'run_one')).runs).toBe(0)
    await expect(book.insertRun(runOf('heir', { plan }))).rejects.toMatchObject({
      code: 'adapter_removing',
    })
    await world.started().sweep() // nothing is left to be done
  })

  it('answers who asks before a slow store is done, and goes on', async () => {
    await using world = await overWorld()
    const store = Promise.withResolvers<void>()
    const slow = {
      async remove(prefix: string) {
        await store.promise
        await world.artifacts.remove(prefix)
      },
    }
    const where = { stores: [slow], folder: world.folder, sleep: async () => undefined }
    const upkeep = startedOver(world, where)
    expect(await upkeep.removeRun('one')).toMatchObject({ state: 'removing', why: null })
    expect((await rowsOf(world.db, 'run_one')).runs).toBe(1)
    const swept = upkeep.sweep() // waits for the one under way, and has nothing left to do
    store.resolve()
    await swept
    expect((await rowsOf(world.db, 'run_one')).runs).toBe(0)
  })
})

describe('a run on Drive that is removed', () => {
  const overSealed = async () => {
    const world = await sealedWorld()
    await world.tick()
    const order = await world.order()
    await fill(order, 0, 8)
    await fill(order, 1, 16, { skip: 'state.json' })
    await world.say(beat(8, { filled: [0] }), { ...report('limit', 8), filled: [0] })
    await world.follow()
    await world.db.run("update runs set state = 'stopped'")
    const started = (process?: Dying) => {
      const { rows, store, slots } = world.started(process)
      const where = { stores: [store], slots, folder: '/nonexistent', hasDrive: true }
      return startedOver({ ...world, db: rows }, where)
    }
    return { world, started }
  }
  const files = (stored: readonly { bytes: number | null }[]) =>
    stored.filter(({ bytes }) => bytes !== null)

  it('takes along what sealed sessions were opened, whenever the process dies', async () => {
    const calls = await atEachCall(async (at) => {
      const { world: owned, started } = await overSealed()
      await using world = owned
      expect(files(world.stored()).length).toBeGreaterThan(3)
      const process = dying(at, 'before')
      await started(process)
        .removeRun('one')
        .catch(() => undefined)
      await process.buried()
      const begun = (await world.db.all('select 1 from removals')).length > 0
      await started().sweep()
      if (begun) {
        expect(files(world.stored()), `call ${at}`).toEqual([])
        expect(await world.db.all('select key from drive_files')).toEqual([
          { key: 'data/ds_one/train.jsonl' },
        ])
        expect(await world.db.all('select 1 from sealed_files')).toEqual([])
        expect((await rowsOf(world.db, 'run_one')).runs).toBe(0)
      } else {
        expect((await rowsOf(world.db, 'run_one')).checkpoints).toBe(1)
      }
      return process.state.isDead
    })
    expect(calls).toBeGreaterThan(15)
  }, 120_000)

  it('waits for the Google client that made its files, and says so', async () => {
    const { world: owned, started } = await overSealed()
    await using world = owned
    world.google.clientId = 'another'
    expect(await started().removeRun('one')).toMatchObject({
      state: 'removing',
      why: expect.stringContaining('cannot be closed from here'),
    })
    world.google.clientId = 'mine'
    await started().sweep()
    expect(files(world.stored())).toEqual([])
  })

  it('is refused while Drive is not the store', async () => {
    const { world: owned } = await overSealed()
    await using world = owned
    const upkeep = startedOver(world, { stores: [], folder: '/nonexistent' })
    await expect(upkeep.removeRun('one')).rejects.toMatchObject({ code: 'store_elsewhere' })
    expect(await world.db.all('select 1 from removals')).toEqual([])
  })
})
