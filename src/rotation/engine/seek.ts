import type { Account } from '../account.ts'
import { type Choice, chooseAccount, type Standing } from '../choose-account.ts'
import { grantedSeconds, reserve, roundedToMinute } from '../ledger.ts'
import { isOpen, type Run } from '../run.ts'
import { type Session, sessionName } from '../session.ts'
import { weekOf } from '../week.ts'
import type { Draft } from './changes.ts'
import type { Effect, RunFacts, Surroundings } from './input.ts'
import { isUsed } from './look.ts'
import { planSession } from './plan-session.ts'
import { progressOf, type RotationState } from './state.ts'

/** Books a session for each open run that has none, where one can be had; the others wait, and it is said why. */
export function seek(
  state: RotationState,
  draft: Draft,
  around: Surroundings,
  facts: ReadonlyMap<string, RunFacts>,
  now: Date,
): Effect[] {
  const live = [...state.sessions.values()].filter(({ endedAt }) => endedAt === null)
  const busy = new Set(live.map(({ runId }) => runId))
  const effects: Effect[] = []
  for (const run of state.runs.values()) {
    const known = facts.get(run.id)
    if (!known || !isOpen(run) || busy.has(run.id)) continue
    const session = seekOne(state, draft, run, known, around, now)
    if (session) effects.push({ kind: 'observe', session })
  }
  return effects
}

function seekOne(
  state: RotationState,
  draft: Draft,
  run: Run,
  facts: RunFacts,
  around: Surroundings,
  now: Date,
): Session | undefined {
  if (run.stopAsked) {
    draft.putRun({ ...run, state: 'stopped', endedAt: now })
    draft.tell({ kind: 'run.stopped', runId: run.id, data: { run: run.name, step: run.step } })
    return undefined
  }
  if (facts.trouble !== null) {
    wait(draft, run, facts.trouble)
    return undefined
  }
  const usable = [...state.accounts.values()].filter(
    (account) =>
      around.providers.has(account.provider) &&
      isUsed(around, account) &&
      (facts.only === null || account.provider === facts.only),
  )
  const rota = usable.map((account) => standing(state, draft, run, account, now))
  const wanted = run.options.sessionSeconds ?? Number.POSITIVE_INFINITY
  const choice = chooseAccount(rota, wanted, Math.min(wanted, run.options.minSessionSeconds), now)
  if (choice.kind !== 'start') {
    wait(draft, run, waitingFor(choice, facts.only))
    return undefined
  }
  const { account } = choice
  const generation = run.generation + 1
  planSession(
    state,
    draft,
    {
      id: facts.sessionId,
      runId: run.id,
      generation,
      name: sessionName(run.id, run.name, generation),
      account,
      plannedSeconds: choice.seconds,
      heartbeatSeconds: run.options.heartbeatSeconds,
      fromStep: progressOf(state, run.id).furthestStep,
      sealed: around.providers.get(account.provider)?.sealed ?? false,
      reservation: reserve(account, facts.sessionId, now, roundedToMinute(choice.seconds)),
    },
    now,
  )
  return draft.session(facts.sessionId)
}

/** Notes why a run cannot go on; told only when it changed. */
function wait(draft: Draft, run: Run, why: string): void {
  if (run.waiting === why) return
  draft.putRun({ ...run, waiting: why })
  draft.tell({ kind: 'run.waiting', runId: run.id, data: { run: run.name, why } })
}

/** @param only the provider that alone has the run's base */
function waitingFor(choice: Exclude<Choice, { kind: 'start' }>, only: RunFacts['only']): string {
  const because = only && `its base is a model that ${only} mounts, and no other place has it`
  if (choice.kind === 'wait') {
    const passedOver = because ? `; accounts elsewhere are passed over: ${because}` : ''
    return `${choice.why}; next look ${choice.until.toISOString()}${passedOver}`
  }
  return because
    ? `no account can run it: ${because}; add one with rodizio accounts add NAME --provider ${only}`
    : 'no account can run it: add one with rodizio accounts add'
}

function standing(
  state: RotationState,
  draft: Draft,
  run: Run,
  account: Account,
  now: Date,
): Standing {
  const week = weekOf(account.reset, now)
  const mine = [...state.sessions.values(), ...draft.changes.sessions.values()].filter(
    (session) => session.account === account.name && session.endedAt === null,
  )
  const rows = [
    ...(state.entries.get(account.name) ?? []),
    ...draft.changes.entries.filter((entry) => entry.account === account.name),
  ]
  const reading = state.readings.get(account.name) ?? null
  const unseen = mine
    .filter((session) => reading && session.createdAt > reading.readAt)
    .reduce((sum, session) => sum + session.plannedSeconds, 0)
  return {
    account,
    grantedSeconds: grantedSeconds(account, rows, reading, unseen, now),
    resetsAt: reading?.refreshesAt && reading.refreshesAt > now ? reading.refreshesAt : week.end,
    liveSessions: mine.length,
    lastGeneration: state.lastGenerations.get(run.id)?.get(account.name) ?? 0,
  }
}
