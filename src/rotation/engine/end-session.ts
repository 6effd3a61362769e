import { settle } from '../ledger.ts'
import { afterSession, type SessionEnd } from '../session-end.ts'
import { about, type Draft } from './changes.ts'
import { progressOf, type RotationState } from './state.ts'

/**
 * Ends a session once: books settled, the run moved on, its account held where the end asks for it. False when it had ended
 * before.
 * @param mayGoOn it may run on to its limit unheard, and nobody can stop it: it is charged to its end as it was booked
 */
export function endSession(
  state: RotationState,
  draft: Draft,
  sessionId: string,
  end: SessionEnd,
  now: Date,
  mayGoOn = false,
): boolean {
  const session = draft.session(sessionId)
  const run = session && draft.run(session.runId)
  const account = session && draft.account(session.account)
  if (!session || session.endedAt || !run || !account) return false
  // A session that never left this machine used nothing; any other is charged from its launch, at most to its cap.
  const neverRan =
    end.outcome === 'cancelled' || end.outcome === 'expired' || end.outcome === 'superseded'
  const unused = neverRan && session.enrolledAt === null
  const begun = unused ? null : session.launchedAt
  const used = begun ? Math.max(0, Math.ceil((now.getTime() - begun.getTime()) / 1000)) : 0
  const usedSeconds = mayGoOn ? session.plannedSeconds : Math.min(used, session.plannedSeconds)
  const reserved = draft
    .entriesOf(account.name)
    .filter((entry) => entry.sessionId === sessionId && entry.kind === 'reserve')
    .toSorted((a, b) => a.weekStart.getTime() - b.weekStart.getTime())
  draft.changes.entries.push(
    ...settle(account, sessionId, reserved, begun ?? session.createdAt, usedSeconds),
  )
  draft.putSession({
    ...session,
    state: 'ended',
    outcome: end.outcome,
    reason: end.reason,
    endedAt: now,
    node: null,
    restart: null,
    usedSeconds,
    logTail: end.logTail,
  })
  const { hasArtifact, sessions } = progressOf(state, run.id)
  const progressed = (session.lastCheckpointStep ?? session.fromStep) > session.fromStep
  const change = afterSession(run, session, end, progressed, hasArtifact)
  const over =
    change.state === 'completed' || change.state === 'failed' || change.state === 'stopped'
  draft.putRun({ ...run, ...change, endedAt: over ? now : null, waiting: null })
  if (end.holdUntil) holdAccount(draft, account.name, end.holdUntil, end.reason)
  const ref = { runId: run.id, sessionId }
  const lostSteps = Math.max(0, session.toStep - (session.lastCheckpointStep ?? session.fromStep))
  const data = {
    ...about(session),
    run: run.name,
    outcome: end.outcome,
    reason: end.reason,
    toStep: session.toStep,
    checkpointStep: session.lastCheckpointStep ?? session.fromStep,
    lostSteps: end.outcome === 'finished' ? 0 : lostSteps,
    usedSeconds,
    serves: session.serves,
    // A node that has ever answered is told of as one that is down.
    ...(session.serves ? { answered: session.trainingAt !== null } : {}),
    staged: run.sample && end.outcome === 'preempted',
  }
  draft.tell({ kind: 'session.ended', ...ref, data })
  if (change.options && !over) {
    const { rowsAtOnce } = change.options
    draft.tell({ kind: 'run.rows_halved', ...ref, data: { run: run.name, rowsAtOnce } })
  }
  if (over) {
    const kind = `run.${change.state}` as 'run.completed' | 'run.failed' | 'run.stopped'
    // Not the generation: a session that was started again has had several.
    const { name, step, sample, engine } = run
    const told = { run: name, step, sample, engine, sessions, failure: change.failure }
    draft.tell({ kind, ...ref, data: told })
  }
  return true
}

/** The account is left alone until then. */
export function holdAccount(draft: Draft, name: string, until: Date, reason: string): void {
  const account = draft.account(name)
  if (!account) return
  draft.putAccount({ ...account, holdUntil: until, holdReason: reason })
  draft.tell({
    kind: 'account.held',
    data: { account: name, until: until.toISOString(), reason },
  })
}
