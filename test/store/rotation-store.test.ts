import { describe, expect, it } from 'vitest'
import { readLastGenerations } from '../../src/store/load-state.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { settableClock } from '../settable-clock.ts'
import { endSession, markLaunching, markStarted, planSession } from './by-hand.ts'
import { accountOf, endOf, freshDatabase, HOUR, plannedOf, runOf, seed, start } from './fixture.ts'

const ana = accountOf('ana')
const one = runOf('one')

async function opened() {
  const fresh = await freshDatabase()
  const clock = settableClock(start)
  await seed(fresh.db, [ana, accountOf('bia')], [one, runOf('two')])
  return {
    db: fresh.db,
    clock,
    store: rotationStore(fresh.db, () => clock.now()),
    look: reads(fresh.db),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

describe('one live session for each run', () => {
  it('is kept by the store: a second plan changes nothing', async () => {
    await using world = await opened()
    expect(await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))).toBe(true)
    const again = plannedOf({ ...one, generation: 1 }, ana, world.clock.now(), HOUR)
    expect(await planSession(world.store, again)).toBe(false)
    expect(await world.store.openSessions()).toHaveLength(1)
    expect((await world.store.ledgerRows('ana', new Date(0))).map(({ kind }) => kind)).toEqual([
      'reserve',
    ])
  })

  it('is kept by the database itself, whoever writes', async () => {
    await using world = await opened()
    await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))
    const copy = (generation: number) =>
      world.db.run(
        `insert into sessions (id, run_id, generation, name, account, provider, state, ticket_hash,
           planned_seconds, heartbeat_seconds, from_step, to_step, created_at)
         select 'ses_x', run_id, $1, 'another', account, provider, state, 'x', planned_seconds,
           heartbeat_seconds, from_step, to_step, created_at from sessions`,
        generation,
      )
    await expect(copy(2)).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_UNIQUE' })
    await endSession(world.store, 'ses_one_1', endOf('lost'))
    await expect(copy(1)).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_UNIQUE' })
    expect(await copy(2)).toBe(1)
  })

  it('is planned once when many plan at the same time', async () => {
    await using world = await opened()
    const plans = [1, 2, 3, 4, 5].map((n) =>
      plannedOf(one, ana, world.clock.now(), HOUR, { id: `ses_${n}` }),
    )
    const answers = await Promise.all(plans.map((plan) => planSession(world.store, plan)))
    expect(answers.filter(Boolean)).toHaveLength(1)
  })
})

describe('generations', () => {
  it.each([0, 1, 3, 4])(
    'grow by one, never else: after the first, %i is refused',
    async (generation) => {
      await using world = await opened()
      await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))
      await endSession(world.store, 'ses_one_1', endOf('lost'))
      const plan = plannedOf(one, ana, world.clock.now(), HOUR, { generation, id: 'ses_x' })
      expect(await planSession(world.store, plan)).toBe(false)
      const next = plannedOf(one, ana, world.clock.now(), HOUR, { generation: 2 })
      expect(await planSession(world.store, next)).toBe(true)
      expect((await world.look.run('one'))?.generation).toBe(2)
      expect(await readLastGenerations(world.db, 'run_one')).toEqual(new Map([['ana', 2]]))
    },
  )
})

describe('a plan', () => {
  it.each([
    ['that was asked to stop', 'update runs set stop_asked = 1'],
    ['that is completed', "update runs set state = 'completed'"],
    ['that failed', "update runs set state = 'failed'"],
  ])('is refused for a run %s', async (_why, sql) => {
    await using world = await opened()
    await world.db.run(sql)
    expect(await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))).toBe(false)
  })

  it('for more than any of its weeks has left stores nothing at all', async () => {
    await using world = await opened()
    const before = await world.look.events(0, 100)
    const plan = plannedOf(one, ana, world.clock.now(), 30 * HOUR + 60)
    expect(await planSession(world.store, plan)).toBe(false)
    expect(await world.look.events(0, 100)).toEqual(before)
    expect(await world.look.run('one')).toMatchObject({ generation: 0, state: 'queued' })
  })
})

describe('an end', () => {
  it('counts once: the first word stands', async () => {
    await using world = await opened()
    await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))
    await markLaunching(world.store, 'ses_one_1', 'hash')
    world.clock.advance(100)
    expect(await endSession(world.store, 'ses_one_1', endOf('preempted'))).toBe(true)
    world.clock.advance(100)
    expect(await endSession(world.store, 'ses_one_1', endOf('finished'))).toBe(false)
    expect(await world.look.sessionsOf('run_one')).toMatchObject([
      { outcome: 'preempted', usedSeconds: 100, endedAt: new Date('2026-03-10T12:01:40Z') },
    ])
    const ended = (await world.look.events(0, 100)).filter(({ kind }) => kind === 'session.ended')
    expect(ended).toHaveLength(1)
  })

  it('charges each week across the reset for its part', async () => {
    await using world = await opened()
    world.clock.set('2026-03-13T23:30:00.000Z')
    await planSession(world.store, plannedOf(one, ana, world.clock.now(), 2 * HOUR))
    await markLaunching(world.store, 'ses_one_1', 'hash')
    world.clock.advance(HOUR)
    await endSession(world.store, 'ses_one_1', endOf('limit'))
    const rows = await world.store.ledgerRows('ana', new Date(0))
    const settled = rows.filter(({ kind }) => kind === 'settle')
    expect(settled.map((row) => [row.weekStart.toISOString(), row.gpuSeconds])).toEqual([
      ['2026-03-07T00:00:00.000Z', HOUR / 2],
      ['2026-03-14T00:00:00.000Z', HOUR / 2],
    ])
    expect(rows.reduce((sum, row) => sum + row.gpuSeconds, 0)).toBe(HOUR)
  })

  it('charges a session that was cancelled before it called in nothing, one that ran its time', async () => {
    await using world = await opened()
    await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))
    await markLaunching(world.store, 'ses_one_1', 'hash')
    world.clock.advance(500)
    await endSession(world.store, 'ses_one_1', endOf('cancelled'))
    const rows = await world.store.ledgerRows('ana', new Date(0))
    expect(rows.reduce((sum, row) => sum + row.gpuSeconds, 0)).toBe(0)
  })

  it('never charges more than was booked, however late it is noticed', async () => {
    await using world = await opened()
    await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))
    await markLaunching(world.store, 'ses_one_1', 'hash')
    world.clock.advance(20 * HOUR)
    await endSession(world.store, 'ses_one_1', endOf('lost'))
    expect((await world.look.sessionsOf('run_one'))[0]?.usedSeconds).toBe(HOUR)
  })
})

describe('marks', () => {
  it('of a launch that arrive after the session has called in or ended change nothing', async () => {
    await using world = await opened()
    await planSession(world.store, plannedOf(one, ana, world.clock.now(), HOUR))
    await markLaunching(world.store, 'ses_one_1', 'hash')
    await endSession(world.store, 'ses_one_1', endOf('lost'))
    const before = await world.look.sessionsOf('run_one')
    await markLaunching(world.store, 'ses_one_1', 'late')
    await markStarted(world.store, 'ses_one_1', 'late')
    expect(await world.look.sessionsOf('run_one')).toEqual(before)
    await markLaunching(world.store, 'ses_none', 'late')
    await markStarted(world.store, 'ses_none', 'late')
  })
})

it('numbers events without a gap, in the order of what happened', async () => {
  await using world = await opened()
  const plans = [one, runOf('two')].map((run) => plannedOf(run, ana, world.clock.now(), HOUR))
  await Promise.all(plans.map((plan) => planSession(world.store, plan)))
  await Promise.all(plans.map(({ id }) => endSession(world.store, id, endOf('lost'))))
  const ids = (await world.look.events(0, 100)).map(({ id }) => id)
  expect(ids).toEqual(ids.map((_, index) => index + 1))
  expect((await world.look.events(2, 1)).map(({ id }) => id)).toEqual([3])
})
