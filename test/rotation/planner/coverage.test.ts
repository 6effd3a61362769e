import { describe, expect, it } from 'vitest'
import { coverageOf, type GapReason } from '../../../src/rotation/planner/coverage.ts'
import { makePlan } from '../../../src/rotation/planner/make-plan.ts'
import type { PlanInput } from '../../../src/rotation/planner/plan-input.ts'
import {
  api,
  hour,
  hourMs,
  input,
  live,
  monday,
  person,
  policy,
  run,
  saturday,
  weeksFrom,
} from './plan-world.ts'

const weekdays = [1, 2, 3, 4, 5]
const office = { weekdays, fromHour: 9, toHour: 18, zone: 'UTC' }
const reasonsOf = (world: PlanInput, id = 'house'): GapReason[] =>
  coverageOf(world, id).gaps.flatMap(({ why }) => [...why])

describe('what a plan covers of a policy', () => {
  it('is all of it where hours and slots are there, but for the first start', () => {
    const world = input({
      accounts: [api('ana', { weeks: weeksFrom(saturday, 100), maxSessionSeconds: 12 * hour })],
      policies: [policy('house', { windows: [office] })],
    })
    const { wanted, served, gaps } = coverageOf(world, 'house')
    expect(wanted).toHaveLength(5)
    expect(served).toHaveLength(5)
    // It is 9 o'clock, and the first node takes eight minutes; the others begin so much sooner.
    expect(gaps).toEqual([
      { fromMs: monday, toMs: monday + 480_000, why: [{ kind: 'start', account: 'ana' }] },
    ])
  })

  it('leaves open as much as the plan counts as unserved', () => {
    for (const hours of [0, 10, 28, 168]) {
      const world = input({
        accounts: [api('ana', { weeks: weeksFrom(saturday, hours) }), person('bia')],
        policies: [policy('house'), policy('office', { windows: [office], priority: 1 })],
        runs: [run('one', 3000)],
      })
      for (const id of ['house', 'office']) {
        const open = coverageOf(world, id).gaps.reduce((sum, gap) => sum + gap.toMs - gap.fromMs, 0)
        expect(Math.round(open / 1000)).toBe(makePlan(world).unserved.get(id))
      }
    }
  })

  it('counts sessions that have begun', () => {
    const world = input({
      accounts: [api('ana', { weeks: weeksFrom(saturday, 0) })],
      policies: [policy('house')],
      live: [live('ana', { kind: 'policy', id: 'house' }, monday + 2 * hourMs)],
    })
    const { served, gaps } = coverageOf(world, 'house')
    expect(served).toEqual([
      { account: 'ana', fromMs: monday, toMs: monday + 2 * hourMs, isLive: true },
    ])
    expect(gaps[0]?.fromMs).toBe(monday + 2 * hourMs)
  })

  it('is nothing of a policy that is not planned', () => {
    expect(coverageOf(input(), 'house')).toEqual({ wanted: [], served: [], gaps: [] })
  })
})

describe('why a window has no node', () => {
  const wanted = [policy('house', { windows: [office] })]

  it.each([
    [
      'no account may serve',
      { accounts: [api('ana', { serves: false })] },
      { kind: 'nobody', only: null },
    ],
    [
      'its base is elsewhere alone',
      {
        accounts: [api('ana', { provider: 'colab' })],
        policies: [policy('house', { windows: [office], only: 'kaggle' as const })],
      },
      { kind: 'nobody', only: 'kaggle' },
    ],
    [
      'the hours of the week are spent',
      { accounts: [api('ana', { weeks: weeksFrom(saturday, 10) })] },
      { kind: 'hours', account: 'ana', weekStartMs: saturday - 7 * 24 * hourMs },
    ],
    [
      'the account is held',
      {
        accounts: [
          api('ana', { weeks: weeksFrom(saturday, 100), holdUntilMs: monday + 30 * hourMs }),
        ],
      },
      { kind: 'hold', account: 'ana' },
    ],
    [
      'nobody is awake to begin',
      {
        accounts: [
          person('ana', {
            weeks: weeksFrom(saturday, 100),
            waking: { fromHour: 13, toHour: 23, zone: 'UTC' },
          }),
        ],
      },
      { kind: 'person', account: 'ana' },
    ],
    [
      'a start and nine hours are more than a session',
      { accounts: [api('ana', { weeks: weeksFrom(saturday, 100) })] },
      { kind: 'session-limit', account: 'ana' },
    ],
    [
      'training has its slot',
      {
        accounts: [api('ana', { weeks: weeksFrom(saturday, 100) })],
        runs: [run('one', 100)],
        live: [live('ana', { kind: 'run', id: 'one' }, monday + 5 * hourMs)],
      },
      { kind: 'slots', account: 'ana' },
    ],
    [
      'training of greater priority takes its hours',
      { accounts: [api('ana')], runs: [run('one', 9000, { priority: 9 })] },
      { kind: 'outranked' },
    ],
  ] as const)('%s', (_why, change, reason) => {
    const world = input({ policies: wanted, ...(change as Partial<PlanInput>) })
    expect(reasonsOf(world)).toContainEqual(reason)
  })

  it('is told of each account that could have served', () => {
    const world = input({
      accounts: [
        api('ana', { weeks: weeksFrom(saturday, 0) }),
        api('bia', { weeks: weeksFrom(saturday, 60), holdUntilMs: monday + 200 * hourMs }),
        api('caio', { serves: false }),
      ],
      policies: wanted,
    })
    const [first] = coverageOf(world, 'house').gaps
    expect(first?.why).toEqual([
      { kind: 'hours', account: 'ana', weekStartMs: saturday - 7 * 24 * hourMs },
      { kind: 'hold', account: 'bia' },
    ])
  })

  it('names for every gap at least one', () => {
    const world = input({
      accounts: [api('ana'), person('bia', { weeks: weeksFrom(saturday, 20) })],
      policies: [policy('house'), policy('other', { priority: 1 })],
      runs: [run('one', 2000, { priority: 2 })],
    })
    for (const id of ['house', 'other']) {
      const { gaps } = coverageOf(world, id)
      expect(gaps.length).toBeGreaterThan(0)
      for (const { why } of gaps) expect(why.length).toBeGreaterThan(0)
    }
  })
})

describe('the sessions of a policy', () => {
  it('are no longer than it asks for', () => {
    const world = input({
      accounts: [api('ana', { weeks: weeksFrom(saturday, 100), maxConcurrent: 2 })],
      policies: [policy('house', { maxSessionSeconds: 3 * hour })],
    })
    const { stays } = makePlan(world)
    expect(stays.length).toBeGreaterThan(10)
    expect(Math.max(...stays.map(({ seconds }) => seconds))).toBe(3 * hour)
  })

  it('are where its base is, and nowhere else', () => {
    const accounts = [api('ana'), api('bia', { provider: 'local' })]
    const both = makePlan(input({ accounts, policies: [policy('house')] }))
    expect(new Set(both.stays.map(({ account }) => account))).toEqual(new Set(['ana', 'bia']))
    const one = makePlan(input({ accounts, policies: [policy('house', { only: 'kaggle' })] }))
    expect(new Set(one.stays.map(({ account }) => account))).toEqual(new Set(['ana']))
  })
})
