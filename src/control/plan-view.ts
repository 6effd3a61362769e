import type { ProviderName } from '../rotation/account.ts'
import type { RunFacts, Surroundings } from '../rotation/engine/input.ts'
import { doubtOf, paced } from '../rotation/engine/paced.ts'
import { planInputOf } from '../rotation/engine/plan-input-of.ts'
import { progressOf, type RotationState } from '../rotation/engine/state.ts'
import { boundWords, nobodyServes, withoutNextLook, wordsOf } from '../rotation/engine/words-of.ts'
import { explain } from '../rotation/planner/explain.ts'
import { finishOf } from '../rotation/planner/finish.ts'
import { makePlan } from '../rotation/planner/make-plan.ts'
import type { Explained, Plan, Stay, Wait } from '../rotation/planner/plan.ts'
import type { PlanInput, PlanLive } from '../rotation/planner/plan-input.ts'
import { isOpen, type Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'

export interface PlanFacts {
  readonly state: RotationState
  readonly around: Surroundings
  readonly runs: ReadonlyMap<string, RunFacts>
  readonly now: Date
}

export interface ViewedAccount {
  readonly name: string
  readonly provider: ProviderName
  readonly owner: string
  readonly emulated: boolean
  /** In order; the first holds the moment of planning. Left by our book and, this week, the provider's, before the plan. */
  readonly weeks: readonly {
    readonly start: Date
    readonly end: Date
    readonly leftSeconds: number
  }[]
}

export interface ViewedStay {
  readonly account: string
  /** The name of its run or policy. */
  readonly work: string
  readonly serves: boolean
  readonly state: 'live' | 'awaiting_person' | 'planned'
  readonly start: Date
  readonly end: Date
  /** GPU time that is booked for it. */
  readonly seconds: number
  /** That it is expected to do from its beginning to its end; 0 where it serves. */
  readonly steps: number
  /** What it hangs on, in words; null of one that is not planned, or where nobody asked. */
  readonly bound: string | null
  /** The account that would have been next. */
  readonly runnerUp: string | null
}

export interface Finish {
  readonly likely: Date
  readonly earliest: Date
  readonly latest: Date
}

/** The plan of the days to come, as people see it. */
export interface PlanView {
  readonly made: Date
  readonly until: Date
  readonly accounts: readonly ViewedAccount[]
  /** By start, then by account. */
  readonly stays: readonly ViewedStay[]
  readonly waits: readonly {
    readonly work: string
    readonly serves: boolean
    readonly why: string
    /** When to look again; null when nothing in the plan's days will change it. */
    readonly until: Date | null
  }[]
  /** By the name of each open training; null where nothing of it is planned. */
  readonly finishes: ReadonlyMap<string, Finish | null>
  /** Seconds of wanted windows that nobody serves, by the policy's name. */
  readonly unserved: ReadonlyMap<string, number>
}

/**
 * The plan as the next tick would make it, and what it comes to.
 * @param withReasons whether it is told of each planned session what bound it, which takes a plan more for each thing that might
 */
export function viewPlan(facts: PlanFacts, withReasons: boolean): PlanView {
  const { state, around, runs, now } = facts
  const input = planInputOf(state, around, runs, now)
  const plan = makePlan(input)
  const nameOf = (id: string) => state.runs.get(id)?.name ?? id
  const reasons = withReasons ? explain(input) : []
  return {
    made: now,
    until: new Date(plan.untilMs),
    accounts: input.accounts
      .map(({ name, provider, weeks }) => ({
        name,
        provider,
        owner: state.accounts.get(name)?.owner ?? name,
        emulated: state.accounts.get(name)?.emulated ?? false,
        weeks: weeks.map(({ startMs, endMs, leftSeconds }) => ({
          start: new Date(startMs),
          end: new Date(endMs),
          leftSeconds,
        })),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    stays: [
      ...liveStays(facts, input),
      ...plan.stays.map((stay, index) => plannedStay(state, input, stay, reasons[index])),
    ].toSorted((a, b) => a.start.getTime() - b.start.getTime() || (a.account < b.account ? -1 : 1)),
    waits: [...troubled(facts), ...plan.waits.map((wait) => waitOf(state, input, wait))],
    finishes: new Map(
      [...finishesOf(facts, input, plan)].map(([id, finish]) => [nameOf(id), finish]),
    ),
    unserved: new Map([...plan.unserved].map(([id, seconds]) => [nameOf(id), seconds])),
  }
}

/** When each open training will be done, by its id; without the rest of the view. */
export function viewFinishes(facts: PlanFacts): ReadonlyMap<string, Finish | null> {
  const input = planInputOf(facts.state, facts.around, facts.runs, facts.now)
  return finishesOf(facts, input, makePlan(input))
}

/**
 * The likely date rests on the speeds as they are learned. For the spread the same is planned twice more, with every run faster
 * and slower by as much as its speed is in doubt (`doubtOf`), and where these do not enclose the likely date, it is their bound.
 */
function finishesOf(
  facts: PlanFacts,
  input: PlanInput,
  plan: Plan,
): ReadonlyMap<string, Finish | null> {
  const other = (sign: 1 | -1) => {
    const doubt = (id: string) => doubtOf(facts.state.samples.get(id) ?? [])
    const at = paced(facts.state, facts.runs, (id) => 1 + sign * doubt(id))
    const otherInput = planInputOf(at.state, facts.around, at.facts, facts.now)
    return { input: otherInput, plan: makePlan(otherInput) }
  }
  const open = [...facts.state.runs.values()].filter((run) => isOpen(run) && run.serving === null)
  if (open.length === 0) return new Map()
  const fast = other(1)
  const slow = other(-1)
  return new Map(
    open.map(({ id }) => {
      const likely = finishOf(input, plan, id)
      if (likely === null) return [id, null]
      const early = finishOf(fast.input, fast.plan, id) ?? likely
      const late = finishOf(slow.input, slow.plan, id) ?? likely
      return [
        id,
        {
          likely: new Date(likely),
          earliest: new Date(Math.min(likely, early)),
          latest: new Date(Math.max(likely, late)),
        },
      ]
    }),
  )
}

/** Sessions that have not ended: the input has them in the state's order. */
function liveStays(facts: PlanFacts, { live }: PlanInput): ViewedStay[] {
  const open = [...facts.state.sessions.values()].filter(({ endedAt }) => endedAt === null)
  return open.flatMap((session, index) => {
    const known = live[index]
    if (!known) return []
    const { account, runId, state, serves } = session
    return {
      account,
      work: facts.state.runs.get(runId)?.name ?? runId,
      serves,
      state: state === 'awaiting_person' ? ('awaiting_person' as const) : ('live' as const),
      start: session.launchedAt ?? session.createdAt,
      end: new Date(known.endsMs),
      seconds: session.plannedSeconds,
      steps: serves ? 0 : stepsOf(facts, session, known),
      bound: null,
      runnerUp: null,
    }
  })
}

function stepsOf({ state }: PlanFacts, session: Session, live: PlanLive): number {
  const { furthestStep } = progressOf(state, session.runId)
  const target = state.runs.get(session.runId)?.targetSteps ?? 0
  const reached = Math.min(target, furthestStep + live.expectedSteps)
  return Math.max(0, Math.round(reached - session.fromStep))
}

function plannedStay(
  state: RotationState,
  input: PlanInput,
  stay: Stay,
  reason: Explained | undefined,
): ViewedStay {
  const { account, work, startMs, seconds, steps } = stay
  const answerSeconds = input.accounts.find(({ name }) => name === account)?.answerSeconds ?? 0
  return {
    account,
    work: state.runs.get(work.id)?.name ?? work.id,
    serves: work.kind === 'policy',
    state: 'planned',
    start: new Date(startMs),
    end: new Date(startMs + (answerSeconds + seconds) * 1000),
    seconds,
    steps: Math.round(steps),
    bound: reason ? boundWords(reason.bound, state) : null,
    runnerUp: reason?.runnerUp ?? null,
  }
}

/** Runs for which nothing is planned, since no session of theirs could be started. */
function troubled({ state, runs }: PlanFacts): PlanView['waits'] {
  return [...state.runs.values()].flatMap((run) => {
    const why = isOpen(run) && !run.stopAsked ? runs.get(run.id)?.trouble : null
    return why ? [{ work: run.name, serves: run.serving !== null, why, until: null }] : []
  })
}

function waitOf(state: RotationState, input: PlanInput, { work, untilMs, why }: Wait) {
  const run = state.runs.get(work.id)
  return {
    work: run?.name ?? work.id,
    serves: work.kind === 'policy',
    why: why.kind === 'none' ? unnamed(state, input, run) : wordsOf(why, state),
    until: untilMs === null ? null : new Date(untilMs),
  }
}

/** Where the planner names no constraint, what the tick has noted of the run may tell more. */
function unnamed(state: RotationState, { accounts }: PlanInput, run: Run | undefined): string {
  if (run?.serving && ![...state.accounts.values()].some(({ serves }) => serves)) {
    return nobodyServes
  }
  if (run?.waiting) return withoutNextLook(run.waiting)
  return accounts.length === 0
    ? 'no account can run it: add one with rodizio accounts add'
    : wordsOf(undefined, { runs: new Map(), accounts: new Map() })
}
