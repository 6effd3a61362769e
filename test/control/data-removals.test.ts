import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type RemovalPorts, removals } from '../../src/control/removals.ts'
import { importDataset } from '../../src/datasets/import.ts'
import { datasetFiles } from '../../src/store/dataset-files.ts'
import { insertDataset, readDataset } from '../../src/store/dataset-rows.ts'
import { removalRows } from '../../src/store/removal-rows.ts'
import { runBook } from '../../src/store/run-book.ts'
import { jsonl } from '../http/service.ts'
import { freshDatabase, runOf, start } from '../store/fixture.ts'
import { atEachCall, type Dying, dying } from './dying.ts'

/** Data sets over a real database and real files; what is removed from the store is written down. */
async function dataWorld() {
  const fresh = await freshDatabase()
  const { db } = fresh
  const now = () => new Date(start)
  const root = join(fresh.folder, 'datasets')
  const removed: string[] = []
  const started = (process?: Dying) => {
    const over = <T extends object>(target: T): T => (process ? process.over(target) : target)
    const files = over(datasetFiles(root))
    const store = over({ remove: async (prefix: string) => void removed.push(prefix) })
    const ports: RemovalPorts = {
      rows: removalRows(over(db), now, true),
      stores: [store],
      slots: undefined,
      removeSessionFolders: async () => undefined,
      removeDataFiles: (version) => files.remove(version),
      forgetData: (version) => removed.push(`forgotten ${version}`),
      clock: { sleep: () => new Promise(() => undefined) },
    }
    return removals(ports)
  }
  async function* body(rows: number) {
    yield Buffer.from(jsonl(rows))
  }
  const files = datasetFiles(root)
  /** Imports so many conversations, as the service does; gives their version. */
  async function add(name: string, rows: number): Promise<string> {
    const { version, rejected } = await importDataset(body(rows), await files.stage(), true)
    const stands = () => files.stands(version.version)
    await insertDataset(db, name, version, rejected, start, stands)
    return version.version
  }
  const stands = (version: string) => existsSync(join(root, version, 'train.jsonl'))
  const book = runBook(db, now)
  return {
    db,
    root,
    started,
    add,
    stands,
    removed,
    book,
    [Symbol.asyncDispose]: fresh[Symbol.asyncDispose],
  }
}

it('data goes with its files, from here and from the store, and may come again', async () => {
  await using world = await dataWorld()
  const version = await world.add('pira', 10)
  const { started, db } = world
  expect(await started().dataContents('pira')).toEqual({
    names: ['pira'],
    versions: [{ version, rows: 10, bytes: expect.any(Number), keptAs: [] }],
  })
  expect(await readDataset(db, 'pira')).toBeDefined()
  expect((await started().removeData('pira')).state).toBe('removed')
  expect(await readDataset(db, 'pira')).toBeUndefined()
  expect(world.stands(version)).toBe(false)
  expect(world.removed).toEqual([`forgotten ${version}`, `data/${version}`])
  await expect(started().removeData('pira')).rejects.toMatchObject({ code: 'dataset_unknown' })
  expect(await world.add('pira', 10)).toBe(version)
  expect(world.stands(version)).toBe(true)
})

it('a name goes alone while another one keeps the content; a version goes with all its names', async () => {
  await using world = await dataWorld()
  const version = await world.add('pira', 10)
  await world.add('peixe', 10)
  const other = await world.add('peixe', 20)
  await world.book.insertRun(runOf('one', { datasetVersion: version }))
  const contents = await world.started().dataContents('pira')
  expect(contents.versions).toMatchObject([{ version, keptAs: ['peixe'] }])
  expect((await world.started().removeData('pira')).state).toBe('removed') // the run keeps its data
  expect(world.stands(version)).toBe(true)
  // By now it is the last name of what a run trains on.
  await expect(world.started().removeData('peixe')).rejects.toMatchObject({
    code: 'dataset_in_use',
  })
  expect(world.stands(other)).toBe(true)
  expect((await world.started().removeData(other)).contents.names).toEqual(['peixe'])
  expect(world.stands(other)).toBe(false)
  expect((await readDataset(world.db, 'peixe'))?.version).toBe(version)
})

it('what a run was trained on is refused, and the run is named, open or over', async () => {
  await using world = await dataWorld()
  const version = await world.add('pira', 10)
  await world.book.insertRun(runOf('one', { datasetVersion: version }))
  await world.book.insertRun(runOf('two', { datasetVersion: version }))
  const { started, db } = world
  await expect(started().removeData('pira')).rejects.toMatchObject({
    kind: 'conflict',
    code: 'dataset_in_use',
    message: `data set pira (${version}) is what runs one and two train on`,
    next: 'Stop and remove the run first: rodizio train stop one, then rodizio train rm one',
  })
  await db.run("update runs set state = 'completed'")
  await db.run("delete from runs where name = 'two'")
  await expect(started().dataContents(version)).rejects.toMatchObject({
    message: `data set ${version} (${version}) is what run one trains on`,
    next: 'Remove the run first: rodizio train rm one',
  })
  expect(world.stands(version)).toBe(true)
  expect((await started().removeRun('one')).state).toBe('removed')
  expect((await started().removeData('pira')).state).toBe('removed')
})

it('no run and no import stands on content that is going', async () => {
  await using world = await dataWorld()
  const version = await world.add('pira', 10)
  await removalRows(world.db, () => new Date(start), true).askData('pira') // and dies
  await expect(
    world.book.insertRun(runOf('one', { datasetVersion: version })),
  ).rejects.toMatchObject({ code: 'dataset_removing' })
  await expect(world.add('pira', 10)).rejects.toMatchObject({ code: 'dataset_removing' })
  await world.started().sweep()
  expect(world.stands(version)).toBe(false)
  await expect(
    world.book.insertRun(runOf('one', { datasetVersion: version })),
  ).rejects.toMatchObject({ code: 'dataset_unknown' })
})

it('an import that found its content standing is refused when a removal has taken it meanwhile', async () => {
  await using world = await dataWorld()
  const version = await world.add('pira', 10)
  const half = { rows: 1, bytes: 1, sha256: '0'.repeat(64) }
  await world.started().removeData('pira')
  const made = { version, train: half, validation: half }
  const late = insertDataset(world.db, 'pira', made, 0, start, async () => world.stands(version))
  await expect(late).rejects.toMatchObject({ code: 'dataset_removing' })
  expect(await world.db.all("select 1 from dataset_versions where version <> 'none'")).toEqual([])
})

it('data goes whole, whenever the process that removes it dies', async () => {
  const calls = await atEachCall(async (at) => {
    await using world = await dataWorld()
    const version = await world.add('pira', 10)
    const process = dying(at, 'after')
    await world
      .started(process)
      .removeData('pira')
      .catch(() => undefined)
    await process.buried()
    await world.started().sweep()
    expect(await readDataset(world.db, version), `call ${at}`).toBeUndefined()
    expect(existsSync(join(world.root, version)), `call ${at}`).toBe(false)
    expect(await world.add('pira', 10)).toBe(version)
    return process.state.isDead
  })
  expect(calls).toBeGreaterThan(3)
}, 60_000)
