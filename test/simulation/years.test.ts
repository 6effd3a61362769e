import { beforeAll, describe, expect, it } from 'vitest'
import { sideBySide } from '../../bench/side-by-side.ts'
import { type Answer, type Simulation, simulated } from '../../bench/simulation-worker.ts'
import { builtInFaults } from '../../src/simulation/faults.ts'
import { usualScenario } from '../../src/simulation/scenario.ts'
import { simulate } from '../../src/simulation/simulate.ts'

const nothing = {
  budget: 0,
  duplicateLaunches: 0,
  fencedCommits: 0,
  lostCheckpoints: 0,
  openIntents: 0,
}
const usedShare = ({ simulated: { hours } }: Answer): number => hours.used / hours.granted

describe('ten years with every fault', () => {
  const seeds = [1, 2, 3, 4, 5, 6]
  let answers: Answer[] = []
  beforeAll(async () => {
    answers = await sideBySide(seeds.map((seed) => ({ weeks: 520, seed, faults: 'all' })))
  })

  it.each(seeds)('with seed %i see nothing that must never happen', (seed) => {
    const answer = answers[seed - 1]
    expect(answer?.simulated.violations).toEqual(nothing)
    // … in years in which a lot did happen.
    expect(answer?.simulated.sessions).toBeGreaterThan(5000)
    expect(answer?.simulated.steps.redone).toBeGreaterThan(10_000)
    expect(answer?.simulated.steps.done).toBeGreaterThan(900_000)
  })
})

describe('a simulation', () => {
  const short = { weeks: 6, seed: 3, faults: builtInFaults('all'), scenario: usualScenario }

  it('of the same seed is the same to the byte, its story too; another seed is another world', async () => {
    const told = async (seed: number) => {
      const story: string[] = []
      const result = await simulate({
        ...short,
        seed,
        told: (news, at) => story.push(`${at.toISOString()} ${JSON.stringify(news)}`),
      })
      return `${JSON.stringify(result)}\n${story.join('\n')}`
    }
    const first = await told(3)
    expect(first.length).toBeGreaterThan(100_000)
    expect(await told(3)).toBe(first)
    expect(await told(4)).not.toBe(first)
  })

  it('counts every hour that was granted once', async () => {
    const { hours, spent, steps } = await simulate(short)
    expect(hours.used + hours.wasted).toBeCloseTo(hours.granted, 6)
    expect(hours.used).toBeCloseTo(spent.training + spent.saving + spent.serving, 6)
    // Steps in checkpoints are what was trained, but for steps that are longer or shorter than the usual one.
    const trained = (spent.training * 3600) / usualScenario.pace.stepSeconds
    expect(Math.abs(steps.done / trained - 1)).toBeLessThan(0.03)
  })
})

describe('the plan', () => {
  const year = { weeks: 52, seed: 1 } as const
  const team = { weeks: 6, seed: 1, faults: 'usual', isTeam: true } as const
  const worlds = {
    none: { ...year, faults: 'none' },
    usual: { ...year, faults: 'usual' },
    serving: { ...year, weeks: 26, faults: 'usual', serves: true },
    outages: { ...year, weeks: 26, faults: 'usual', serves: true, nodeFaults: true },
    teamOutages: { ...team, serves: true, nodeFaults: true },
    allOutages: { ...team, weeks: 10, faults: 'all', serves: true, nodeFaults: true },
    team,
    naiveTeam: { ...team, isNaive: true },
    run30k: { weeks: 20, seed: 1, faults: 'none', onlyRunOf: 30_000 },
    run100k: { weeks: 60, seed: 1, faults: 'none', onlyRunOf: 100_000 },
  } as const satisfies Record<string, Simulation>
  const names = Object.keys(worlds) as (keyof typeof worlds)[]
  let answers: Answer[] = []
  beforeAll(async () => {
    answers = await sideBySide(names.map((name) => worlds[name]))
  })
  const of = (name: keyof typeof worlds): Answer => answers[names.indexOf(name)] as Answer // one for each name

  it('uses 97 % of what is granted where nothing goes wrong, and 90 % where the usual does', () => {
    expect(usedShare(of('none'))).toBeGreaterThanOrEqual(0.97)
    expect(usedShare(of('usual'))).toBeGreaterThanOrEqual(0.9)
    for (const name of names) expect(of(name).simulated.violations, name).toEqual(nothing)
  })

  it('serves a policy’s windows all year', () => {
    expect(of('serving').simulated.servingAvailability).toBeGreaterThan(0.9)
  })

  it('serves most of them too where nodes go down by themselves', () => {
    expect(of('outages').simulated.servingAvailability).toBeGreaterThan(0.88)
    expect(of('teamOutages').simulated.servingAvailability).toBeGreaterThan(0.85)
    expect(of('allOutages').simulated.nodesAtOnce).toBeLessThanOrEqual(3)
  })

  it.each(['run30k', 'run100k'] as const)(
    'ends %s at most three hundredths later than is possible',
    (name) => {
      const [run] = of(name).simulated.runs
      expect(run?.makespanHours).toBeLessThanOrEqual((run?.boundHours ?? 0) * 1.03)
      expect(run?.makespanHours).toBeGreaterThanOrEqual(run?.boundHours ?? Number.POSITIVE_INFINITY)
    },
  )

  it('uses at least 20 points more of six accounts than a loop without a plan', () => {
    expect(usedShare(of('team')) - usedShare(of('naiveTeam'))).toBeGreaterThan(0.2)
  })
})

it('a thread gives the result that this one does', async () => {
  const world = { weeks: 2, seed: 5, faults: 'usual' } as const
  const [there] = await sideBySide([world])
  expect(there?.simulated).toEqual((await simulated(world)).simulated)
})
