import { planInputOf } from '../rotation/engine/plan-input-of.ts'
import type { RotationState } from '../rotation/engine/state.ts'
import { gapWords, withoutNextLook } from '../rotation/engine/words-of.ts'
import { coverageOf, type GapReason } from '../rotation/planner/coverage.ts'
import type { Span } from '../rotation/planner/plan-input.ts'
import { type Finish, type PlanFacts, type PlanView, viewPlan } from './plan-view.ts'
import type { Policy } from './run-or-policy.ts'

/** Sessions of trainings, those under way among them: booked GPU time, and the steps that are expected of it. */
export interface Training {
  readonly seconds: number
  readonly steps: number
}

/** What the plan makes of a serving policy in its days, and what that takes from training. */
export interface ServingOutlook {
  readonly from: Date
  readonly until: Date
  readonly wantedSeconds: number
  readonly servedSeconds: number
  readonly served: readonly {
    readonly account: string
    readonly from: Date
    readonly to: Date
    readonly isLive: boolean
  }[]
  readonly gaps: readonly {
    readonly from: Date
    readonly to: Date
    /** In words, without a full stop; at least one. */
    readonly why: readonly string[]
  }[]
  /** What the trainings get in these days, and those whose end moves. */
  readonly training: {
    readonly without: Training
    readonly with: Training
    readonly moved: readonly {
      readonly run: string
      readonly without: Finish | null
      readonly with: Finish | null
    }[]
  }
}

/** The plan with a policy, which need not be stored, beside the same plan without it. */
export function servingOutlook(facts: PlanFacts, policy: Policy): ServingOutlook {
  const { state, around, runs, now } = facts
  const known = runs.get(policy.id)
  const others = new Map([...state.runs].filter(([id]) => id !== policy.id))
  const without: PlanFacts = { ...facts, state: { ...state, runs: others } }
  // What stands in the way of a session now may be gone tomorrow; the policy itself tells it.
  const withIt: PlanFacts = {
    ...facts,
    state: { ...state, runs: new Map([...others, [policy.id, policy]]) },
    runs: known ? new Map([...runs, [policy.id, { ...known, trouble: null }]]) : runs,
  }
  const input = planInputOf(withIt.state, around, withIt.runs, now)
  const coverage = coverageOf(input, policy.id)
  const before = viewPlan(without, false)
  const after = viewPlan(withIt, false)
  const wantedMs = lengthMs(coverage.wanted)
  return {
    from: now,
    until: new Date(now.getTime() + input.horizonSeconds * 1000),
    wantedSeconds: Math.round(wantedMs / 1000),
    servedSeconds: Math.round((wantedMs - lengthMs(coverage.gaps)) / 1000),
    served: coverage.served.map(({ account, isLive, ...span }) => ({
      account,
      isLive,
      ...dates(span),
    })),
    gaps: coverage.gaps.map(({ why, ...span }) => ({
      ...dates(span),
      why: [...new Set(why.map((reason) => words(reason, withIt.state, policy)))],
    })),
    training: {
      without: trained(before.stays),
      with: trained(after.stays),
      moved: [...before.finishes].flatMap(([run, finish]) => {
        const then = after.finishes.get(run) ?? null
        return finish?.likely.getTime() === then?.likely.getTime()
          ? []
          : [{ run, without: finish, with: then }]
      }),
    },
  }
}

const lengthMs = (spans: readonly Span[]): number =>
  spans.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)

const dates = ({ fromMs, toMs }: Span) => ({ from: new Date(fromMs), to: new Date(toMs) })

function trained(stays: PlanView['stays']): Training {
  const mine = stays.filter(({ serves }) => !serves)
  return {
    seconds: mine.reduce((sum, { seconds }) => sum + seconds, 0),
    steps: mine.reduce((sum, { steps }) => sum + steps, 0),
  }
}

/** Where no account is planned with, though there are some that may serve, the tick may have noted what stands in the way. */
function words(why: GapReason, state: RotationState, { waiting }: Policy): string {
  const may = [...state.accounts.values()].some(
    ({ serves, provider }) =>
      serves && why.kind === 'nobody' && (why.only === null || why.only === provider),
  )
  if (!may) return gapWords(why, state)
  return waiting === null
    ? 'the accounts that may serve cannot be used now: rodizio doctor says why'
    : withoutNextLook(waiting)
}
