import { beforeAll, describe, expect, it } from 'vitest'
import { windowSpans } from '../../src/rotation/planner/windows.ts'
import type { ServingPolicy } from '../../src/rotation/run.ts'
import { restartSeconds } from '../../src/rotation/session.ts'
import { builtInFaults, type Faults } from '../../src/simulation/faults.ts'
import { evenings, type Scenario, teamScenario } from '../../src/simulation/scenario.ts'
import { type Simulated, simulate } from '../../src/simulation/simulate.ts'

interface Told {
  readonly atMs: number
  readonly kind: string
  readonly sessionId: string | undefined
  readonly data: Readonly<Record<string, unknown>>
}

interface World {
  readonly result: Simulated
  /** What was told of sessions that serve. */
  readonly story: readonly Told[]
}

async function told(
  scenario: Scenario,
  faults: Faults,
  seed: number,
  weeks: number,
): Promise<World> {
  const story: Told[] = []
  const serving = new Set<string | undefined>()
  const result = await simulate({
    weeks,
    seed,
    faults,
    scenario,
    told({ kind, sessionId, data = {} }, at) {
      if (kind === 'session.planned' && data.serves === true) serving.add(sessionId)
      if (sessionId !== undefined && serving.has(sessionId))
        story.push({ atMs: at.getTime(), kind, sessionId, data })
    },
  })
  return { result, story }
}

const nothing = {
  budget: 0,
  duplicateLaunches: 0,
  fencedCommits: 0,
  lostCheckpoints: 0,
  openIntents: 0,
}
const often = {
  tunnelsLostPerServedHour: 0.3,
  serversHungPerServedHour: 0.3,
  serverStaysHungShare: 0.5,
  serverReloadSeconds: 120,
}
const seeds = Array.from({ length: 12 }, (_, index) => index + 1)
const minuteMs = 60_000
const isLost = ({ kind, data }: Told) => kind === 'session.ended' && data.outcome === 'lost'
const isPlanned = ({ kind }: Told) => kind === 'session.planned'
const always: ServingPolicy = { windows: 'always', overlapSeconds: 600 }
/** Until when the window lasts in which that moment lies. */
const windowEndsMs = (atMs: number) => {
  const policy = {
    ...evenings,
    id: '',
    name: '',
    priority: 0,
    createdMs: 0,
    avoid: new Set<string>(),
  }
  return windowSpans(policy, atMs, atMs + 1).length === 0
    ? atMs
    : (windowSpans(policy, atMs, atMs + 12 * 60 * minuteMs)[0]?.toMs ?? atMs)
}

describe('nodes that go down often, among six accounts that have nothing else to do', () => {
  const idle = { ...teamScenario, openRuns: 0, policy: evenings }
  let worlds: World[] = []
  beforeAll(async () => {
    const faults = { ...builtInFaults('none'), ...often }
    worlds = await Promise.all(seeds.map((seed) => told(idle, faults, seed, 6)))
  })
  const all = (is: (one: Told) => boolean) => worlds.flatMap(({ story }) => story.filter(is))

  it('see nothing that must never happen', () => {
    for (const { result } of worlds) expect(result.violations).toEqual(nothing)
    expect(all(isLost).length).toBeGreaterThan(200)
  })

  it('are replaced in the instant in which they are known to be gone, on another account', () => {
    let replaced = 0
    for (const { story } of worlds) {
      for (const lost of story.filter(isLost)) {
        const next = story.find((one) => isPlanned(one) && one.atMs >= lost.atMs)
        // Shorter than a start nothing is worth while any more.
        if (windowEndsMs(lost.atMs) - lost.atMs < 9 * minuteMs) continue
        replaced += 1
        expect(next?.atMs, JSON.stringify(lost)).toBe(lost.atMs)
        expect(next?.data.account).not.toBe(lost.data.account)
      }
    }
    expect(replaced).toBeGreaterThan(150)
  })

  it('whose server hangs see a restart first, and no replacement for ten minutes', () => {
    const lost = all(
      ({ data }) => data.reason === 'its server was started anew and has not answered since',
    )
    expect(lost.length).toBeGreaterThan(50)
    for (const { story } of worlds) {
      for (const end of story.filter(
        (one) => isLost(one) && one.data.reason !== 'its tunnel is gone',
      )) {
        const asked = story.filter(
          ({ kind, sessionId }) => kind === 'node.restart_asked' && sessionId === end.sessionId,
        )
        const seconds = (end.atMs - (asked.at(-1)?.atMs ?? 0)) / 1000
        // One that was good at a look in between is looked at again first.
        expect(seconds).toBeGreaterThanOrEqual(restartSeconds)
        expect(seconds).toBeLessThan(restartSeconds + 330)
      }
    }
  })

  it('whose server hangs come back by a restart, more often than they are replaced for it', () => {
    const asked = all(({ kind }) => kind === 'node.restart_asked').length
    const begun = all(({ kind }) => kind === 'node.restarted').length
    const lost = all(
      ({ data }) => data.reason === 'its server was started anew and has not answered since',
    )
    expect(begun).toBeLessThanOrEqual(asked)
    expect(begun / asked).toBeGreaterThan(0.9)
    expect(lost.length / asked).toBeLessThan(0.6)
  })

  it('are two at once in a hand-over at the most', () => {
    for (const { result } of worlds) expect(result.nodesAtOnce).toBeLessThanOrEqual(2)
  })
})

describe('a node that is always wanted, beside training, with the usual faults', () => {
  const busy = { ...teamScenario, openRuns: 2, policy: always }
  let worlds: World[] = []
  beforeAll(async () => {
    const faults = { ...builtInFaults('usual'), ...often }
    worlds = await Promise.all(seeds.slice(0, 6).map((seed) => told(busy, faults, seed, 3)))
  })

  it('sees nothing that must never happen, and never a third session or node', () => {
    let handOvers = 0
    for (const { result, story } of worlds) {
      expect(result.violations).toEqual(nothing)
      expect(result.nodesAtOnce).toBeLessThanOrEqual(2)
      const open = new Map<string | undefined, Told>()
      for (const one of story) {
        if (one.kind === 'session.ended') open.delete(one.sessionId)
        if (!isPlanned(one)) continue
        open.set(one.sessionId, one)
        if (open.size > 1) handOvers += 1
        expect(open.size).toBeLessThanOrEqual(2)
      }
    }
    expect(handOvers).toBeGreaterThan(20)
  })

  it('has its successor begun no sooner than the overlap before its end', () => {
    for (const { story } of worlds) {
      const endsMs = new Map<string | undefined, number>()
      for (const one of story) {
        const { atMs, kind, sessionId, data } = one
        if (kind === 'session.ended') endsMs.delete(sessionId)
        // A machine of Kaggle's has its time from the launch on, a person's from its enrolment.
        if (kind === (data.provider === 'kaggle' ? 'session.launched' : 'session.enrolled'))
          endsMs.set(sessionId, atMs + Number(data.seconds) * 1000)
        if (!isPlanned(one) || data.provider !== 'kaggle') continue
        for (const [, endMs] of endsMs)
          expect(endMs - atMs).toBeLessThanOrEqual(always.overlapSeconds * 1000 + minuteMs)
      }
    }
  })
})

it('outages cost the windows something, and without them every figure is as before', async () => {
  const scenario = { ...teamScenario, policy: evenings }
  const of = async (faults: Faults) =>
    (await simulate({ weeks: 8, seed: 2, faults, scenario })).servingAvailability ?? 0
  const none = builtInFaults('none')
  const with_ = await of({ ...none, ...often })
  const without = await of(none)
  expect(without - with_).toBeGreaterThan(0.02)
  expect(with_).toBeGreaterThan(0.7)
})
