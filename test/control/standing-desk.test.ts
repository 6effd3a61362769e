import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openedRunId } from '../../src/control/standing-desk.ts'
import { startRun } from '../../src/control/start-run.ts'
import { storeCleaning } from '../../src/control/store-cleaning.ts'
import { folderInventory } from '../../src/store/folder-inventory.ts'
import { readOwners } from '../../src/store/owner-rows.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { runOf } from '../store/fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { DAY, hashOf, standingWorld, weekly } from './standing-world.ts'

describe('a standing run that is started', () => {
  it('opens its first run at once, and the next one a period later', async () => {
    await using world = await standingWorld()
    const { desk, clock } = world
    const begun = await desk.start(weekly)
    expect(begun.standing).toMatchObject({ name: 'weekly', state: 'open', count: 1, rowsThen: 100 })
    expect(begun.runs).toMatchObject([{ number: 1, because: 'first', rows: 100 }])
    expect(begun.openRun).toMatchObject({ name: 'weekly-1', targetSteps: 5, state: 'queued' })
    expect(await world.kinds()).toEqual(['run.started', 'standing.opened'])
    await desk.look()
    expect((await desk.show('weekly')).standing.waiting?.why).toBe('its run weekly-1 is open')
    await world.ends('weekly-1', 'completed', 'dry')
    clock.advance(7 * DAY - 1)
    await desk.look()
    expect(await world.names()).toEqual(['weekly-1'])
    clock.advance(1)
    await desk.look()
    await desk.look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
    expect((await desk.show('std_weekly')).standing).toMatchObject({
      count: 2,
      lastOpenedAt: clock.now(),
      lastRunId: openedRunId('std_weekly', 2),
      waiting: { why: 'its run weekly-2 is open' },
    })
    expect(await world.told('standing.opened')).toMatchObject([
      { standing: 'weekly', run: 'weekly-1', because: 'first' },
      { standing: 'weekly', run: 'weekly-2', because: 'period', newExamples: 0 },
    ])
    expect(await world.rows.openedBy(openedRunId('std_weekly', 2))).toEqual({
      name: 'weekly',
      number: 2,
    })
    expect(world.troubles).toEqual([])
  })

  it('makes up for months in which the service was off by one run', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    world.clock.advance(100 * DAY)
    await world.desk.look() // its run is open still
    expect(await world.names()).toEqual(['weekly-1'])
    await world.ends('weekly-1', 'completed')
    await world.started().look()
    await world.ends('weekly-2', 'completed')
    await world.started().look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
  })

  it('opens nothing twice when the clock goes back', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await world.ends('weekly-1', 'completed')
    world.clock.advance(7 * DAY)
    await world.desk.look()
    await world.ends('weekly-2', 'completed')
    world.clock.advance(-20 * DAY)
    await world.desk.look()
    world.clock.advance(26 * DAY)
    await world.desk.look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
  })

  it('takes the newest version of its data set, once enough examples are new', async () => {
    await using world = await standingWorld()
    const { desk } = world
    await desk.start({ ...weekly, everySeconds: null, whenNew: 50 })
    await world.ends('weekly-1', 'completed')
    await world.importRows('one', 149)
    await desk.look()
    expect(await world.names()).toEqual(['weekly-1'])
    expect(await desk.show('weekly')).toMatchObject({ newExamples: 49, missing: 1, nextAt: null })
    await world.importRows('one', 60) // fewer than before
    await desk.look()
    expect((await desk.show('weekly')).missing).toBe(50)
    const version = await world.importRows('one', 150)
    await desk.look()
    expect(await world.look.run('weekly-2')).toMatchObject({ datasetVersion: version })
    expect((await desk.show('weekly')).runs.at(-1)).toMatchObject({
      because: 'examples',
      rows: 150,
    })
    // Counted from what that run has.
    await world.ends('weekly-2', 'completed')
    await world.importRows('one', 199)
    await desk.look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
  })

  it('counts what the next run really trains on, though a version was imported while one was open', async () => {
    await using world = await standingWorld()
    await world.desk.start({ ...weekly, whenNew: 50 })
    await world.importRows('one', 400)
    await world.desk.look()
    expect(await world.names()).toEqual(['weekly-1'])
    await world.ends('weekly-1', 'completed')
    await world.desk.look()
    await world.ends('weekly-2', 'completed')
    await world.desk.look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
    expect((await world.desk.show('weekly')).standing.rowsThen).toBe(400)
  })

  it('tells that it waits only when it does so for another reason', async () => {
    await using world = await standingWorld()
    const { desk } = world
    await desk.start({ ...weekly, whenNew: 50 })
    await world.ends('weekly-1', 'completed')
    for (const rows of [110, 120, 130]) {
      await world.importRows('one', rows)
      await desk.look()
      await desk.look()
    }
    expect(await world.told('standing.waiting')).toEqual([
      {
        standing: 'weekly',
        why: 'the next run is opened at 2026-03-17T12:00:00.000Z, or once there are 40 more training examples in one',
      },
    ])
    expect((await desk.show('weekly')).standing.waiting?.why).toContain('20 more training examples')
  })

  it('steps over names that people have given to runs of their own, and to standing ones', async () => {
    await using world = await standingWorld()
    await insertRun(world.db, runOf('mine', { name: 'weekly-1', state: 'completed' }))
    await world.desk.start({ ...weekly, id: 'std_other', name: 'weekly-2' })
    await world.desk.start(weekly)
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2-1', 'weekly-3'])
    expect((await world.desk.show('weekly')).standing.count).toBe(3)
  })
})

describe('a run that fails', () => {
  it('has its successor a period later, and the third in a row ends it all, with the reason', async () => {
    await using world = await standingWorld()
    const { desk, clock } = world
    await desk.start({ ...weekly, whenNew: 50 })
    await world.importRows('one', 900)
    for (const n of [1, 2]) {
      await world.ends(`weekly-${n}`, 'failed')
      await desk.look()
      expect(await world.names()).toHaveLength(n)
      expect((await desk.show('weekly')).missing).toBeNull()
      clock.advance(7 * DAY)
      await desk.look()
      expect(await world.names()).toHaveLength(n + 1)
    }
    expect((await desk.show('weekly')).standing.state).toBe('open')
    await world.ends('weekly-3', 'failed')
    await desk.look()
    clock.advance(70 * DAY)
    await desk.look()
    expect(await world.names()).toHaveLength(3)
    const why = '3 runs in a row have failed, the last one: it ran out of memory'
    expect((await desk.show('weekly')).standing).toMatchObject({
      state: 'stopped',
      stoppedWhy: why,
      waiting: null,
    })
    expect(await world.told('standing.stopped')).toEqual([
      { standing: 'weekly', why, asked: false },
    ])
  })
})

describe('what the next run begins with', () => {
  const trl = { ...weekly, request: { ...weekly.request, engine: 'trl' as const } }

  it('is the newest adapter that a completed run of it has left', async () => {
    await using world = await standingWorld()
    const { desk, clock } = world
    await desk.start(trl)
    expect((await world.look.run('weekly-1'))?.plan).not.toHaveProperty('fromAdapter')
    await world.ends('weekly-1', 'completed', 'candidate')
    clock.advance(7 * DAY)
    await desk.look()
    expect((await world.look.run('weekly-2'))?.plan.fromAdapter).toBe(hashOf('1'))
    await world.ends('weekly-2', 'failed', 'candidate') // one that was left behind does not count
    clock.advance(7 * DAY)
    await desk.look()
    expect((await world.look.run('weekly-3'))?.plan.fromAdapter).toBe(hashOf('1'))
    await world.ends('weekly-3', 'completed', 'candidate')
    clock.advance(7 * DAY)
    await desk.look()
    expect((await world.look.run('weekly-4'))?.plan.fromAdapter).toBe(hashOf('3'))
  })

  it('is what was asked for, while none of its own is there; rehearsals leave none', async () => {
    await using world = await standingWorld()
    const { desk, clock } = world
    const ports = { ...world.look, runNamed: world.look.run, dataset: world.look.dataset }
    const insertRun = world.book.insertRun
    const before = { ...trl.request, name: 'before' }
    await startRun({ ...ports, insertRun, now: () => clock.now() }, before, false)
    await world.ends('before', 'completed', 'candidate')
    await desk.start({ ...trl, request: { ...trl.request, fromAdapter: 'before' } })
    expect((await world.look.run('weekly-1'))?.plan.fromAdapter).toBe(hashOf('e'))
    await world.ends('weekly-1', 'stopped')
    clock.advance(7 * DAY)
    await desk.look()
    expect((await world.look.run('weekly-2'))?.plan.fromAdapter).toBe(hashOf('e'))
    const rehearsal = { ...weekly, id: 'std_dry', name: 'dry' }
    await desk.start(rehearsal)
    await world.ends('dry-1', 'completed', 'dry')
    clock.advance(7 * DAY)
    await desk.look()
    expect((await world.look.run('dry-2'))?.plan).not.toHaveProperty('fromAdapter')
  })

  it('can be chosen by another rule, in its one place', async () => {
    await using world = await standingWorld()
    await world.desk.start(trl)
    await world.ends('weekly-1', 'completed', 'candidate')
    world.clock.advance(7 * DAY)
    const desk = world.started(undefined, { adapter: () => undefined })
    await desk.look()
    expect((await world.look.run('weekly-2'))?.plan).not.toHaveProperty('fromAdapter')
  })
})

describe('what is wrong with a request', () => {
  it.each([
    ['no rhythm', { everySeconds: null }, 'invalid', 'standing_rhythm'],
    ['a smoke run', { smoke: true }, 'invalid', 'standing_smoke'],
    [
      'a version of data',
      { request: { ...weekly.request, dataset: 'ds_one' } },
      'invalid',
      'standing_wants_name',
    ],
    [
      'no such data',
      { request: { ...weekly.request, dataset: 'none of it' } },
      'not-found',
      'dataset_unknown',
    ],
    ['a name without room for a number', { name: 'w'.repeat(35) }, 'invalid', 'name_long'],
    [
      'a base that nobody knows',
      { request: { ...weekly.request, engine: 'trl', plan: { base: 'gpt-2' } } },
      'invalid',
      'unknown_base',
    ],
    ['the name of a run', { name: 'mine' }, 'conflict', 'run_exists'],
    ['the name of another one', { name: 'other' }, 'conflict', 'standing_exists'],
  ] as const)('is said, and nothing is stored: %s', async (_what, changes, kind, code) => {
    await using world = await standingWorld()
    await insertRun(world.db, runOf('mine'))
    await world.desk.start({ ...weekly, id: 'std_other', name: 'other' })
    const asked = { ...weekly, ...changes }
    await expect(world.desk.start(asked)).rejects.toMatchObject({ kind, code })
    await expect(world.desk.dryRun(asked)).rejects.toMatchObject({ kind, code })
    expect(await world.names()).toEqual(['mine', 'other-1'])
    expect((await world.desk.list(10, undefined)).items).toHaveLength(1)
  })

  it('a run is not begun under the name of a standing run', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await expect(world.book.insertRun(runOf('weekly'))).rejects.toMatchObject({
      code: 'standing_exists',
    })
  })

  it('a dry run tells the first run, and stores nothing', async () => {
    await using world = await standingWorld()
    const { view, run } = await world.desk.dryRun(weekly)
    expect(run).toMatchObject({ name: 'weekly-1', targetSteps: 5 })
    expect(view).toMatchObject({ standing: { name: 'weekly', count: 0 }, runs: [], nextAt: null })
    expect(await world.names()).toEqual([])
    expect((await world.desk.list(10, undefined)).items).toEqual([])
  })

  it('what goes wrong at an opening is told, once, and tried again', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await world.ends('weekly-1', 'completed')
    await world.importRows('one', 0, 'ds_empty')
    world.clock.advance(7 * DAY)
    for (const _ of [1, 2, 3]) await world.desk.look()
    const why = 'data set one has no training rows'
    expect(await world.told('standing.waiting')).toMatchObject([{ why }])
    expect((await world.desk.show('weekly')).standing.waiting).toEqual({ for: 'trouble', why })
    await world.importRows('one', 10)
    await world.desk.look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
    expect(world.troubles).toEqual([])
  })

  it('an error that nobody foresaw holds up no other standing run', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await world.desk.start({ ...weekly, id: 'std_b', name: 'b' })
    for (const name of ['weekly-1', 'b-1']) await world.ends(name, 'completed')
    world.clock.advance(7 * DAY)
    const desk = world.started(undefined, {
      adapter: ({ request }, runs) => {
        if (runs[0]?.run.name === 'weekly-1') throw new TypeError('a bug')
        return request.fromAdapter
      },
    })
    for (const _ of [1, 2, 3]) await desk.look()
    expect(await world.names()).toEqual(['b-1', 'b-2', 'weekly-1'])
    expect(world.troubles).toMatchObject([{ message: 'a bug' }])
  })
})

describe('a standing run that is stopped', () => {
  it('opens nothing any more, lets its open run go on, and goes without its runs', async () => {
    await using world = await standingWorld()
    const { desk, clock } = world
    await desk.start(weekly)
    await expect(desk.remove('weekly', false)).rejects.toMatchObject({
      code: 'standing_open',
      next: 'Stop it first: rodizio train stop weekly',
    })
    const stopped = await desk.stop('weekly')
    expect(stopped.openRun).toMatchObject({ name: 'weekly-1', stopAsked: false })
    await desk.stop('weekly')
    expect(await world.told('standing.stopped')).toMatchObject([{ asked: true }])
    await world.ends('weekly-1', 'completed')
    clock.advance(70 * DAY)
    await desk.look()
    expect(await world.names()).toEqual(['weekly-1'])
    expect(await desk.show('weekly')).toMatchObject({ nextAt: null, missing: null })
    await desk.remove('weekly', true)
    expect((await desk.show('weekly')).runs).toHaveLength(1)
    await desk.remove('weekly', false)
    await expect(desk.show('weekly')).rejects.toMatchObject({ code: 'standing_unknown' })
    expect(await world.look.run('weekly-1')).toBeDefined()
    expect(await world.rows.openedBy(openedRunId('std_weekly', 1))).toBeUndefined()
    // Its name is free, and the next one goes on counting behind the runs that stay.
    await desk.start({ ...weekly, id: 'std_again' })
    expect(await world.names()).toEqual(['weekly-1', 'weekly-2'])
  })

  it('meanwhile opens nothing that was decided on before', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await world.desk.stop('weekly')
    const opening = { number: 2, after: 1, because: 'period' as const }
    const run = runOf('late', { name: 'weekly-2' })
    expect(await world.rows.opened('std_weekly', opening, run)).toBe(false)
    expect(await world.names()).toEqual(['weekly-1'])
  })
})

describe('what an open standing run wants', () => {
  it('data: its newest version is in use, by name and by version, until it is stopped', async () => {
    await using world = await standingWorld()
    const { desk, removals } = world
    await desk.start(weekly)
    await world.ends('weekly-1', 'completed')
    const version = await world.importRows('one', 120)
    for (const asked of ['one', version]) {
      await expect(removals.askData(asked)).rejects.toMatchObject({
        kind: 'conflict',
        code: 'dataset_in_use',
        message: 'data set one is what standing run weekly opens its runs on',
        next: 'Stop it first: rodizio train stop weekly',
      })
    }
    // Neither is the name taken away while another one keeps the content.
    await world.importRows('two', 120, version)
    await expect(removals.askData('one')).rejects.toMatchObject({ code: 'dataset_in_use' })
    expect((await removals.askData('two')).contents.names).toEqual(['two'])
    // An older version goes where no run stands on it.
    const newer = await world.importRows('one', 130)
    expect((await removals.dataContents(version)).names).toEqual(['one'])
    await desk.stop('weekly')
    expect((await removals.dataContents(newer)).names).toEqual(['one'])
  })

  it('data: what of it lies in the artifact store is no left-over', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await world.ends('weekly-1', 'completed')
    const { removal } = await world.removals.askRun('weekly-1')
    await world.removals.finish(removal)
    const files = temporaryFolder()
    const file = (version: string) => join(files.path, 'data', version, 'train.jsonl')
    for (const version of ['ds_one', 'ds_gone']) {
      mkdirSync(dirname(file(version)), { recursive: true })
      writeFileSync(file(version), '{}')
      utimesSync(file(version), 1, 1)
    }
    const gone = await world.importRows('gone', 10, 'ds_gone')
    const [asked] = (await world.removals.askData(gone)).removals
    if (asked) await world.removals.finish(asked)
    const cleaning = storeCleaning({
      inventories: [folderInventory(files.path)],
      owners: () => readOwners(world.db),
      told: async () => undefined,
      now: () => world.clock.now(),
    })
    expect((await cleaning.clean()).gone.map(({ folder }) => folder)).toEqual(['data/ds_gone'])
    expect(existsSync(file('ds_one'))).toBe(true)
    files[Symbol.dispose]()
  })

  it('no standing run begins on data whose name is gone', async () => {
    await using world = await standingWorld()
    await world.importRows('two', 10)
    const standing = (
      await world.desk.dryRun({ ...weekly, request: { ...weekly.request, dataset: 'two' } })
    ).view
    await world.removals.askData('two')
    await expect(world.rows.insert(standing.standing)).rejects.toMatchObject({
      code: 'dataset_unknown',
    })
  })

  it('its newest adapter: that run stays until it is stopped, older ones may go', async () => {
    await using world = await standingWorld()
    const { desk, removals, clock } = world
    await desk.start({ ...weekly, request: { ...weekly.request, engine: 'trl' } })
    await world.ends('weekly-1', 'completed', 'candidate')
    await expect(removals.askRun('weekly-1')).rejects.toMatchObject({
      code: 'adapter_in_use',
      message: 'the adapter of weekly-1 is what the next run of standing run weekly begins with',
    })
    clock.advance(7 * DAY)
    await desk.look()
    await world.ends('weekly-2', 'failed')
    const { removal } = await removals.askRun('weekly-2')
    await removals.finish(removal)
    expect((await desk.show('weekly')).runs.map(({ run }) => run.name)).toEqual(['weekly-1'])
    // The number of a run that is gone does not come again, and its failure is forgotten.
    clock.advance(7 * DAY)
    await desk.look()
    expect(await world.names()).toEqual(['weekly-1', 'weekly-3'])
    await world.ends('weekly-3', 'stopped')
    await desk.stop('weekly')
    await expect(removals.askRun('weekly-1')).rejects.toThrow('is what run weekly-3 began with')
    const third = await removals.askRun('weekly-3')
    await removals.finish(third.removal)
    expect((await removals.askRun('weekly-1')).contents.name).toBe('weekly-1')
  })
})
