import type {
  PlanAccount,
  PlanInput,
  PlanLive,
  PlanPolicy,
  PlanRun,
  PlanWeek,
} from '../../../src/rotation/planner/plan-input.ts'

export const hour = 3600
export const hourMs = 3_600_000
export const day = 24 * hour
/** Monday, 09:00 UTC. */
export const monday = Date.parse('2026-06-01T09:00:00Z')

/** Weeks from a reset on: the first holds `monday`. Hours left in the first, in the second, and so on; the last again and again. */
export function weeksFrom(firstResetMs: number, ...hoursLeft: readonly number[]): PlanWeek[] {
  return Array.from({ length: 8 }, (_, index) => ({
    startMs: firstResetMs + (index - 1) * 7 * day * 1000,
    endMs: firstResetMs + index * 7 * day * 1000,
    leftSeconds: (hoursLeft[Math.min(index, hoursLeft.length - 1)] ?? 0) * hour,
  }))
}

/** Saturday 00:00 UTC after `monday`, as at Kaggle. */
export const saturday = Date.parse('2026-06-06T00:00:00Z')

/** An account by API that starts in eight minutes and takes sessions of nine hours; 28 hours a week. */
export const api = (name: string, change: Partial<PlanAccount> = {}): PlanAccount => ({
  name,
  provider: 'kaggle',
  automation: 'api',
  maxSessionSeconds: 9 * hour,
  maxConcurrent: 1,
  weeks: weeksFrom(saturday, 28),
  holdUntilMs: null,
  holdReason: null,
  preference: 1,
  startSeconds: 480,
  answerSeconds: 0,
  waking: null,
  away: [],
  serves: true,
  ...change,
})

/** An account that a person starts between 8 and 23 UTC, coming after a quarter of an hour; twelve hours a session, 38 a week. */
export const person = (name: string, change: Partial<PlanAccount> = {}): PlanAccount => ({
  ...api(name),
  provider: 'colab',
  automation: 'person',
  maxSessionSeconds: 12 * hour,
  weeks: weeksFrom(saturday, 38),
  answerSeconds: 900,
  waking: { fromHour: 8, toHour: 23, zone: 'UTC' },
  ...change,
})

/** A run of a hundred steps an hour on every account called `ana`, `bia` or `caio`, half an hour at least, 20 s a checkpoint. */
export const run = (
  id: string,
  remainingSteps: number,
  change: Partial<PlanRun> = {},
): PlanRun => ({
  id,
  name: id,
  priority: 0,
  createdMs: 0,
  remainingSteps,
  stepsPerHour: new Map([
    ['ana', 100],
    ['bia', 100],
    ['caio', 100],
  ]),
  maxSessionSeconds: null,
  minSessionSeconds: 1800,
  sessionSteps: null,
  saveSeconds: 20,
  lastGeneration: new Map(),
  ...change,
})

export const policy = (id: string, change: Partial<PlanPolicy> = {}): PlanPolicy => ({
  id,
  name: id,
  priority: 0,
  createdMs: 0,
  windows: 'always',
  overlapSeconds: 900,
  avoid: new Set(),
  ...change,
})

export const live = (
  account: string,
  work: PlanLive['work'],
  endsMs: number,
  expectedSteps = 0,
): PlanLive => ({ account, work, endsMs, expectedSteps })

/** Seven days from Monday, 09:00 UTC. */
export const input = (change: Partial<PlanInput> = {}): PlanInput => ({
  nowMs: monday,
  horizonSeconds: 7 * day,
  accounts: [],
  runs: [],
  policies: [],
  live: [],
  ...change,
})
