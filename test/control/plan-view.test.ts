import { describe, expect, it } from 'vitest'
import { planDesk } from '../../src/control/plan-desk.ts'
import { isOpen, type Run } from '../../src/rotation/run.ts'
import type { SessionProvider } from '../../src/rotation/session-provider.ts'
import { everything } from '../../src/store/load-state.ts'
import { tickWorld, type WorldOptions } from '../rotation/tick-world.ts'
import { accountOf, HOUR, runOf } from '../store/fixture.ts'

const tables = ['runs', 'sessions', 'ledger_entries', 'events', 'accounts', 'quota_readings']

/** The plan's desk over the world of the tick's tests, asking what the tick there asks. */
async function planWorld(
  options: WorldOptions = {},
  lastTrouble: (run: Run) => string | null = () => null,
) {
  const world = await tickWorld(options)
  const providers = new Map<SessionProvider['name'], SessionProvider>([
    [world.provider.name, world.provider],
  ])
  const desk = planDesk({
    state: () => world.db.transaction((tx) => everything(tx, world.clock.now())),
    providers,
    emulated: false,
    personSeconds: 100,
    prior: async () => ({ stepsPerHour: 5, startSeconds: 300, saveSeconds: 20 }),
    mountedBase: () => null,
    now: () => world.clock.now(),
    lastTrouble,
  })
  const dump = async () => {
    const rows = []
    for (const name of tables) rows.push(await world.db.all(`select * from ${name}`))
    return JSON.stringify(rows)
  }
  return { ...world, desk, dump }
}

/** Three runs for two accounts: two begin, one waits. */
const three = {
  accounts: [accountOf('ana', { maxConcurrent: 1 }), accountOf('bia', { maxConcurrent: 1 })],
  runs: [
    runOf('one', { targetSteps: 40 }),
    runOf('two', { targetSteps: 200 }),
    runOf('three', { targetSteps: 200, priority: -1 }),
  ],
}

describe('the plan as it stands', () => {
  it('is a look alone: nothing is stored, booked or told', async () => {
    await using world = await planWorld(three)
    const before = await world.dump()
    await world.desk.view(true)
    await world.desk.finish(await world.run('one'))
    expect(await world.dump()).toBe(before)
    expect(world.kaggle.launches).toEqual([])
  })

  it('is what the next tick makes: it begins what begins now, for as long, and waits as told', async () => {
    await using world = await planWorld(three)
    const { stays, waits } = await world.desk.view(false)
    const now = stays.filter(({ start }) => start.getTime() === world.clock.now().getTime())
    expect(now).toHaveLength(2)
    await world.tick()
    for (const stay of now) {
      const [session, ...others] = await world.sessions(stay.work)
      expect(others).toEqual([])
      expect(session).toMatchObject({ account: stay.account, plannedSeconds: stay.seconds })
    }
    expect(waits.map(({ work }) => work)).toEqual(['three'])
    expect(waits[0]?.until?.getTime()).toBeGreaterThan(world.clock.now().getTime())
    expect(waits[0]?.why).toMatch(/^(ana|bia): busy with another session$/)
    expect((await world.run('three')).waiting).toMatch(/^(ana|bia): busy with another session;/)
  })

  it('shows what has begun as live, from its launch, with the steps that are expected of it', async () => {
    await using world = await planWorld(three)
    const planned = (await world.desk.view(false)).stays
    await world.tick()
    const { stays } = await world.desk.view(false)
    const live = stays.filter(({ state }) => state === 'live')
    expect(live.map(({ work, account }) => [work, account]).toSorted()).toEqual(
      planned
        .filter(({ start }) => start.getTime() === world.clock.now().getTime())
        .map(({ work, account }) => [work, account])
        .toSorted(),
    )
    for (const { start, end, seconds, steps } of live) {
      expect(start).toEqual(world.clock.now())
      expect(end.getTime() - start.getTime()).toBe(seconds * 1000)
      // Five steps an hour after five minutes of start.
      expect(steps).toBeGreaterThan(0)
      expect(steps).toBeLessThanOrEqual((seconds / HOUR) * 5)
    }
  })

  it('tells the hours of each account, week by week, before the plan takes any', async () => {
    await using world = await planWorld(three)
    await world.tick()
    const booked = (await world.sessions('one'))[0]
    const { accounts } = await world.desk.view(false)
    const account = accounts.find(({ name }) => name === booked?.account)
    expect(account?.weeks[0]?.leftSeconds).toBe(30 * HOUR - (booked?.plannedSeconds ?? 0))
    expect(account?.weeks[1]?.leftSeconds).toBe(30 * HOUR)
    expect(account?.weeks[1]?.start).toEqual(account?.weeks[0]?.end)
    expect(accounts.map(({ name, owner }) => [name, owner])).toEqual([
      ['ana', 'ana'],
      ['bia', 'bia'],
    ])
  })

  it('names of each planned session what bound it and who would have been next', async () => {
    await using world = await planWorld(three)
    const { stays } = await world.desk.view(true)
    expect(stays.length).toBeGreaterThan(3)
    for (const { bound } of stays) expect(bound).toMatch(/\w+ \w+/)
    expect(stays[0]?.runnerUp).toMatch(/^(ana|bia)$/)
    expect(stays[0]?.runnerUp).not.toBe(stays[0]?.account)
    const text = stays.map(({ bound }) => bound).join('\n')
    expect(text).toMatch(/the longest session that (ana|bia) takes/)
    expect(text).toMatch(/the GPU hours of (ana|bia) in its week from Saturday 7 March/)
    const plain = await world.desk.view(false)
    expect(plain.stays.map(({ bound }) => bound)).toEqual(stays.map(() => null))
    expect(plain.stays.map(({ start }) => start)).toEqual(stays.map(({ start }) => start))
  })

  it('plans nothing for a run in trouble, and says which', async () => {
    const trouble = (run: Run) => (run.name === 'one' ? 'nobody is signed in at Google' : null)
    await using world = await planWorld(three, trouble)
    const { stays, waits, finishes } = await world.desk.view(false)
    expect(stays.some(({ work }) => work === 'one')).toBe(false)
    expect(waits).toContainEqual({
      work: 'one',
      serves: false,
      why: 'nobody is signed in at Google',
      until: null,
    })
    expect(finishes.get('one')).toBeNull()
    expect(finishes.get('two')).not.toBeNull()
  })

  it('gives a run of greater priority what begins first', async () => {
    await using world = await planWorld(three)
    const first = async () => (await world.desk.view(false)).stays.slice(0, 2).map((s) => s.work)
    expect(await first()).not.toContain('three')
    await world.db.run("update runs set priority = 5 where name = 'three'")
    expect(await first()).toContain('three')
  })

  it('says where no account can run anything', async () => {
    await using world = await planWorld({ accounts: [], runs: [runOf('one')] })
    const { waits, stays } = await world.desk.view(true)
    expect(stays).toEqual([])
    expect(waits.map(({ why }) => why)).toEqual([
      'no account can run it: add one with rodizio accounts add',
    ])
  })
})

describe('when a run will be done', () => {
  const one = {
    accounts: [accountOf('ana', { weeklySeconds: 160 * HOUR, maxSessionSeconds: 12 * HOUR })],
    runs: [runOf('one', { targetSteps: 200 })],
  }

  it('is between the dates at half the speed and at half as much again, while no session has shown it', async () => {
    await using world = await planWorld(one)
    const finish = await world.desk.finish(await world.run())
    if (!finish) throw new Error('no date')
    const hours = (at: Date) => (at.getTime() - world.clock.now().getTime()) / 3_600_000
    // 200 steps at 5 an hour, and the starts and saves of the sessions that they take.
    expect(hours(finish.likely)).toBeGreaterThan(40)
    expect(hours(finish.likely)).toBeLessThan(41)
    expect(hours(finish.earliest)).toBeGreaterThan(200 / 7.5)
    expect(hours(finish.earliest)).toBeLessThan(200 / 7.5 + 1)
    expect(hours(finish.latest)).toBeGreaterThan(80)
    expect(hours(finish.latest)).toBeLessThan(83)
  })

  it('is surer after five sessions that have shown the speed', async () => {
    await using world = await planWorld(one)
    for (let n = 1; n <= 5; n++) await pastSession(world, n)
    const finish = await world.desk.finish(await world.run())
    if (!finish) throw new Error('no date')
    const hours = (at: Date) => (at.getTime() - world.clock.now().getTime()) / 3_600_000
    // Ten steps an hour is what they did.
    expect(hours(finish.likely)).toBeGreaterThan(20)
    expect(hours(finish.likely)).toBeLessThan(21)
    expect(hours(finish.earliest)).toBeGreaterThan(20 / 1.15)
    expect(hours(finish.earliest)).toBeLessThan(20 / 1.15 + 1)
    expect(hours(finish.latest)).toBeGreaterThan(20 / 0.85)
    expect(hours(finish.latest)).toBeLessThan(20 / 0.85 + 1)
  })

  it('is told of open runs alone, and the same as in the plan', async () => {
    await using world = await planWorld({
      ...one,
      runs: [...one.runs, runOf('over', { state: 'completed', endedAt: new Date(0) })],
    })
    const over = await world.run('over')
    expect(isOpen(over)).toBe(false)
    expect(await world.desk.finish(over)).toBeNull()
    const { finishes } = await world.desk.view(false)
    expect([...finishes.keys()]).toEqual(['one'])
    expect(finishes.get('one')).toEqual(await world.desk.finish(await world.run()))
  })
})

/** A session of two hours on `ana` that trained twenty steps, some days ago. */
async function pastSession(world: Awaited<ReturnType<typeof planWorld>>, generation: number) {
  const at = (hour: number) => new Date(Date.UTC(2026, 2, generation, hour)).toISOString()
  await world.db.run(
    `insert into sessions (id, run_id, generation, name, account, provider, state, outcome, planned_seconds, heartbeat_seconds,
       from_step, to_step, created_at, launched_at, enrolled_at, training_at, heard_at, ended_at, ticket_hash)
     values ($1, 'run_one', $2, $1, 'ana', 'kaggle', 'ended', 'lost', 7200, 60, 0, 20, $3, $3, $3, $3, $4, $4, $1)`,
    `ses_past_${generation}`,
    generation,
    at(8),
    at(10),
  )
}
