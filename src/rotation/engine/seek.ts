import type { Account } from '../account.ts'
import { grantedSeconds, reserve, roundedToMinute } from '../ledger.ts'
import { firstObstacle, type Standing } from '../obstacle.ts'
import { closedUntil } from '../planner/closed.ts'
import { makePlan } from '../planner/make-plan.ts'
import type { Constraint, Plan, Stay } from '../planner/plan.ts'
import { windowSpans } from '../planner/windows.ts'
import { placeNames, unreachableFrom } from '../reach.ts'
import { isOpen, type Run, type ServingPolicy } from '../run.ts'
import { type Session, sessionName } from '../session.ts'
import { endOf } from '../session-end.ts'
import { weekOf } from '../week.ts'
import type { Draft } from './changes.ts'
import { endSession } from './end-session.ts'
import type { Effect, RunFacts, Surroundings } from './input.ts'
import { isUsed } from './look.ts'
import { mayServe, planInputOf, unseenSeconds } from './plan-input-of.ts'
import { planSession } from './plan-session.ts'
import { progressOf, type RotationState } from './state.ts'
import { nobodyServes, withoutNextLook, wordsOf } from './words-of.ts'

export interface Sought {
  readonly effects: readonly Effect[]
  /** When the plan would have something begin, by epoch milliseconds; null when nothing is to be waited for. */
  readonly lookAtMs: number | null
}

/**
 * Plans the days to come and books what begins now: a session for each open run and policy that wants one and can have it. The
 * others wait, and it is said why.
 */
export function seek(
  state: RotationState,
  draft: Draft,
  around: Surroundings,
  facts: ReadonlyMap<string, RunFacts>,
  now: Date,
): Sought {
  const live = [...state.sessions.values()].filter(({ endedAt }) => endedAt === null)
  const busy = new Set(live.map(({ runId }) => runId))
  const idle = [...state.runs.values()].filter((run) => {
    if (!isOpen(run) || !facts.has(run.id)) return false
    return run.serving !== null || !busy.has(run.id)
  })
  for (const run of idle) {
    const hasNone = !live.some(({ runId }) => runId === run.id)
    if (run.stopAsked && hasNone) stopRun(draft, run)
    const trouble = facts.get(run.id)?.trouble ?? null
    if (!run.stopAsked && hasNone && trouble !== null) wait(draft, run, trouble)
  }
  const input = planInputOf(state, around, facts, now)
  const closed = closedUntil(input)
  const plan = closed === null ? makePlan(input) : null
  const effects: Effect[] = []
  // A policy may have two begin at once, one until a person has come to the other: the next look begins the second.
  const begun = new Set<string>()
  for (const stay of plan?.stays ?? []) {
    if (stay.startMs > input.nowMs) break
    const run = idle.find(({ id }) => id === stay.work.id && !begun.has(id))
    if (run) begun.add(run.id)
    const session = run && begin(state, draft, around, facts, run, stay, now)
    if (session) effects.push({ kind: 'observe', session })
  }
  for (const session of live) {
    const better = instead(state, around, facts, session, now)
    const run = better && state.runs.get(session.runId)
    if (!run) continue
    const reason = `nobody had opened its link when ${better.account} could take its place`
    endSession(state, draft, session.id, endOf('superseded', reason), now)
    const successor = begin(state, draft, around, facts, draft.run(run.id) ?? run, better, now)
    if (successor) effects.push({ kind: 'observe', session: successor })
  }
  const waiting = idle.filter(
    (run) =>
      !run.stopAsked &&
      facts.get(run.id)?.trouble === null &&
      !live.some(({ runId }) => runId === run.id) &&
      !effects.some(({ session }) => session.runId === run.id),
  )
  for (const run of waiting) explainWait(state, draft, around, facts, run, plan, now)
  return { effects, lookAtMs: plan ? nextMoment(plan, input.nowMs) : closed }
}

function stopRun(draft: Draft, run: Run): void {
  draft.putRun({ ...run, state: 'stopped', endedAt: draft.now })
  const { id: runId, name, step } = run
  if (run.serving) draft.tell({ kind: 'policy.stopped', runId, data: { policy: name } })
  else draft.tell({ kind: 'run.stopped', runId, data: { run: name, step } })
}

/** The first moment after now at which the plan has a session begin, or a reason to wait ends. */
function nextMoment(plan: Plan, nowMs: number): number | null {
  const moments = [
    ...plan.stays.map(({ startMs }) => startMs),
    ...plan.waits.map(({ untilMs }) => untilMs ?? Number.POSITIVE_INFINITY),
  ].filter((atMs) => atMs > nowMs)
  const first = Math.min(...moments)
  return first < Number.POSITIVE_INFINITY ? first : null
}

/** What could begin at once, without a person, in place of a session that still waits for one. */
function instead(
  state: RotationState,
  around: Surroundings,
  facts: ReadonlyMap<string, RunFacts>,
  session: Session,
  now: Date,
): Stay | undefined {
  if (session.state !== 'awaiting_person' || session.serves || !facts.has(session.runId))
    return undefined
  // The person of the emulators comes at once, and is waited for.
  if (state.accounts.get(session.account)?.emulated) return undefined
  const input = planInputOf(state, around, facts, now, session)
  const isApi = (name: string) => state.accounts.get(name)?.automation === 'api'
  const others = input.accounts.filter(({ name }) => isApi(name))
  if (closedUntil({ ...input, accounts: others }) !== null) return undefined
  return makePlan(input).stays.find(
    ({ startMs, work, account }) =>
      startMs <= input.nowMs && work.id === session.runId && isApi(account),
  )
}

/** Books the stay's session. */
function begin(
  state: RotationState,
  draft: Draft,
  around: Surroundings,
  facts: ReadonlyMap<string, RunFacts>,
  run: Run,
  stay: Stay,
  now: Date,
): Session | undefined {
  const account = state.accounts.get(stay.account)
  const sessionId = facts.get(run.id)?.sessionId
  if (!account || sessionId === undefined) return undefined
  const newest = draft.run(run.id) ?? run
  const generation = newest.generation + 1
  const seconds = Math.min(stay.seconds, run.options.sessionSeconds ?? Number.POSITIVE_INFINITY)
  planSession(
    state,
    draft,
    {
      id: sessionId,
      runId: run.id,
      generation,
      name: sessionName(run.id, run.name, generation),
      account,
      plannedSeconds: seconds,
      heartbeatSeconds: run.options.heartbeatSeconds,
      fromStep: progressOf(state, run.id).furthestStep,
      sealed: run.serving === null && (around.providers.get(account.provider)?.sealed ?? false),
      reservation: reserve(account, sessionId, now, roundedToMinute(seconds)),
    },
    now,
  )
  return draft.session(sessionId)
}

/** Notes why a run cannot go on; told only when it changed. */
function wait(draft: Draft, run: Run, why: string): void {
  if (run.waiting === why) return
  draft.putRun({ ...run, waiting: why })
  // Another moment for the same reason is no news.
  if (run.waiting !== null && withoutNextLook(run.waiting) === withoutNextLook(why)) return
  const { id: runId, name } = run
  if (run.serving) draft.tell({ kind: 'policy.waiting', runId, data: { policy: name, why } })
  else draft.tell({ kind: 'run.waiting', runId, data: { run: name, why } })
}

function explainWait(
  state: RotationState,
  draft: Draft,
  around: Surroundings,
  facts: ReadonlyMap<string, RunFacts>,
  run: Run,
  plan: Plan | null,
  now: Date,
): void {
  const only = facts.get(run.id)?.only ?? null
  const because = only && `its base is a model that ${only} mounts, and no other place has it`
  const usable = [...state.accounts.values()].filter(
    (account) =>
      around.providers.has(account.provider) &&
      isUsed(around, account) &&
      (only === null || account.provider === only) &&
      (run.serving === null || mayServe(around, account)),
  )
  const beyond = run.serving ? outOfReach(state, around) : null
  if (usable.length === 0) {
    const none = run.serving
      ? (beyond ?? nobodyServes)
      : because
        ? `no account can run it: ${because}; add one with rodizio accounts add NAME --provider ${only}`
        : 'no account can run it: add one with rodizio accounts add'
    wait(draft, run, none)
    return
  }
  if (run.serving && !isWanted(run.serving, now)) {
    const first = plan?.stays.find(({ work }) => work.id === run.id)
    wait(draft, run, `outside its windows${nextLook(first ? new Date(first.startMs) : null)}`)
    return
  }
  const { sessionSeconds, minSessionSeconds } = run.options
  const least = Math.min(sessionSeconds ?? Number.POSITIVE_INFINITY, minSessionSeconds)
  const rota = usable.map((account) => standing(state, draft, account, now))
  const planned = plan?.waits.find(({ work }) => work.id === run.id)
  const obstacle = firstObstacle(rota, least, now)
  const until = obstacle?.until ?? (planned?.untilMs ? new Date(planned.untilMs) : null)
  const why = obstacle?.why ?? wordsOf(planned?.why ?? asleep(usable), state)
  const over = because ?? beyond
  const passedOver = over ? `; accounts elsewhere are passed over: ${over}` : ''
  wait(draft, run, `${why}${nextLook(until)}${passedOver}`)
}

/** To the minute: what is told again and again is told once. */
const nextLook = (until: Date | null): string =>
  until ? `; next look ${new Date(Math.ceil(until.getTime() / 60_000) * 60_000).toISOString()}` : ''

/** Whether a node is wanted now. */
const isWanted = (serving: ServingPolicy, now: Date): boolean =>
  windowSpans(serving, now.getTime(), now.getTime() + 1).length > 0

/** Why accounts that would serve are passed over: their sessions could not be heard. Null where there are none. */
function outOfReach(state: RotationState, around: Surroundings): string | null {
  const account = [...state.accounts.values()].find(
    (one) => one.serves && isUsed(around, one) && around.providers.get(one.provider)?.sealed,
  )
  return account ? unreachableFrom(placeNames[account.provider]) : null
}

/** Where no account has an obstacle of its own and none can begin, somebody sleeps or launches are backed off from. */
function asleep(usable: readonly Account[]): Constraint {
  const person = usable.find(({ automation }) => automation === 'person')
  const account = (person ?? usable[0])?.name ?? ''
  return { kind: person ? 'person' : 'hold', account }
}

function standing(state: RotationState, draft: Draft, account: Account, now: Date): Standing {
  const week = weekOf(account.reset, now)
  const mine = draft.liveSessions().filter((session) => session.account === account.name)
  const rows = draft.entriesOf(account.name)
  const reading = state.readings.get(account.name) ?? null
  const unseen = unseenSeconds(state, account.name)
  const resetsAt =
    reading?.refreshesAt && reading.refreshesAt > now ? reading.refreshesAt : week.end
  return {
    account,
    grantedSeconds: grantedSeconds(account, rows, reading, unseen, now),
    resetsAt,
    busyUntil: mine.map((session) => session.deadlineAt ?? session.expiresAt ?? resetsAt),
  }
}
