import * as fc from 'fast-check'
import type { PlanAccount, PlanInput, PlanRun } from '../../../src/rotation/planner/plan-input.ts'
import { day, hour, hourMs, input, monday, weeksFrom } from './plan-world.ts'

/** Values are few, so that ties, edges and hours that just suffice are met often. */
const hours = fc.constantFrom(0, 0.5, 1, 2, 3, 9.5, 28)
/** Resets soon, in the night, in some days. */
const resets = fc.constantFrom(monday + 2 * hourMs, monday + 15 * hourMs, monday + 4 * 24 * hourMs)
const holds = fc.constantFrom(null, null, monday + hourMs, monday + 26 * hourMs)
const wakings = fc.constantFrom(
  { fromHour: 8, toHour: 23, zone: 'UTC' },
  { fromHour: 9, toHour: 10, zone: 'UTC' },
  { fromHour: 20, toHour: 2, zone: 'America/Sao_Paulo' },
)

const accountNamed = (name: string, preferences: readonly number[]): fc.Arbitrary<PlanAccount> =>
  fc
    .record({
      provider: fc.constantFrom('kaggle', 'colab'),
      limit: fc.constantFrom(1, 2.5, 9, 12),
      maxConcurrent: fc.constantFrom(1, 1, 2),
      reset: resets,
      left: fc.tuple(hours, hours),
      holdUntilMs: holds,
      preference: fc.constantFrom(...preferences),
      startSeconds: fc.constantFrom(60, 480),
      answerSeconds: fc.constantFrom(0, 900),
      waking: wakings,
      away: fc.constantFrom([], [{ fromMs: monday + 3 * hourMs, toMs: monday + 30 * hourMs }]),
      serves: fc.boolean(),
    })
    .map(({ provider, limit, reset, left, waking, away, answerSeconds, ...rest }) => ({
      ...rest,
      name,
      provider,
      automation: provider === 'kaggle' ? 'api' : 'person',
      maxSessionSeconds: limit * hour,
      weeks: weeksFrom(reset, ...left),
      holdReason: rest.holdUntilMs === null ? null : 'no GPU was granted',
      answerSeconds: provider === 'kaggle' ? 0 : answerSeconds,
      waking: provider === 'kaggle' ? null : waking,
      away: provider === 'kaggle' ? [] : away,
    }))

const speeds = fc.constantFrom(56.25, 100, 100, 200)

const runNamed = (id: string): fc.Arbitrary<PlanRun> =>
  fc
    .record({
      priority: fc.constantFrom(0, 0, 1),
      createdMs: fc.constantFrom(0, 1),
      remainingSteps: fc.constantFrom(1, 40, 250, 700, 1500, 9000),
      ana: speeds,
      bia: speeds,
      caio: fc.option(speeds),
      maxSessionSeconds: fc.constantFrom(null, null, 900, 2 * hour),
      minSessionSeconds: fc.constantFrom(0, 1800, 2 * hour),
      sessionSteps: fc.constantFrom(null, null, 10, 300),
      saveSeconds: fc.constantFrom(20, 300),
      lastGeneration: fc.constantFrom(new Map(), new Map([['ana', 2]]), new Map([['bia', 1]])),
    })
    .map(({ ana, bia, caio, ...rest }) => ({
      ...rest,
      id,
      name: id,
      stepsPerHour: new Map([
        ['ana', ana] as const,
        ['bia', bia] as const,
        ...(caio ? [['caio', caio] as const] : []),
      ]),
    }))

const policyNamed = (id: string) =>
  fc
    .record({
      priority: fc.constantFrom(0, 0, 1),
      createdMs: fc.constantFrom(0, 1),
      overlapSeconds: fc.constantFrom(300, 900),
      windows: fc.constantFrom(
        'always' as const,
        [{ weekdays: [1, 2, 3], fromHour: 9, toHour: 12, zone: 'UTC' }],
        [{ weekdays: [0, 1, 6], fromHour: 22, toHour: 24, zone: 'Europe/Lisbon' }],
      ),
      avoid: fc.constantFrom(new Set<string>(), new Set(['ana'])),
    })
    .map((rest) => ({ ...rest, id, name: id }))

/** Inputs with up to three accounts, and some runs and policies; now and then a live session of the first run. */
export const worlds = ({
  runs,
  policies,
  preferences = [1],
}: {
  readonly runs: number
  readonly policies: number
  readonly preferences?: readonly number[]
}): fc.Arbitrary<PlanInput> =>
  fc
    .record({
      accounts: fc.tuple(
        accountNamed('ana', preferences),
        accountNamed('bia', preferences),
        accountNamed('caio', preferences),
      ),
      count: fc.constantFrom(1, 2, 3),
      runs: fc.tuple(...['r1', 'r2', 'r3'].slice(0, runs).map(runNamed)),
      runCount: fc.integer({ min: policies > 0 ? 0 : 1, max: runs }),
      policies: fc.array(policyNamed('p1'), { maxLength: Math.min(1, policies) }),
      days: fc.constantFrom(2, 7),
      live: fc.constantFrom(null, null, null, monday + 2 * hourMs),
    })
    .map(({ accounts, count, runs: all, runCount, policies: few, days, live }) =>
      input({
        accounts: accounts.slice(0, count),
        runs: all.slice(0, runCount),
        policies: few,
        horizonSeconds: days * day,
        live:
          live === null || runCount === 0
            ? []
            : [
                {
                  account: 'ana',
                  work: { kind: 'run', id: 'r1' },
                  endsMs: live,
                  expectedSteps: 50,
                },
              ],
      }),
    )

/** Some hours more in one week of one account. */
export const moreHours = fc
  .record({
    account: fc.constantFrom('ana', 'bia', 'caio'),
    week: fc.constantFrom(0, 1),
    seconds: fc.constantFrom(60, 0.5 * hour, hour, 5 * hour),
  })
  .map(
    ({ account, week, seconds }) =>
      (input: PlanInput): PlanInput => ({
        ...input,
        accounts: input.accounts.map((one) =>
          one.name === account
            ? {
                ...one,
                weeks: one.weeks.map((part, index) =>
                  index === week ? { ...part, leftSeconds: part.leftSeconds + seconds } : part,
                ),
              }
            : one,
        ),
      }),
  )
