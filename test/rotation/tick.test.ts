import { describe, expect, it } from 'vitest'
import type { QuotaReading } from '../../src/rotation/ledger.ts'
import { endOf } from '../../src/rotation/session-end.ts'
import type { LaunchOrder, SessionProvider } from '../../src/rotation/session-provider.ts'
import { tick } from '../../src/rotation/tick.ts'
import { endSession } from '../store/by-hand.ts'
import { accountOf, HOUR, runOf } from '../store/fixture.ts'
import { type TickWorld, tickWorld } from './tick-world.ts'

const sum = async (world: TickWorld, account: string) =>
  (await world.store.ledgerRows(account, new Date(0))).reduce((s, row) => s + row.gpuSeconds, 0)

const eventsOf = async (world: TickWorld) =>
  (await world.look.events(0, 500)).map(({ kind }) => kind)

describe('a run that has no session', () => {
  it('gets one: hours booked, the notebook sent with a ticket and its cap', async () => {
    await using world = await tickWorld()
    await world.tick()
    const [session] = await world.sessions()
    expect(session).toMatchObject({ state: 'starting', generation: 1, account: 'ana' })
    expect(world.kaggle.launches).toMatchObject([
      { name: session?.name, timeoutSeconds: 9 * HOUR, notebook: expect.stringMatching(/^rzt_/) },
    ])
    expect(await sum(world, 'ana')).toBe(9 * HOUR)
    expect(world.troubles).toEqual([])
  })

  it('gets none while it has one, however often one looks', async () => {
    await using world = await tickWorld()
    await world.tick()
    await world.enrol()
    await world.tick()
    await world.tick()
    expect(await world.sessions()).toHaveLength(1)
    expect(world.kaggle.launches).toHaveLength(1)
  })

  it('waits and says for what when nobody can take it, once', async () => {
    await using world = await tickWorld({ accounts: [accountOf('ana', { weeklySeconds: 300 })] })
    await world.tick()
    await world.tick()
    expect((await world.run()).waiting).toMatch(/^ana: this week's GPU hours are spent or booked/)
    expect((await eventsOf(world)).filter((kind) => kind === 'run.waiting')).toHaveLength(1)
  })

  it('says so when there is no account', async () => {
    await using world = await tickWorld({ accounts: [] })
    await world.tick()
    expect((await world.run()).waiting).toContain('rodizio accounts add')
  })

  it('is never given to emulated accounts among real ones, nor the other way round', async () => {
    const emulated = accountOf('bia', { emulated: true })
    await using world = await tickWorld({ accounts: [emulated] })
    await world.tick()
    expect(world.kaggle.launches).toEqual([])
    await using beside = await tickWorld({ accounts: [accountOf('ana'), emulated], emulated: true })
    await beside.tick()
    expect((await beside.sessions()).map(({ account }) => account)).toEqual(['bia'])
  })

  it('shares no hours with another run that is planned in the same moment', async () => {
    await using world = await tickWorld({
      accounts: [accountOf('ana', { weeklySeconds: 10 * HOUR })],
      runs: [runOf('one'), runOf('two')],
    })
    await world.tick()
    expect(world.kaggle.launches).toHaveLength(2)
    expect(await sum(world, 'ana')).toBe(10 * HOUR)
    expect((await world.sessions('two'))[0]?.plannedSeconds).toBe(HOUR)
  })

  it("counts reservations that the provider's book does not show yet", async () => {
    await using world = await tickWorld({
      accounts: [accountOf('ana')],
      runs: [runOf('one'), runOf('two')],
    })
    const quota: QuotaReading = {
      account: 'ana',
      readAt: new Date(world.clock.now().getTime() - 1000),
      usedSeconds: 20 * HOUR,
      reservedSeconds: 0,
      allowedSeconds: 30 * HOUR,
      refreshesAt: null,
    }
    world.kaggle.quota = quota
    await world.tick()
    const planned = [...(await world.sessions('one')), ...(await world.sessions('two'))]
    expect(planned.map(({ plannedSeconds }) => plannedSeconds / HOUR)).toEqual([9, 1])
  })

  it('is stopped at once when that was asked', async () => {
    await using world = await tickWorld()
    await world.db.run("update runs set stop_asked = 1, state = 'stopping'")
    await world.tick()
    expect(await world.run()).toMatchObject({ state: 'stopped' })
    expect(world.kaggle.launches).toEqual([])
  })
})

describe('a launch', () => {
  it('whose answer was lost is found again and never repeated', async () => {
    await using world = await tickWorld({ script: [{ kind: 'start-unheard' }] })
    await world.tick()
    expect((await world.sessions())[0]).toMatchObject({ state: 'launching', handle: null })
    for (let i = 0; i < 5; i++) {
      world.clock.advance(5)
      await world.tick()
    }
    expect(world.kaggle.launches).toHaveLength(1)
    const [session] = await world.sessions()
    expect(session).toMatchObject({ state: 'starting', handle: session?.name })
    expect(await world.sessions()).toHaveLength(1)
  })

  it('whose request was lost is repeated once the session would have shown', async () => {
    await using world = await tickWorld({ script: [{ kind: 'unheard' }] })
    await world.tick()
    world.clock.advance(19)
    await world.tick()
    expect(world.kaggle.launches).toHaveLength(1)
    world.clock.advance(1)
    await world.tick()
    expect(world.kaggle.launches).toHaveLength(2)
    expect(new Set(world.kaggle.launches.map(({ name }) => name)).size).toBe(1)
    expect(world.kaggle.duplicates).toEqual([])
    // The ticket of the lost request is worth nothing: only the last notebook gets in.
    expect((await world.enrol()).generation).toBe(1)
    expect(await sum(world, 'ana')).toBe(9 * HOUR)
  })

  it('waits for a launch that nobody heard of from the end of its call, however slow that was', async () => {
    await using world = await tickWorld({ script: [{ kind: 'unheard' }] })
    const slow = {
      ...world.provider,
      launch: (order: LaunchOrder) => {
        world.clock.advance(60)
        return world.provider.launch(order)
      },
    }
    const ports = world.portsOver(world.store, slow)
    await tick(ports)
    await tick(ports)
    expect(world.kaggle.launches).toHaveLength(1)
    world.clock.advance(20)
    await tick(ports)
    expect(world.kaggle.launches).toHaveLength(2)
  })

  it('that never comes through gives its hours back, and the next account has its turn', async () => {
    const lost = Array.from({ length: 20 }, () => ({ kind: 'unheard' }) as const)
    await using world = await tickWorld({ script: lost })
    for (let i = 0; i < 8; i++) {
      await world.tick()
      world.clock.advance(20)
    }
    const [first, second] = await world.sessions()
    expect(first).toMatchObject({ outcome: 'cancelled', usedSeconds: 0, account: 'ana' })
    expect(second).toMatchObject({ account: 'bia', generation: 2 })
    expect(await sum(world, 'ana')).toBe(0)
  })

  it('that is refused holds the account and goes to the next one in the following look', async () => {
    const retryAt = new Date('2026-03-10T13:00:00.000Z')
    await using world = await tickWorld({ script: [{ kind: 'refuse', retryAt }] })
    await world.tick()
    await world.tick()
    const [first, second] = await world.sessions()
    expect(first).toMatchObject({ outcome: 'cancelled', account: 'ana', usedSeconds: 0 })
    expect(second).toMatchObject({ state: 'starting', account: 'bia' })
    const ana = (await world.store.accounts()).find(({ name }) => name === 'ana')
    expect(ana?.holdUntil).toEqual(retryAt)
    expect(await sum(world, 'ana')).toBe(0)
    expect((await world.run()).failures).toBe(0)
  })

  it.each([
    [true, 'awaiting_person'],
    [false, 'ended'],
  ])(
    'that waits for a person (emulated: %s) is %s once an account is free that needs none',
    async (emulated, state) => {
      const holdUntil = new Date('2026-03-10T12:40:00.000Z')
      const ana = accountOf('ana', { holdUntil: null, emulated })
      const cris = accountOf('cris', { automation: 'person', emulated })
      await using world = await tickWorld({ accounts: [ana, cris], emulated })
      await world.db.run(
        "update accounts set hold_until = $1 where name = 'ana'",
        holdUntil.toISOString(),
      )
      const ports = { ...world.portsOver(world.store, world.provider), personSeconds: 7200 }
      const look = () => tick({ ...ports, emulated })
      await look()
      expect((await world.sessions()).at(-1)).toMatchObject({
        account: 'cris',
        state: 'awaiting_person',
      })
      world.clock.advance(2460)
      await look()
      const [first, second] = await world.sessions()
      expect(first?.state).toBe(state)
      if (emulated) return
      expect(first).toMatchObject({ outcome: 'superseded', usedSeconds: 0 })
      expect(second).toMatchObject({ account: 'ana', state: 'starting', generation: 2 })
      expect(await sum(world, 'cris')).toBe(0)
      expect((await world.run()).failures).toBe(0)
    },
  )

  it('is not tried while the provider cannot be asked, and nothing is lost', async () => {
    await using world = await tickWorld({ accounts: [accountOf('ana')] })
    world.kaggle.unreachable = true
    await world.tick()
    expect(world.kaggle.launches).toEqual([])
    expect(await sum(world, 'ana')).toBe(0)
    world.kaggle.unreachable = false
    world.clock.advance(61)
    await world.tick()
    expect(world.kaggle.launches).toHaveLength(1)
    expect((await world.run()).state).toBe('training')
  })

  it('stays booked while nobody can say whether it started', async () => {
    await using world = await tickWorld({ script: [{ kind: 'start-unheard' }] })
    await world.tick()
    world.kaggle.unreachable = true
    world.clock.advance(HOUR)
    await world.tick()
    expect((await world.sessions())[0]?.state).toBe('launching')
    expect(await sum(world, 'ana')).toBe(9 * HOUR)
    world.kaggle.unreachable = false
    await world.tick()
    expect((await world.sessions())[0]?.state).toBe('starting')
    expect(world.kaggle.launches).toHaveLength(1)
  })

  it('that ended before it was seen again is told as failed, with the log', async () => {
    await using world = await tickWorld({ script: [{ kind: 'start-unheard' }] })
    await world.tick()
    world.kaggle.end((await world.sessions())[0]?.name ?? '')
    world.clock.advance(30)
    await world.tick()
    world.clock.advance(30)
    await world.tick()
    const [session] = await world.sessions()
    expect(session).toMatchObject({ outcome: 'failed', reason: 'killed', logTail: 'the last line' })
  })

  it('of a run that was stopped meanwhile is taken back', async () => {
    await using world = await tickWorld({ script: [{ kind: 'unheard' }] })
    await world.tick()
    await world.db.run("update runs set stop_asked = 1, state = 'stopping'")
    // It may still appear at the provider: until then its hours stay booked.
    await world.tick()
    expect((await world.run()).state).toBe('stopping')
    world.clock.advance(20)
    await world.tick()
    expect((await world.run()).state).toBe('stopped')
    expect(await sum(world, 'ana')).toBe(0)
  })
})

describe('a session that is running', () => {
  it('is not asked about while it is heard', async () => {
    await using world = await tickWorld()
    await world.tick()
    await world.enrol()
    const before = world.kaggle.asked.length
    world.clock.advance(180)
    await world.tick()
    expect(world.kaggle.asked.length).toBe(before)
  })

  it('stays when three heartbeats are missed and the provider says it runs', async () => {
    await using world = await tickWorld()
    await world.tick()
    const { name } = await world.enrol()
    for (let i = 0; i < 10; i++) {
      world.clock.advance(181)
      await world.tick()
    }
    expect(world.kaggle.asked).toContain(name)
    expect(await world.sessions()).toMatchObject([{ state: 'running' }])
  })

  it.each([
    ['nothing, because it cannot be asked', undefined, 'running', null],
    ['that it is gone', 'absent', 'ended', 'lost'],
    ['that it was killed', 'killed', 'ended', 'preempted'],
    ['that it ended well, with no report here', 'complete', 'ended', 'lost'],
  ] as const)('ends as the provider says: %s', async (_why, says, state, outcome) => {
    await using world = await tickWorld()
    await world.tick()
    const { name } = await world.enrol()
    world.clock.advance(181)
    if (says === undefined) world.kaggle.unreachable = true
    if (says === 'absent') world.kaggle.sessions.delete(name)
    if (says === 'killed') world.kaggle.end(name)
    if (says === 'complete') world.kaggle.end(name, false, null)
    await world.tick()
    const [first, second] = await world.sessions()
    expect(first).toMatchObject({ state, outcome })
    // What was used is booked by the started minute, and the run goes on with the next account and generation.
    if (outcome === null) return
    expect(first?.usedSeconds).toBe(181)
    expect(await sum(world, 'ana')).toBe(240)
    expect(second).toMatchObject({ account: 'bia', generation: 2, state: 'starting' })
  })

  it.each([
    ['it ended without a word', false],
    ['it reported its end', true],
  ] as const)(
    'shows its output to the next one of its account where %s',
    async (_why, reported) => {
      await using world = await tickWorld({ accounts: [accountOf('ana')] })
      await world.tick()
      const { name, id } = await world.enrol()
      world.clock.advance(181)
      if (reported) await endSession(world.store, id, endOf('limit', 'its time is over'))
      world.kaggle.end(name, false, null)
      await world.tick()
      expect(world.kaggle.launches.map(({ outputsOf }) => outputsOf)).toEqual([
        [],
        reported ? [] : [name],
      ])
    },
  )

  it('is lost when it is silent past its deadline, whatever the provider says', async () => {
    await using world = await tickWorld()
    await world.tick()
    const { name } = await world.enrol()
    world.clock.advance(9 * HOUR + 180)
    await world.tick()
    expect((await world.sessions())[0]?.state).toBe('running')
    world.clock.advance(31)
    await world.tick()
    const [first, second] = await world.sessions()
    expect(first).toMatchObject({ outcome: 'lost', usedSeconds: 9 * HOUR })
    expect(world.kaggle.killed).toEqual([name])
    expect(second).toMatchObject({ account: 'bia', generation: 2 })
    expect(await sum(world, 'ana')).toBe(9 * HOUR)
  })

  it('is not asked about too often', async () => {
    await using world = await tickWorld()
    await world.tick()
    await world.enrol()
    world.clock.advance(181)
    await world.tick()
    const asked = world.kaggle.asked.length
    world.clock.advance(14)
    await world.tick()
    expect(world.kaggle.asked.length).toBe(asked)
    world.clock.advance(1)
    await world.tick()
    expect(world.kaggle.asked.length).toBe(asked + 1)
  })

  it('that never called in and is gone counts as a failed notebook; two of them end the run', async () => {
    await using world = await tickWorld()
    for (let i = 0; i < 2; i++) {
      await world.tick()
      world.kaggle.sessions.clear()
      world.clock.advance(30)
      await world.tick()
    }
    expect(await world.run()).toMatchObject({ state: 'failed', failures: 2 })
  })

  it('goes on under a clock that was turned back', async () => {
    await using world = await tickWorld()
    await world.tick()
    await world.enrol()
    world.clock.advance(-1000)
    await world.tick()
    expect(await world.sessions()).toMatchObject([{ state: 'running' }])
    expect(world.troubles).toEqual([])
  })

  it('made for the emulators is never shown to a real provider', async () => {
    const emulated = accountOf('ana', { emulated: true })
    await using world = await tickWorld({ accounts: [emulated], emulated: true })
    await world.tick()
    await world.enrol()
    const real = { ...world.portsOver(world.store, world.provider), emulated: false }
    const before = world.kaggle.asked.length
    world.clock.advance(200)
    await tick(real)
    expect(world.kaggle.asked.length).toBe(before)
    expect(await world.sessions()).toMatchObject([{ state: 'running' }])
    // It still ends by its deadline, so that the run does not wait for ever.
    world.clock.advance(9 * HOUR)
    await tick(real)
    expect(await world.sessions()).toMatchObject([{ outcome: 'lost' }])
    expect(world.kaggle.asked.length).toBe(before)
    expect(world.kaggle.killed).toEqual([])
  })

  it('that the provider took but does not show yet is given the time to appear', async () => {
    await using world = await tickWorld()
    await world.tick()
    const name = (await world.sessions())[0]?.name ?? ''
    world.kaggle.sessions.delete(name)
    world.clock.advance(16)
    await world.tick()
    expect(await world.sessions()).toMatchObject([{ state: 'starting' }])
  })
})

it('keeps the other runs going when one makes trouble', async () => {
  await using world = await tickWorld({ runs: [runOf('one'), runOf('two')] })
  const broken: SessionProvider = {
    ...world.provider,
    launch: async (order) => {
      if (order.name.includes('one')) throw new Error('a defect')
      return world.provider.launch(order)
    },
  }
  await tick(world.portsOver(world.store, broken))
  expect(world.troubles).toHaveLength(1)
  expect((await world.sessions('two'))[0]?.state).toBe('starting')
})

describe('a process that dies in the middle of a look', () => {
  /** Lets so many calls through, then fails every further one: the process is dead from there on. */
  const dying = <T extends object>(target: T, left: { calls: number }): T =>
    new Proxy(target, {
      get(object, key) {
        const value: unknown = Reflect.get(object, key)
        if (typeof value !== 'function') return value
        if (key === 'sealed' || key === 'tells') return value // known here, and nothing is called for it
        return async (...given: unknown[]) => {
          if (left.calls <= 0) throw new Error('dead')
          left.calls -= 1
          return Reflect.apply(value, object, given)
        }
      },
    })

  it.each([
    ['starts', []],
    ['starts without an answer', [{ kind: 'start-unheard' } as const]],
    ['is lost on its way', [{ kind: 'unheard' } as const]],
  ])('leaves exactly one session, wherever it died: the launch %s', async (_why, script) => {
    let died = 0
    for (let calls = 0; ; calls++) {
      await using world = await tickWorld({ script: [...script] })
      const left = { calls }
      const ports = world.portsOver(dying(world.store, left), dying(world.provider, left))
      await tick(ports).catch(() => undefined)
      const whole = left.calls > 0
      if (!whole) died += 1
      for (let i = 0; i < 4; i++) {
        world.clock.advance(10)
        await world.tick()
      }
      expect(world.kaggle.live(), `after ${calls} calls`).toHaveLength(1)
      expect(world.kaggle.duplicates).toEqual([])
      const sessions = await world.sessions()
      expect(sessions, `after ${calls} calls`).toHaveLength(1)
      expect((await world.run()).generation).toBe(1)
      const account = sessions[0]?.account ?? ''
      expect(await sum(world, account)).toBe(9 * HOUR)
      // And its notebook gets in, whichever launch it came from.
      await world.enrol()
      await endSession(world.store, sessions[0]?.id ?? '', {
        outcome: 'limit',
        reason: 'its time is over',
        failure: null,
        logTail: null,
        holdUntil: null,
      })
      expect(await sum(world, account)).toBe(
        Math.ceil(((await world.sessions())[0]?.usedSeconds ?? 0) / 60) * 60,
      )
      if (whole) break
    }
    expect(died).toBeGreaterThan(10)
  })
})

describe("the providers' own books", () => {
  const reading = (account: string, readAt: Date) => ({
    account,
    readAt,
    usedSeconds: HOUR,
    reservedSeconds: 0,
    allowedSeconds: 30 * HOUR,
    refreshesAt: null,
  })

  it('are read while nothing trains, every quarter of an hour', async () => {
    await using world = await tickWorld({ accounts: [accountOf('ana')], runs: [] })
    world.kaggle.quota = reading('ana', world.clock.now())
    await world.tick()
    expect((await world.look.quota('ana'))?.usedSeconds).toBe(HOUR)
    world.kaggle.quota = { ...reading('ana', world.clock.now()), usedSeconds: 2 * HOUR }
    world.clock.advance(899)
    await world.tick()
    expect((await world.look.quota('ana'))?.usedSeconds).toBe(HOUR)
    world.clock.advance(1)
    await world.tick()
    expect((await world.look.quota('ana'))?.usedSeconds).toBe(2 * HOUR)
  })
})

it('starts no session while the store could not keep what it trains, and says why', async () => {
  await using world = await tickWorld()
  world.setStoreTrouble('sign in first')
  await world.tick()
  expect(await world.sessions()).toEqual([])
  expect((await world.run()).waiting).toBe('sign in first')
  world.setStoreTrouble(null)
  await world.tick()
  expect((await world.sessions()).length).toBe(1)
  expect((await world.run()).waiting).toBeNull()
})

it('starts no session while none could have its base, holds nothing against the run, and says why', async () => {
  await using world = await tickWorld()
  world.setBaseTrouble('accept the licence first')
  await world.tick()
  await world.tick()
  expect(await world.sessions()).toEqual([])
  expect(await world.run()).toMatchObject({ waiting: 'accept the licence first', failures: 0 })
  world.setBaseTrouble(null)
  await world.tick()
  expect((await world.sessions()).length).toBe(1)
  expect((await world.run()).waiting).toBeNull()
})

describe('a run whose base one provider alone mounts', () => {
  const model = 'owner/model/pytorch/small/1'
  const mountedBase = () => ({ provider: 'kaggle', models: [model] }) as const

  it('gets sessions there alone, with the model asked for', async () => {
    const accounts = [accountOf('zoe'), accountOf('here', { provider: 'local' })]
    await using world = await tickWorld({ accounts, mountedBase })
    await world.tick()
    expect((await world.sessions()).map(({ account }) => account)).toEqual(['zoe'])
    expect(world.kaggle.launches.map(({ models }) => models)).toEqual([[model]])
  })

  it('waits while there is none, and says why the others are passed over', async () => {
    const accounts = [accountOf('here', { provider: 'local' })]
    await using none = await tickWorld({ accounts, mountedBase })
    await none.tick()
    expect(await none.sessions()).toEqual([])
    expect((await none.run()).waiting).toMatch(/kaggle mounts.*accounts add NAME --provider kaggle/)
    const spent = accountOf('zoe', { weeklySeconds: 60 })
    await using waiting = await tickWorld({ accounts: [spent, ...accounts], mountedBase })
    await waiting.tick()
    expect((await waiting.run()).waiting).toMatch(
      /zoe: this week's GPU hours.*accounts elsewhere are passed over/,
    )
  })
})

describe('a session that a person starts', () => {
  const colab = () =>
    tickWorld({ accounts: [accountOf('cris', { provider: 'colab', automation: 'person' })] })

  it('waits with a link, is reminded of once, and begins when its notebook calls in', async () => {
    await using world = await colab()
    await world.tick()
    const [waiting] = await world.sessions()
    expect(waiting).toMatchObject({ state: 'awaiting_person', deadlineAt: null })
    expect(waiting?.handle).toMatch(/^link\//)
    world.clock.advance(50)
    await world.tick()
    await world.tick()
    const events = await world.look.events(0, 100)
    expect(events.filter(({ kind }) => kind === 'session.reminder').length).toBe(1)
    world.clock.advance(40)
    await world.enrol()
    const [running] = await world.sessions()
    expect(running?.state).toBe('running')
    expect(running?.launchedAt).toEqual(world.clock.now())
  })

  it('expires when nobody comes: nothing is charged, and the run is not to blame', async () => {
    await using world = await colab()
    await world.tick()
    world.clock.advance(100)
    await world.tick()
    const [expired] = await world.sessions()
    expect(expired).toMatchObject({ state: 'ended', outcome: 'expired', usedSeconds: 0 })
    expect((await world.run()).failures).toBe(0)
    expect(await sum(world, 'cris')).toBe(0)
    await expect(world.enrol()).rejects.toMatchObject({ code: 'session_ended' })
  })

  it('is lost by its silence alone, since nobody else can tell', async () => {
    await using world = await colab()
    await world.tick()
    await world.enrol()
    world.clock.advance(181)
    await world.tick()
    expect((await world.sessions())[0]).toMatchObject({ outcome: 'lost' })
  })

  it('is asked about all the same where the account has a driver that tells', async () => {
    const driven = accountOf('rui', { provider: 'colab', driver: 'cli' })
    await using world = await tickWorld({ accounts: [driven] })
    await world.tick()
    await world.enrol()
    world.clock.advance(181)
    await world.tick()
    expect((await world.sessions())[0]).toMatchObject({ state: 'running', outcome: null })
  })

  it('is found again on Drive when the service dies after putting its notebook there', async () => {
    await using world = await colab()
    await world.tick()
    await world.db.run("update sessions set state = 'launching', handle = null, expires_at = null")
    world.clock.advance(61)
    await world.tick()
    expect(world.kaggle.launches.length).toBe(1)
    expect((await world.sessions())[0]?.state).toBe('awaiting_person')
  })
})
