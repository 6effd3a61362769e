import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Faults } from '../../../src/simulation/faults.ts'
import { builtInFaults } from '../../../src/simulation/faults.ts'
import type { Pace } from '../../../src/simulation/models/notebook.ts'
import type { TimeSpent } from '../../../src/simulation/models/notebook-time.ts'
import { notebooks } from '../../../src/simulation/models/notebooks.ts'
import { virtualTime } from '../../../src/simulation/virtual-time.ts'
import { accountOf } from '../../store/fixture.ts'
import { type MemoryControlOptions, memoryControl } from './memory-control.ts'
import { quiet } from './scripted-run.ts'

const start = Date.UTC(2026, 10, 30)
const pace: Pace = {
  bootSeconds: 60,
  setupSeconds: 240,
  stepSeconds: 30,
  saveTakes: 20,
  artifactTakes: 40,
}

/** One notebook on a machine of its own, let in after a minute with an hour and a half, its first step at second 300. */
function bench(options: MemoryControlOptions & { faults?: Partial<Faults>; seed?: number } = {}) {
  const time = virtualTime(start)
  const { control, state, at } = memoryControl(time, options)
  const faults = quiet(options.faults)
  let over: { spent: TimeSpent; at: number } | null = null
  const all = notebooks({
    time,
    seed: options.seed ?? 1,
    faults,
    control,
    paceOf: () => pace,
    over: (_notebook, spent) => {
      over = { spent, at: at() }
    },
  })
  const ends: [failed: boolean, message: string | null][] = []
  const launch = (name = 'a-session') =>
    all.run(name, {
      account: accountOf('ana'),
      name,
      ended: (failed, message) => ends.push([failed, message]),
    })
  const cargo = launch()
  return {
    time,
    state,
    all,
    ends,
    cargo,
    launch,
    at,
    to: (second: number) => time.advanceTo(start + second * 1000),
    over: () => over,
    /** Whole seconds by kind, those that are none left out. */
    spent(): Record<string, number> {
      const spent = over?.spent ?? all.spent()
      const seconds = Object.entries(spent).map(([name, ms]) => [name.replace('Ms', ''), ms / 1000])
      return Object.fromEntries(seconds.filter(([, value]) => value !== 0))
    },
  }
}

describe('a notebook', () => {
  it('does its steps, commits the last of them and the artifact, and says that it is finished', async () => {
    const world = bench({ work: { targetSteps: 20 } })
    await world.to(5000)
    expect(world.state.accepted).toEqual([
      ['checkpoint', 20, 920],
      ['artifact', 20, 960],
    ])
    expect(world.state.reports).toEqual([
      { outcome: 'finished', step: 20, failure: null, logTail: '', at: 960 },
    ])
    expect(world.ends).toEqual([[false, null]])
    expect(world.spent()).toEqual({ overhead: 300, training: 600, saving: 60 })
    expect(world.all.live.size).toBe(0)
  })

  it('saves by the wall clock and leaves before its deadline, as much earlier as a save takes', async () => {
    const world = bench()
    await world.to(6000)
    expect(world.state.accepted).toEqual([
      ['checkpoint', 30, 1220],
      ['checkpoint', 60, 2140],
      ['checkpoint', 90, 3060],
      ['checkpoint', 120, 3980],
      ['checkpoint', 150, 4900],
      ['checkpoint', 164, 5340],
    ])
    // Two steps, two saves and a margin of 60 s before second 5460.
    expect(world.state.reports).toMatchObject([{ outcome: 'limit', step: 164, at: 5340 }])
    expect(world.spent()).toEqual({ overhead: 300, training: 4920, saving: 120 })
  })

  it('goes on from the step that it is given, saves at multiples of steps, and hands over when told', async () => {
    const world = bench({ work: { saveSteps: 8, sessionSteps: 11 } })
    world.state.step = 5
    await world.to(2000)
    expect(world.state.accepted.map(([, step]) => step)).toEqual([8, 16])
    expect(world.state.reports).toMatchObject([{ outcome: 'limit', step: 16 }])
  })

  it('makes up for a missing artifact when all steps are done', async () => {
    const world = bench({ work: { targetSteps: 7 } })
    world.state.step = 7
    await world.to(2000)
    expect(world.state.accepted).toEqual([['artifact', 7, 340]])
    expect(world.state.reports).toMatchObject([{ outcome: 'finished' }])
  })

  it('leaves the artifact to the next session when its time is too short for it', async () => {
    const world = bench({ work: { targetSteps: 7 }, secondsLeft: 270 })
    world.state.step = 7
    await world.to(2000)
    expect(world.state.accepted).toEqual([])
    expect(world.state.reports).toMatchObject([{ outcome: 'limit', step: 7, at: 300 }])
  })

  it('that is preempted says nothing more; what no checkpoint holds is to be done again', async () => {
    const world = bench()
    await world.to(2500)
    world.cargo.kill()
    await world.to(6000)
    expect(world.state.accepted.at(-1)).toEqual(['checkpoint', 60, 2140])
    expect([world.state.reports, world.ends]).toEqual([[], []])
    expect(world.spent()).toEqual({ overhead: 300, training: 1800, saving: 40, redone: 360 })
  })

  it('counts steps as training while they may still be saved', async () => {
    const world = bench()
    await world.to(2500)
    expect(world.spent()).toEqual({ overhead: 300, training: 2160, saving: 40 })
  })

  it.each([
    ['in the middle of a step', 1000, 24, 1040],
    ['at the end of one', 1020, 24, 1040],
    ['while it saves', 1210, 30, 1220],
  ])('that is told to stop %s saves, reports and ends', async (_why, when, step, end) => {
    const world = bench()
    await world.to(when)
    world.state.order = 'stop'
    await world.all.pollOrders()
    await world.to(6000)
    expect(world.state.accepted).toEqual([['checkpoint', step, end]])
    expect(world.state.reports).toMatchObject([{ outcome: 'stopped', step, at: end }])
  })

  it('that is told to stop before its first step ends at once', async () => {
    const world = bench()
    await world.to(200)
    world.state.order = 'stop'
    await world.all.pollOrders()
    await world.to(6000)
    expect(world.state.reports).toMatchObject([{ outcome: 'stopped', step: 0, at: 200 }])
    expect(world.spent()).toEqual({ overhead: 200 })
  })

  it('that is told to save does so with the step under way, and goes on', async () => {
    const world = bench()
    await world.to(1000)
    world.state.order = 'checkpoint_now'
    await world.all.pollOrders()
    world.state.order = 'continue'
    await world.to(2000)
    expect(world.state.accepted).toEqual([
      ['checkpoint', 24, 1040],
      ['checkpoint', 54, 1960],
    ])
  })

  it('that is fenced off ends at its next heartbeat and reports nothing', async () => {
    const world = bench()
    await world.to(1000)
    world.state.generation += 1
    await world.all.pollOrders()
    expect(world.ends).toEqual([[true, 'fenced: another session has the run']])
    expect(world.spent()).toEqual({ overhead: 300, redone: 700 })
    expect(world.state.reports).toEqual([])
  })

  it('brings a checkpoint again while the service is away, and trains meanwhile', async () => {
    const world = bench()
    world.state.isAway = () => world.at() > 1100 && world.at() < 1400
    await world.to(2100)
    expect(world.state.accepted).toEqual([['checkpoint', 30, 1401]])
    await world.to(6000)
    expect(world.spent()).toMatchObject({ overhead: 300, saving: 120 })
    expect(world.spent()).not.toHaveProperty('redone')
  })

  it('whose service stays away tries until its deadline, and ends unheard', async () => {
    const world = bench()
    world.state.isAway = () => world.at() > 5000
    await world.to(7000)
    expect(world.state.reports).toEqual([])
    expect(world.ends).toEqual([[true, 'its time was over before the service answered']])
    const { idle = 0, redone } = world.spent()
    expect(idle).toBeGreaterThan(60)
    expect(idle).toBeLessThanOrEqual(120)
    expect(redone).toBe(14 * 30)
  })

  it.each([
    ['refused', 0, 60],
    ['away for longer than it asks', 100_000, 960],
  ])('that is not let in, %s, ends without a step', async (_why, awayUntil, latest) => {
    const world = bench()
    if (awayUntil === 0) world.state.refusal = 'session_ended'
    else world.state.isAway = () => world.at() < awayUntil
    await world.to(6000)
    expect(world.ends).toMatchObject([[true, expect.stringMatching(/did not/)]])
    const { overhead = 0, ...rest } = world.spent()
    expect(rest).toEqual({})
    expect(overhead).toBeLessThanOrEqual(latest)
    expect(overhead).toBeGreaterThan(latest - 31)
  })

  it('is let in late by a service that was away for a while', async () => {
    const world = bench()
    world.state.isAway = () => world.at() < 100
    await world.to(6100)
    expect(world.state.reports).toMatchObject([{ outcome: 'limit' }])
    expect(world.state.accepted[0]?.[2]).toBe(1220 + 61) // asked at 60, 61, 63, 67, 75, 91, and let in at 121
  })

  it.each([
    ['noGpuShare', 'no_gpu', 180],
    ['deadGpuShare', 'dead_gpu', 180],
    ['outOfMemoryShare', 'out_of_memory', 301],
  ] as const)(
    'with %s ends as %s before its first step is done',
    async (share, failure, latest) => {
      const world = bench({ faults: { [share]: 1 } })
      await world.to(6000)
      expect(world.state.reports).toMatchObject([
        { outcome: 'failed', failure: { class: failure } },
      ])
      expect(world.state.reports[0]?.at).toBeLessThanOrEqual(latest)
      expect(world.ends).toMatchObject([[true, expect.any(String)]])
      expect(world.state.accepted).toEqual([])
    },
  )

  it('with a bug keeps what was committed before it', async () => {
    const world = bench({ faults: { notebookBugShare: 1 } })
    await world.to(6000)
    expect(world.state.reports).toMatchObject([{ failure: { class: 'notebook_bug' } }])
    const { training = 0, redone = 0 } = world.spent()
    expect(training).toBe(30 * (world.state.accepted.at(-1)?.[1] ?? 0))
    expect(redone).toBeGreaterThan(0)
  })

  it('that serves has no steps: the time served counts, up to its deadline', async () => {
    const world = bench({ work: { kind: 'serving' }, secondsLeft: 3600 })
    await world.to(6000)
    expect(world.spent()).toEqual({ overhead: 300, serving: 3300 })
    expect(world.state.reports).toMatchObject([{ outcome: 'limit', at: 3600 }])
  })
})

describe('a frozen notebook', () => {
  const frozen = { freezesPerGpuHour: 1.5, freezeMinutes: 40 }

  it('sends nothing while it is frozen, and what it brings when it wakes is never taken from another', async () => {
    const asked: string[] = []
    for (let seed = 0; seed < 40; seed += 1) {
      const world = bench({ faults: frozen, seed, secondsLeft: 40_000 })
      await world.to(300)
      while (world.spent().frozen === undefined && world.over() === null) {
        await world.to(world.at() + 60)
      }
      const beats = world.state.beats.length
      await world.all.pollOrders()
      expect(world.state.beats.length).toBe(beats)
      const [notebook] = world.all.live
      if (!notebook) throw new Error('it is over')
      const fell = world.time.now() - (world.spent().frozen ?? 0) * 1000
      expect(notebook.beatsDue(world.time.now())?.sentMs ?? 0).toBeLessThanOrEqual(fell)
      const accepted = world.state.accepted.length
      world.state.generation += 1 // the run has been handed over
      await world.to(50_000)
      expect(world.state.accepted.length).toBe(accepted)
      expect(world.ends).toEqual([[true, 'fenced: another session has the run']])
      asked.push(...world.state.refused)
    }
    expect(asked.length).toBe(40) // by a heartbeat or a checkpoint, and then no more
    for (const by of ['beat', 'commit']) {
      expect(asked.filter((one) => one === by).length).toBeGreaterThan(10)
    }
  })

  it('goes on where it was when nobody took its place', async () => {
    const world = bench({ faults: frozen, secondsLeft: 40_000 })
    await world.to(50_000)
    expect(world.state.reports).toMatchObject([{ outcome: 'limit' }])
    const { frozen: frozenSeconds = 0, training = 0 } = world.spent()
    expect(frozenSeconds).toBeGreaterThan(1000)
    expect(world.state.step).toBeGreaterThan(0)
    expect(training).toBeGreaterThanOrEqual(30 * world.state.step)
  })
})

describe('heartbeats', () => {
  it('are due from the enrolment on, each once, the newest in place of all before it', async () => {
    const world = bench()
    await world.to(59)
    const [notebook] = world.all.live
    if (!notebook) throw new Error('it does not run')
    expect(notebook.beatsDue(world.time.now())).toBeNull()
    await world.to(430)
    const due = { sentMs: start + 420_000, atMs: start + 420_000, step: 4, copies: 1 }
    expect(notebook.beatsDue(world.time.now())).toEqual(due)
    await world.all.pollOrders()
    expect(world.state.beats).toEqual([[4, 430]])
    expect(notebook.beatsDue(start + 479_999)).toBeNull()
    expect(notebook.beatsDue(start + 480_000)).toMatchObject({ step: 6 })
  })

  it.each([
    ['get lost', { lostBeatSpellsPerSessionHour: 60, lostBeatMinutes: 10_000 }, [0, 2]],
    ['arrive twice', { doubleBeatSpellsPerSessionHour: 60, doubleBeatMinutes: 10_000 }, [150, 180]],
    ['arrive once', {}, [88, 89]],
  ])('%s when they should', async (_why, faults, [least = 0, most = 0]) => {
    const world = bench({ faults })
    for (let second = 60; second < 5340; second += 30) {
      await world.to(second)
      await world.all.pollOrders()
    }
    expect(world.state.beats.length).toBeGreaterThanOrEqual(least)
    expect(world.state.beats.length).toBeLessThanOrEqual(most)
  })

  it('are late by as much as told', async () => {
    const faults = {
      lateBeatSpellsPerSessionHour: 60,
      lateBeatMinutes: 10_000,
      lateBeatSeconds: 150,
    }
    const world = bench({ faults })
    await world.to(1000)
    const [notebook] = world.all.live
    expect(notebook?.beatsDue(world.time.now())).toMatchObject({
      sentMs: start + 840_000,
      atMs: start + 990_000,
      step: 18,
    })
  })
})

describe('a node', () => {
  const serving = { work: { kind: 'serving' as const }, secondsLeft: 20_000 }
  /** Until it goes down, which it does within some minutes. */
  async function down(faults: Partial<Faults>, seed = 1) {
    const world = bench({ ...serving, faults, seed })
    const [notebook] = world.all.live
    if (!notebook) throw new Error('no notebook')
    await world.to(301)
    while (notebook.sight() === 'up' && world.at() < 10_000) await world.to(world.at() + 1)
    return { ...world, notebook, downAt: world.at() }
  }

  it('whose tunnel is gone stays so, while its session beats and may know of it', async () => {
    const said = new Set<string | null | undefined>()
    for (let seed = 1; seed <= 12; seed += 1) {
      const world = await down({ tunnelsLostPerServedHour: 20 }, seed)
      const { notebook, downAt } = world
      await world.to(downAt + 600)
      await world.all.pollOrders()
      expect(notebook.sight()).toBe('tunnel-gone')
      expect(world.state.node).toMatchObject({ ready: true, restarts: 0 })
      said.add(world.state.node?.tunnel)
      expect(world.spent().idle).toBeCloseTo(600, -1)
      expect(notebook.ups()).toHaveLength(1)
    }
    expect([...said].toSorted()).toEqual(['down', 'up'])
  })

  it('whose server hangs says so after half a minute, restarts once when told, and is up again', async () => {
    const world = await down({ serversHungPerServedHour: 2, serverReloadSeconds: 120 })
    const { notebook, downAt } = world
    expect(notebook.sight()).toBe('hung')
    await world.to(downAt + 100)
    await world.all.pollOrders()
    expect(world.state.node).toMatchObject({ ready: false, restarts: 0 })
    world.state.order = 'restart'
    await world.to(downAt + 160)
    await world.all.pollOrders()
    expect(notebook.sight()).toBe('loading')
    const orderedAt = world.at()
    world.state.order = 'continue'
    await world.to(orderedAt + 119)
    await world.all.pollOrders()
    expect(world.state.node).toMatchObject({ ready: false, restarts: 1 })
    await world.to(orderedAt + 121)
    expect(notebook.sight()).toBe('up')
    const [first, second] = notebook.ups()
    expect(((second?.fromMs ?? 0) - (first?.toMs ?? 0)) / 1000).toBeCloseTo(
      orderedAt + 120 - downAt,
      -1,
    )
  })

  it('that is told twice for one heartbeat restarts once', async () => {
    const faults = {
      serversHungPerServedHour: 2,
      doubleBeatSpellsPerSessionHour: 60,
      doubleBeatMinutes: 10_000,
    }
    const world = await down({ ...faults, serverReloadSeconds: 120 })
    world.state.order = 'restart'
    await world.to(world.downAt + 100)
    await world.all.pollOrders()
    world.state.order = 'continue'
    await world.to(world.downAt + 200)
    await world.all.pollOrders()
    expect(world.state.node).toMatchObject({ restarts: 1 })
  })

  it('that a restart does not heal hangs on', async () => {
    const faults = {
      serversHungPerServedHour: 20,
      serverStaysHungShare: 1,
      serverReloadSeconds: 60,
    }
    const world = await down(faults)
    world.state.order = 'restart'
    await world.to(world.downAt + 100)
    await world.all.pollOrders()
    world.state.order = 'continue'
    await world.to(world.downAt + 1000)
    expect(world.notebook.sight()).toBe('hung')
  })

  it('draws nothing and says nothing of it where nothing of it can go wrong', async () => {
    const world = bench(serving)
    await world.to(6000)
    await world.all.pollOrders()
    expect(world.state.node).toEqual({
      ready: true,
      url: null,
      adapter: 'a'.repeat(64),
      freeVramBytes: null,
    })
    expect(world.spent()).toMatchObject({ serving: 5700 })
  })
})

it('accounts for every millisecond of its machine, whatever happens to it', async () => {
  const faults = { ...builtInFaults('all'), freezesPerGpuHour: 0.5, storeErrorSpellsPerWeek: 0 }
  const cases = fc.record({
    seed: fc.nat(),
    killedAt: fc.integer({ min: 0, max: 40_000 }),
    awayFrom: fc.integer({ min: 0, max: 40_000 }),
    awayFor: fc.integer({ min: 0, max: 4000 }),
    fencedAt: fc.option(fc.integer({ min: 0, max: 40_000 })),
    everySeconds: fc.constantFrom(30, 600, 7000),
  })
  await fc.assert(
    fc.asyncProperty(
      cases,
      async ({ seed, killedAt, awayFrom, awayFor, fencedAt, everySeconds }) => {
        const world = bench({ seed, faults, secondsLeft: 30_000 })
        world.state.isAway = () => world.at() >= awayFrom && world.at() < awayFrom + awayFor
        if (fencedAt !== null) {
          world.time.at(start + fencedAt * 1000, () => {
            world.state.generation += 1
          })
        }
        for (let second = 0; second < killedAt; second += everySeconds) {
          await world.to(Math.min(second, killedAt))
          await world.all.pollOrders()
        }
        await world.to(killedAt)
        world.cargo.kill()
        const end = world.over()
        if (!end) throw new Error('it is not over')
        const parts = Object.values(end.spent)
        expect(parts.every((ms) => ms >= 0 && Number.isInteger(ms))).toBe(true)
        expect(parts.reduce((sum, ms) => sum + ms, 0)).toBe(Math.round(end.at * 1000))
        const steps = world.state.accepted.map(([, step]) => step)
        expect(steps).toEqual(steps.toSorted((one, other) => one - other))
        if (steps.length === 0) expect(end.spent.trainingMs).toBe(0)
      },
    ),
    { numRuns: 300 },
  )
})
