import type { Account } from '../account.ts'
import {
  balanceSeconds,
  freshReading,
  grantOf,
  roundedToMinute,
  theirLeftSeconds,
} from '../ledger.ts'
import type {
  PlanAccount,
  PlanInput,
  PlanLive,
  PlanPolicy,
  PlanRun,
  PlanWeek,
} from '../planner/plan-input.ts'
import { learnedSpeed, learnedStart } from '../planner/speed.ts'
import { backOffUntil, preferenceOf } from '../planner/weather.ts'
import { isOpen, leastServingSeconds, type Run, type ServingPolicy } from '../run.ts'
import type { Session } from '../session.ts'
import { weekOf } from '../week.ts'
import type { Prior, RunFacts, Surroundings } from './input.ts'
import { isUsed } from './look.ts'
import { progressOf, type RotationState, type Sample } from './state.ts'

/** How far a plan looks ahead. */
export const horizonSeconds = 7 * 86_400

/** From a launch until a node answers, while nothing is known of the work. */
const startPriorSeconds = 480

/** A person comes within so many seconds, while none has shown how long it takes. */
const answerPriorSeconds = 900

/**
 * What the planner has to know, out of what is remembered and what is known of the runs.
 * @param without a session that is taken as if it were not there
 */
export function planInputOf(
  state: RotationState,
  around: Surroundings,
  facts: ReadonlyMap<string, RunFacts>,
  now: Date,
  without?: Session,
): PlanInput {
  const usable = [...state.accounts.values()].filter(
    (account) => around.providers.has(account.provider) && isUsed(around, account),
  )
  const open = [...state.runs.values()].flatMap((run) => {
    const known = facts.get(run.id)
    return known && isOpen(run) && !run.stopAsked && known.trouble === null ? [{ run, known }] : []
  })
  return {
    nowMs: now.getTime(),
    horizonSeconds,
    accounts: usable.map((account) => ({
      ...accountOf(state, account, now, without),
      serves: mayServe(around, account),
    })),
    runs: open.flatMap(({ run, known }) => (run.serving ? [] : [runOf(state, run, known, usable)])),
    policies: open.flatMap(({ run, known }) => policyOf(state, run, known, now) ?? []),
    live: [...state.sessions.values()]
      .filter((session) => session.endedAt === null && session !== without)
      .map((session) => liveOf(state, session, facts, now)),
  }
}

/** Whether it lends its hours to serving, from a place whose sessions are heard: a node that takes no order is of no use. */
export const mayServe = (around: Pick<Surroundings, 'providers'>, account: Account): boolean =>
  account.serves && around.providers.get(account.provider)?.sealed === false

function accountOf(
  state: RotationState,
  account: Account,
  now: Date,
  without: Session | undefined,
): Omit<PlanAccount, 'serves'> {
  const launches = state.launches.get(account.name) ?? []
  const person = state.people.get(account.owner)
  const isPersons = isOfPerson(account)
  return {
    name: account.name,
    provider: account.provider,
    automation: isPersons ? 'person' : 'api',
    maxSessionSeconds: account.maxSessionSeconds,
    maxConcurrent: account.maxConcurrent,
    weeks: weeksOf(state, account, now, without),
    holdUntilMs: latest(
      account.holdUntil?.getTime() ?? null,
      backOffUntil(launches, now.getTime()),
    ),
    holdReason: account.holdReason,
    preference: preferenceOf(launches, now.getTime()),
    startSeconds: startPriorSeconds,
    answerSeconds: answerSeconds(state, account),
    waking: isPersons ? (person?.waking ?? null) : null,
    away: isPersons ? (person?.away ?? []) : [],
  }
}

/** A person of the emulators costs nobody's time. */
const isOfPerson = ({ automation, emulated }: Account): boolean =>
  automation === 'person' && !emulated

/** How long its person takes to come, where one has to. */
const answerSeconds = (state: RotationState, account: Account): number =>
  isOfPerson(account) ? learnedStart(answerPriorSeconds, state.answers.get(account.name) ?? []) : 0

const latest = (one: number | null, other: number | null): number | null =>
  one === null ? other : other === null ? one : Math.max(one, other)

/** This week and those that a plan of seven days, and a session at its end, can reach. */
function weeksOf(
  state: RotationState,
  account: Account,
  now: Date,
  without: Session | undefined,
): PlanWeek[] {
  const rows = (state.entries.get(account.name) ?? []).filter(
    ({ sessionId }) => without === undefined || sessionId !== without.id,
  )
  const reading = freshReading(state.readings.get(account.name) ?? null, now)
  const weeks: PlanWeek[] = []
  let week = weekOf(account.reset, now)
  for (let n = 0; n < 3; n += 1) {
    const own = balanceSeconds(
      account,
      rows,
      week.start,
      n === 0 ? grantOf(account, reading) : undefined,
    )
    const theirs = n === 0 ? theirLeftSeconds(reading, unseenSeconds(state, account.name)) : own
    weeks.push({
      startMs: week.start.getTime(),
      endMs: week.end.getTime(),
      leftSeconds: Math.max(0, Math.min(own, theirs)),
    })
    week = weekOf(account.reset, week.end)
  }
  return weeks
}

/** Booked by sessions that the provider's reading cannot know of yet. */
export function unseenSeconds(state: RotationState, account: string): number {
  const reading = state.readings.get(account)
  if (!reading) return 0
  return [...state.sessions.values()]
    .filter(
      (session) =>
        session.account === account &&
        session.endedAt === null &&
        session.createdAt > reading.readAt,
    )
    .reduce((sum, session) => sum + session.plannedSeconds, 0)
}

function runOf(
  state: RotationState,
  run: Run,
  { only, prior: given }: RunFacts,
  usable: readonly Account[],
): PlanRun {
  const mine = usable.filter(({ provider }) => only === null || provider === only)
  const { furthestStep, lastStartMs } = progressOf(state, run.id)
  const shortest = Math.min(
    run.options.sessionSeconds ?? Number.POSITIVE_INFINITY,
    ...mine.map(({ maxSessionSeconds }) => maxSessionSeconds),
  )
  const prior = isTried(state, run.id) ? given : fitted(given, shortest)
  return {
    id: run.id,
    name: run.name,
    priority: run.priority,
    createdMs: run.createdAt.getTime(),
    remainingSteps: Math.max(1, run.targetSteps - furthestStep),
    stepsPerHour: new Map(mine.map(({ name }) => [name, speedOn(state, run.id, name, prior)])),
    startSeconds: new Map(mine.map(({ name }) => [name, startOn(state, run.id, name, prior)])),
    // Booked by the minute, also where the session itself is shorter.
    maxSessionSeconds:
      run.options.sessionSeconds === null ? null : roundedToMinute(run.options.sessionSeconds),
    minSessionSeconds: run.options.minSessionSeconds,
    sessionSteps: run.options.sessionSteps,
    saveSeconds: prior.saveSeconds,
    lastGeneration: state.lastGenerations.get(run.id) ?? new Map(),
    ...(lastStartMs === null ? {} : { lastStartMs }),
  }
}

const isTried = (state: RotationState, runId: string): boolean =>
  (state.samples.get(runId) ?? []).length > 0

/** An estimate never keeps a run from its first session: start, one step and its checkpoint fit into the shortest one. */
const fitted = (prior: Prior, shortestSeconds: number): Prior => ({
  startSeconds: Math.min(prior.startSeconds, 0.4 * shortestSeconds),
  stepsPerHour: Math.max(prior.stepsPerHour, 3600 / (0.4 * shortestSeconds)),
  saveSeconds: Math.min(prior.saveSeconds, 0.1 * shortestSeconds),
})

const samplesOn = (state: RotationState, runId: string, account: string) =>
  (state.samples.get(runId) ?? []).filter((sample) => sample.account === account)

/** Steps an hour at that account: what its own sessions show, else those of the others, else what is expected. */
function speedOn(state: RotationState, runId: string, account: string, prior: Prior): number {
  const elsewhere = learnedSpeed(prior.stepsPerHour, state.samples.get(runId) ?? [])
  return learnedSpeed(elsewhere, samplesOn(state, runId, account))
}

/** From the launch to the first step there; what other accounts have shown to be far too long a guess is not held against it. */
function startOn(state: RotationState, runId: string, account: string, prior: Prior): number {
  const startsOf = (samples: readonly Sample[]) => samples.map(({ startSeconds }) => startSeconds)
  const elsewhere = learnedStart(prior.startSeconds, startsOf(state.samples.get(runId) ?? []))
  const guess = elsewhere < prior.startSeconds / 2 ? elsewhere : prior.startSeconds
  return learnedStart(guess, startsOf(samplesOn(state, runId, account)))
}

/** After a node was lost on an account, its successor goes elsewhere for so long where it can. */
const avoidMs = 3_600_000

const policyOf = (
  state: RotationState,
  run: Run,
  { only }: RunFacts,
  now: Date,
): PlanPolicy | undefined =>
  run.serving
    ? {
        id: run.id,
        name: run.name,
        priority: run.priority,
        createdMs: run.createdAt.getTime(),
        windows: run.serving.windows,
        overlapSeconds: run.serving.overlapSeconds,
        ...longestOf(run.serving, run.options.sessionSeconds),
        ...(only === null ? {} : { only }),
        avoid: new Set(
          [...(state.nodesLost.get(run.id) ?? [])]
            .filter(([, lostMs]) => now.getTime() - lostMs < avoidMs)
            .map(([name]) => name),
        ),
      }
    : undefined

/** Sessions of minutes, for trying, are laid as whole ones and cut when they begin. */
const longestOf = ({ overlapSeconds }: ServingPolicy, sessionSeconds: number | null) =>
  sessionSeconds === null || sessionSeconds < leastServingSeconds(overlapSeconds)
    ? {}
    : { maxSessionSeconds: sessionSeconds }

/** When the time of a session begins that waits for its person: they are expected as late as when they were asked. */
function comesMs(state: RotationState, session: Session, now: Date): number {
  const account = state.accounts.get(session.account)
  const answerMs = account ? answerSeconds(state, account) * 1000 : 0
  return Math.max(now.getTime(), session.createdAt.getTime() + answerMs)
}

function liveOf(
  state: RotationState,
  session: Session,
  facts: ReadonlyMap<string, RunFacts>,
  now: Date,
): PlanLive {
  const { deadlineAt, account, runId: id } = session
  const beginsMs = session.serves ? comesMs(state, session, now) : now.getTime()
  const endsMs = deadlineAt?.getTime() ?? beginsMs + session.plannedSeconds * 1000
  const work = { kind: session.serves ? ('policy' as const) : ('run' as const), id }
  const prior = facts.get(id)?.prior
  const begun = session.trainingAt?.getTime()
  const start = prior && begun === undefined ? startOn(state, id, account, prior) : 0
  const left = Math.max(0, (endsMs - now.getTime()) / 1000 - start - (prior?.saveSeconds ?? 0))
  const ahead = prior ? Math.floor((left * speedOn(state, id, account, prior)) / 3600) : 0
  const beyond = session.toStep - progressOf(state, id).furthestStep
  return { account, work, endsMs, expectedSteps: Math.max(0, beyond) + ahead }
}
