import { describe, expect, it } from 'vitest'
import { planDesk } from '../../src/control/plan-desk.ts'
import type { Policy } from '../../src/control/run-or-policy.ts'
import { defaultOptions } from '../../src/rotation/run.ts'
import { readEvents } from '../../src/store/event-rows.ts'
import { everything } from '../../src/store/load-state.ts'
import { policyBook } from '../../src/store/policy-book.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { accountOf, HOUR, runOf } from '../store/fixture.ts'
import { policyOf } from '../store/policy-fixture.ts'
import { tickWorld, type WorldOptions } from './tick-world.ts'

/** Tuesday, 12 o'clock UTC; the office is open until 18. */
const office = { weekdays: [2, 3], fromHour: 9, toHour: 18, zone: 'UTC' }

async function servingWorld(policies: readonly Policy[], options: WorldOptions = {}) {
  const serves = accountOf('ana', { serves: true, maxConcurrent: 1 })
  const world = await tickWorld({ accounts: [serves], runs: [], ...options })
  for (const policy of policies) await insertRun(world.db, policy)
  const desk = planDesk({
    state: () => world.db.transaction((tx) => everything(tx, world.clock.now())),
    providers: new Map([[world.provider.name, world.provider]]),
    emulated: false,
    personSeconds: 100,
    prior: async () => ({ stepsPerHour: 5, startSeconds: 300, saveSeconds: 20 }),
    mountedBase: options.mountedBase ?? (() => null),
    now: () => world.clock.now(),
    lastTrouble: () => null,
  })
  const events = async () =>
    (await readEvents(world.db, 0, 100)).map(({ kind, data }) => [kind, data] as const)
  return { ...world, desk, events }
}

const houseOf = (changes: Partial<Policy> = {}) =>
  policyOf('house', { serving: { windows: [office], overlapSeconds: 900 }, ...changes })

describe('a policy in its window', () => {
  it('gets a session that serves, no longer than it asks for', async () => {
    const options = { ...defaultOptions, sessionSeconds: 2 * HOUR }
    await using world = await servingWorld([houseOf({ options })])
    await world.tick()
    expect(world.troubles).toEqual([])
    expect(await world.sessions('house')).toMatchObject([
      { account: 'ana', serves: true, plannedSeconds: 2 * HOUR, state: 'starting' },
    ])
    const told = new Map(await world.events())
    expect(told.get('session.planned')).toMatchObject({ run: 'house', serves: true })
  })

  it('gets a session of minutes where it was told to, by hand, for trying', async () => {
    const options = { ...defaultOptions, sessionSeconds: 100, minSessionSeconds: 20 }
    await using world = await servingWorld([houseOf({ options })])
    await world.tick()
    expect(await world.sessions('house')).toMatchObject([{ serves: true, plannedSeconds: 100 }])
  })

  it('waits for a rule to be accepted where no account may serve, and tells it once', async () => {
    await using world = await servingWorld([houseOf()], { accounts: [accountOf('ana')] })
    await world.tick()
    await world.tick()
    const why =
      'no account may serve: accept a provider’s rule of serving with rodizio accounts accept'
    expect((await world.run('house')).waiting).toBe(why)
    expect(await world.events()).toEqual([['policy.waiting', { policy: 'house', why }]])
    const { waits } = await world.desk.view(false)
    expect(waits).toEqual([{ work: 'house', serves: true, why, until: null }])
  })

  it('does not blame the rule where accounts may serve, and cannot be used', async () => {
    const emulated = accountOf('ana', { serves: true, emulated: true })
    await using world = await servingWorld([], { accounts: [emulated] })
    const reasons = async (changes: Partial<Policy> = {}) =>
      (await world.desk.servingOutlook(houseOf(changes)))?.gaps[0]?.why
    expect(await reasons()).toEqual([
      'the accounts that may serve cannot be used now: rodizio doctor says why',
    ])
    const waiting = 'no way there; next look 2026-03-11T08:52:00.000Z'
    expect(await reasons({ waiting })).toEqual(['no way there'])
  })

  it('goes nowhere but where its base is', async () => {
    const mountedBase = () => ({ provider: 'colab' as const, models: [] })
    await using world = await servingWorld([houseOf()], { mountedBase })
    await world.tick()
    expect(await world.sessions('house')).toEqual([])
    const outlook = await world.desk.servingOutlook(houseOf())
    expect(outlook?.servedSeconds).toBe(0)
    expect(outlook?.gaps[0]?.why).toEqual([
      'no account may serve at colab, which alone has its base: accept that rule with rodizio accounts accept',
    ])
  })

  it('is stopped with its last session', async () => {
    await using world = await servingWorld([houseOf()])
    await world.tick()
    await world.enrol('house')
    const { askStop } = policyBook(world.db, () => world.clock.now())
    expect((await askStop('house')).live).toHaveLength(1)
    await world.tick()
    expect((await world.run('house')).state).toBe('stopping')
    const [session] = await world.sessions('house')
    if (!session) throw new Error('no session')
    const held = { id: session.id, generation: session.generation }
    await world.gate.report(held, { outcome: 'stopped', step: 0, failure: null, logTail: '' })
    await world.tick()
    expect(await world.run('house')).toMatchObject({ state: 'stopped' })
    expect((await world.events()).map(([kind]) => kind)).toContain('policy.stopped')
    expect(await world.sessions('house')).toHaveLength(1)
  })
})

it('a policy outside its windows has no session, and waits for the next one', async () => {
  await using world = await servingWorld([houseOf()])
  world.clock.advance(7 * HOUR) // 19 o'clock
  await world.tick()
  expect(await world.sessions('house')).toEqual([])
  // The node is to be up at nine, and takes eight minutes.
  expect((await world.run('house')).waiting).toBe(
    'outside its windows; next look 2026-03-11T08:52:00.000Z',
  )
  world.clock.advance(13 * HOUR + 52 * 60)
  await world.tick()
  expect(await world.sessions('house')).toMatchObject([{ serves: true }])
})

describe('what the plan makes of a policy', () => {
  const slow = runOf('slow', { targetSteps: 5 * 400 })

  it('is told before it is stored: its hours, its gaps, and what training loses', async () => {
    await using world = await servingWorld([], { runs: [slow] })
    const before = await world.desk.view(false)
    const outlook = await world.desk.servingOutlook(houseOf())
    if (!outlook) throw new Error('no outlook')
    expect(await world.look.run('house')).toBeUndefined()
    // What is left of today, tomorrow's nine hours, and the three until noon in a week.
    expect(outlook.wantedSeconds).toBe((6 + 9 + 3) * HOUR)
    const open = outlook.gaps.reduce(
      (sum, { from, to }) => sum + (to.getTime() - from.getTime()),
      0,
    )
    expect(outlook.wantedSeconds - outlook.servedSeconds).toBe(open / 1000)
    expect(outlook.gaps[0]?.why).toEqual(['ana: its node is coming up'])
    const seconds = before.stays.reduce((sum, stay) => sum + stay.seconds, 0)
    expect(outlook.training.without.seconds).toBe(seconds)
    expect(outlook.training.with.seconds).toBeLessThan(seconds)
    expect(outlook.training.with.steps).toBeLessThan(outlook.training.without.steps)
    const [moved] = outlook.training.moved
    expect(moved?.run).toBe('slow')
    expect(moved?.without).toEqual(before.finishes.get('slow'))
    expect(moved?.with?.likely.getTime()).toBeGreaterThan(moved?.without?.likely.getTime() ?? 0)
  })

  it('is the same once it is stored, and nothing when it is over', async () => {
    await using world = await servingWorld([houseOf()], { runs: [slow] })
    await using other = await servingWorld([], { runs: [slow] })
    expect(await world.desk.servingOutlook(houseOf())).toEqual(
      await other.desk.servingOutlook(houseOf()),
    )
    expect(await world.desk.servingOutlook(houseOf({ state: 'stopped' }))).toBeNull()
    expect(await world.desk.servingOutlook(houseOf({ stopAsked: true }))).toBeNull()
  })

  it('costs training nothing where that goes before it', async () => {
    await using world = await servingWorld([], { runs: [{ ...slow, priority: 5 }] })
    const outlook = await world.desk.servingOutlook(houseOf())
    expect(outlook?.training.moved).toEqual([])
    expect(outlook?.training.with).toEqual(outlook?.training.without)
    expect(outlook?.gaps.flatMap(({ why }) => why)).toContain(
      'work of greater or the same priority goes before it',
    )
  })
})
