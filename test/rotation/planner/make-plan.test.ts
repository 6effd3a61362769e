import { describe, expect, it } from 'vitest'
import { explain } from '../../../src/rotation/planner/explain.ts'
import { makePlan } from '../../../src/rotation/planner/make-plan.ts'
import type { Constraint, Stay } from '../../../src/rotation/planner/plan.ts'
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
  weeksFrom,
} from './plan-world.ts'

/** Stays as `account work +hours-from-now hours steps`. */
const told = (stays: readonly Stay[], nowMs = monday) =>
  stays.map(
    ({ account, work, startMs, seconds, steps }) =>
      `${account} ${work.id} +${+((startMs - nowMs) / hourMs).toFixed(3)} ${+(seconds / hour).toFixed(3)} h ${steps}`,
  )
const planned = (change: Partial<PlanInput>) => makePlan(input(change))
const first = (change: Partial<PlanInput>) => told(planned(change).stays)[0]

describe('a training stay', () => {
  it.each<[string, Partial<PlanInput>, string | undefined]>([
    [
      'is as long as its account allows',
      { accounts: [api('ana')], runs: [run('r', 9000)] },
      'ana r +0 9 h 886',
    ],
    [
      'is as long as the hours of its week',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 50 * hourMs, 2.5) })],
        runs: [run('r', 9000)],
      },
      'ana r +0 2.5 h 236',
    ],
    [
      'takes hours of both weeks where it spans the reset',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 2 * hourMs, 2, 3) })],
        runs: [run('r', 9000)],
      },
      'ana r +0 5 h 486',
    ],
    [
      'begins so late that the rest of a week joins the next, where the rest alone is too short',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 2 * hourMs, 0.25, 3) })],
        runs: [run('r', 9000)],
      },
      'ana r +1.75 3.25 h 311',
    ],
    [
      'is as long as the run asks for, though that is shorter than is worth it',
      { accounts: [api('ana')], runs: [run('r', 9000, { maxSessionSeconds: 900 })] },
      'ana r +0 0.25 h 11',
    ],
    [
      'ends after the steps that a session may do',
      { accounts: [api('ana')], runs: [run('r', 9000, { sessionSteps: 100 })] },
      'ana r +0 1.15 h 100',
    ],
    [
      'that is the last has a tenth and five minutes of slack',
      { accounts: [api('ana')], runs: [run('r', 100)] },
      'ana r +0 1.35 h 100',
    ],
    [
      'that is the last may be shorter than is worth it',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 50 * hourMs, 0.25, 0) })],
        runs: [run('r', 5)],
      },
      'ana r +0 0.25 h 5',
    ],
    [
      'is not begun for less than it is worth',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 500 * hourMs, 0.25) })],
        runs: [run('r', 9000)],
      },
      undefined,
    ],
    [
      'waits for the end of a hold',
      { accounts: [api('ana', { holdUntilMs: monday + hourMs })], runs: [run('r', 100)] },
      'ana r +1 1.35 h 100',
    ],
    [
      'of a person begins when somebody is awake',
      {
        accounts: [
          person('bia', { waking: { fromHour: 8, toHour: 23, zone: 'America/Sao_Paulo' } }),
        ],
        runs: [run('r', 100)],
      },
      'bia r +2 1.35 h 100',
    ],
    [
      'of a person begins when somebody is back',
      {
        accounts: [
          person('bia', { away: [{ fromMs: monday - hourMs, toMs: monday + 5 * hourMs }] }),
        ],
        runs: [run('r', 100)],
      },
      'bia r +5 1.35 h 100',
    ],
    [
      'begins where the live session of its run ends',
      {
        accounts: [api('ana'), api('bia')],
        runs: [run('r', 200)],
        live: [live('ana', { kind: 'run', id: 'r' }, monday + 3 * hourMs, 100)],
      },
      'ana r +3 1.35 h 100',
    ],
    [
      'finds no slot while another session has it',
      {
        accounts: [api('ana')],
        runs: [run('r', 100)],
        live: [live('ana', { kind: 'run', id: 'other' }, monday + 3 * hourMs)],
      },
      'ana r +3 1.35 h 100',
    ],
  ])('%s', (_why, change, expected) => expect(first(change)).toBe(expected))

  it('goes on, one after the other, until the run has its steps, and says when', () => {
    const plan = planned({ accounts: [api('ana')], runs: [run('r', 1000)] })
    expect(told(plan.stays)).toEqual(['ana r +0 9 h 886', 'ana r +9 1.5 h 114'])
    // 9 h, eight minutes of start, 114 steps of 36 s.
    expect(plan.finishes.get('r')).toBe(monday + 9 * hourMs + (480 + 114 * 36) * 1000)
    expect(plan.waits).toEqual([])
  })
})

describe('whose turn it is', () => {
  it.each<[string, Partial<PlanInput>, string]>([
    [
      'the account that held the run longest ago',
      {
        accounts: [api('ana'), api('bia')],
        runs: [
          run('r', 100, {
            lastGeneration: new Map([
              ['ana', 2],
              ['bia', 1],
            ]),
          }),
        ],
      },
      'bia',
    ],
    [
      'one by API before a person, though it held the run last',
      {
        accounts: [api('caio'), person('bia', { answerSeconds: 0 })],
        runs: [run('r', 100, { lastGeneration: new Map([['caio', 2]]) })],
      },
      'caio',
    ],
    [
      'the one with most hours, where one has not ample',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 90 * hourMs, 2) }), api('bia')],
        runs: [run('r', 100)],
      },
      'bia',
    ],
    [
      'the first by name when all is alike',
      { accounts: [api('bia'), api('ana')], runs: [run('r', 100)] },
      'ana',
    ],
    [
      'not one in doubt while another could begin',
      { accounts: [api('ana', { preference: 0.5 }), api('bia')], runs: [run('r', 100)] },
      'bia',
    ],
    [
      'one in doubt where the other would delay for long',
      {
        accounts: [
          api('ana', { preference: 0.5 }),
          api('bia', { holdUntilMs: monday + 5 * hourMs }),
        ],
        runs: [run('r', 100)],
      },
      'ana',
    ],
    [
      'the faster one, though it begins a little later',
      {
        accounts: [api('ana'), api('bia', { holdUntilMs: monday + 600_000 })],
        runs: [
          run('r', 600, {
            stepsPerHour: new Map([
              ['ana', 100],
              ['bia', 200],
            ]),
          }),
        ],
      },
      'bia',
    ],
    [
      'a long session soon before a short rest of hours now',
      {
        accounts: [
          api('ana', { weeks: weeksFrom(monday + 500 * hourMs, 0.5) }),
          api('bia', { holdUntilMs: monday + 300_000 }),
        ],
        runs: [run('r', 700)],
      },
      'bia',
    ],
  ])('%s', (_why, change, account) => expect(planned(change).stays[0]?.account).toBe(account))

  it('gives the hours to the run of greater priority, then to the older one', () => {
    const accounts = [api('ana')]
    const runs = [
      run('a', 100, { createdMs: 2 }),
      run('b', 100, { createdMs: 1 }),
      run('c', 100, { priority: 1, createdMs: 3 }),
    ]
    const { stays } = planned({ accounts, runs })
    expect(stays.map(({ work }) => work.id)).toEqual(['c', 'b', 'a'])
  })
})

describe('a policy', () => {
  const evening = [{ weekdays: [1], fromHour: 18, toHour: 22, zone: 'UTC' }]

  it('has its windows served, and training leaves their hours alone', () => {
    const accounts = [api('ana', { weeks: weeksFrom(monday + 100 * hourMs, 5, 0) })]
    const { stays, unserved } = planned({
      accounts,
      policies: [policy('p', { windows: evening })],
      runs: [run('r', 900)],
    })
    expect(told(stays)).toEqual(['ana r +0 0.867 h 72', 'ana p +8.867 4.133 h 0'])
    expect(unserved.get('p')).toBe(0)
  })

  it('is laid after training that has a greater priority, and counts what nobody serves', () => {
    const accounts = [api('ana', { weeks: weeksFrom(monday + 100 * hourMs, 5, 0) })]
    const { stays, unserved } = planned({
      accounts,
      policies: [policy('p', { windows: evening })],
      runs: [run('r', 900, { priority: 1 })],
    })
    expect(told(stays)).toEqual(['ana r +0 5 h 486'])
    expect(unserved.get('p')).toBe(4 * hour)
  })

  it('has a successor begun before its forerunner ends, elsewhere when no slot is free', () => {
    const accounts = [api('ana'), api('bia')]
    const { stays, unserved } = planned({
      accounts,
      policies: [policy('p')],
      horizonSeconds: 20 * hour,
    })
    expect(told(stays)).toEqual(['ana p +0 9 h 0', 'bia p +8.75 9 h 0', 'ana p +17.5 2.5 h 0'])
    // Until the first one is up.
    expect(unserved.get('p')).toBe(480)
  })

  it('takes over from the live session', () => {
    const accounts = [api('ana', { maxConcurrent: 2 })]
    const sessions = [live('ana', { kind: 'policy', id: 'p' }, monday + hourMs)]
    const { stays } = planned({
      accounts,
      policies: [policy('p')],
      live: sessions,
      horizonSeconds: 5 * hour,
    })
    expect(told(stays)).toEqual(['ana p +0.75 4.25 h 0'])
  })

  it('leaves out accounts that may not serve, and those to avoid while there is another', () => {
    const accounts = [api('ana'), api('bia'), api('caio', { serves: false })]
    const windows = [{ weekdays: [1], fromHour: 9, toHour: 12, zone: 'UTC' }]
    const one = policy('p', { windows, avoid: new Set(['ana']) })
    expect(planned({ accounts, policies: [one] }).stays[0]?.account).toBe('bia')
    const alone = planned({
      accounts: [api('ana'), api('caio', { serves: false })],
      policies: [one],
    })
    expect(alone.stays.map(({ account }) => account)).toEqual(['ana'])
  })

  it('skips a window that is shorter than a start, and counts it', () => {
    const nowMs = Date.parse('2026-06-01T17:55:00Z')
    const windows = [{ weekdays: [1], fromHour: 17, toHour: 18, zone: 'UTC' }]
    const plan = planned({
      nowMs,
      accounts: [api('ana')],
      policies: [policy('p', { windows })],
      horizonSeconds: hour,
    })
    expect(plan.stays).toEqual([])
    expect(plan.unserved.get('p')).toBe(300)
  })

  it('has windows by the clock of their zone, also when it is changed', () => {
    // New York goes from 02:00 to 03:00 on 2026-03-08: 09:00 is 14:00 UTC on the 7th, 13:00 UTC on the 8th.
    const nowMs = Date.parse('2026-03-07T00:00:00Z')
    const windows = [{ weekdays: [0, 6], fromHour: 9, toHour: 10, zone: 'America/New_York' }]
    const { stays } = planned({
      nowMs,
      accounts: [api('ana', { weeks: weeksFrom(nowMs + 100 * hourMs, 20) })],
      policies: [policy('p', { windows })],
    })
    expect(told(stays, nowMs)).toEqual(['ana p +13.867 1.133 h 0', 'ana p +36.867 1.133 h 0'])
  })
})

describe('a wait', () => {
  it.each<[string, Partial<PlanInput>, readonly [Constraint, number | null]]>([
    [
      'for a hold',
      { accounts: [api('ana', { holdUntilMs: monday + hourMs })] },
      [{ kind: 'hold', account: 'ana' }, 1],
    ],
    [
      'for a person',
      { accounts: [person('bia', { waking: { fromHour: 11, toHour: 12, zone: 'UTC' } })] },
      [{ kind: 'person', account: 'bia' }, 2],
    ],
    [
      'for a slot',
      {
        accounts: [api('ana')],
        live: [live('ana', { kind: 'run', id: 'x' }, monday + 3 * hourMs)],
      },
      [{ kind: 'slots', account: 'ana' }, 3],
    ],
    [
      'for a reset',
      { accounts: [api('ana', { weeks: weeksFrom(monday + 5 * hourMs, 0, 9) })] },
      [{ kind: 'hours', account: 'ana', weekStartMs: monday + 5 * hourMs - 168 * hourMs }, 5],
    ],
    [
      'for hours that a policy needs',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 20 * hourMs, 4, 9) })],
        policies: [
          policy('p', { windows: [{ weekdays: [1], fromHour: 18, toHour: 22, zone: 'UTC' }] }),
        ],
      },
      [{ kind: 'reserve', policy: 'p', account: 'ana' }, 20],
    ],
    ['without any account', {}, [{ kind: 'none' }, null]],
  ])('%s says what for and until when', (_why, change, [why, after]) => {
    const { waits } = planned({ runs: [run('r', 300)], ...change })
    const untilMs = after === null ? null : monday + after * hourMs
    expect(waits).toEqual([{ work: { kind: 'run', id: 'r' }, why, untilMs }])
  })
})

describe('an explanation', () => {
  const bounds = (change: Partial<PlanInput>) => explain(input(change)).map(({ bound }) => bound)
  it.each<[string, Partial<PlanInput>, unknown]>([
    [
      'the session limit',
      { accounts: [api('ana')], runs: [run('r', 9000)], horizonSeconds: hour },
      { kind: 'session-limit', account: 'ana' },
    ],
    ['the need', { accounts: [api('ana')], runs: [run('r', 100)] }, { kind: 'need', run: 'r' }],
    [
      'the run',
      {
        accounts: [api('ana')],
        runs: [run('r', 9000, { sessionSteps: 50 })],
        horizonSeconds: hour / 2,
      },
      { kind: 'run-limit', run: 'r' },
    ],
    [
      'the hours',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 500 * hourMs, 2) })],
        runs: [run('r', 9000)],
      },
      { kind: 'hours', account: 'ana', weekStartMs: monday + 332 * hourMs },
    ],
    [
      'the window',
      {
        accounts: [api('ana')],
        policies: [
          policy('p', { windows: [{ weekdays: [1], fromHour: 9, toHour: 10, zone: 'UTC' }] }),
        ],
      },
      { kind: 'window', policy: 'p' },
    ],
    [
      'the reserve',
      {
        accounts: [api('ana', { weeks: weeksFrom(monday + 500 * hourMs, 6) })],
        policies: [
          policy('p', { windows: [{ weekdays: [1], fromHour: 18, toHour: 22, zone: 'UTC' }] }),
        ],
        runs: [run('r', 400)],
        horizonSeconds: 12 * hour,
      },
      { kind: 'reserve', policy: 'p', account: 'ana' },
    ],
  ])('names %s', (_what, change, bound) => expect(bounds(change)[0]).toEqual(bound))

  it('names the account that would have been next, and none where there is no other', () => {
    const runs = [run('r', 100)]
    expect(explain(input({ accounts: [api('ana'), api('bia')], runs }))[0]?.runnerUp).toBe('bia')
    expect(explain(input({ accounts: [api('ana')], runs }))[0]?.runnerUp).toBeNull()
  })
})
