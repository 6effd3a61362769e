import { secondsBetween } from '../../lib/clock.ts'
import type { Account } from '../account.ts'
import type { Session } from '../session.ts'
import { endOf, type SessionEnd } from '../session-end.ts'
import type { LaunchResult, Observed } from '../session-provider.ts'
import type { Draft } from './changes.ts'
import { endSession } from './end-session.ts'
import type { Effect, ProviderFacts, Surroundings } from './input.ts'
import { awaiting, started } from './launching.ts'
import { isOverdue } from './look.ts'
import { mustSession, type RotationState } from './state.ts'

/** A launch that no answer confirms is tried again for so long, then another account has its turn. */
const launchWithinSeconds = 120
const launchHoldSeconds = 600

const after = (now: Date, seconds: number): Date => new Date(now.getTime() + seconds * 1000)

/** What follows from a provider's word on a session: it has begun, must be pushed, has ended, or nothing yet. */
export function observed(
  state: RotationState,
  draft: Draft,
  sessionId: string,
  seen: Observed,
  logTail: string | undefined,
  around: Surroundings,
  now: Date,
): Effect[] {
  const session = mustSession(state, sessionId)
  const account = state.accounts.get(session.account)
  const provider = around.providers.get(session.provider)
  if (session.endedAt || !account || !provider) return []
  const isUnsent = session.state === 'planned' || session.state === 'launching'
  if (isUnsent && !isOverdue(session, now))
    return onLaunch(state, draft, session, account, provider, seen, around, now)
  draft.putSession({ ...session, checkedAt: now })
  return conclude(state, draft, session, provider, seen, logTail, now)
}

/** Status first, then push: a second push would start a second session. */
function onLaunch(
  state: RotationState,
  draft: Draft,
  session: Session,
  account: Account,
  provider: ProviderFacts,
  seen: Observed,
  around: Surroundings,
  now: Date,
): Effect[] {
  const end = (reason: string, holdUntil: Date | null = null) => {
    endSession(state, draft, session.id, endOf('cancelled', reason, { holdUntil }), now)
    return []
  }
  const sent = session.launchedAt
  const mayAppear = sent !== null && secondsBetween(sent, now) < provider.appearsWithinSeconds
  const isStopped = state.runs.get(session.runId)?.stopAsked
  if (isStopped && (session.state === 'planned' || (seen.kind === 'absent' && !mayAppear)))
    return end('the run was stopped before it started')
  const checked = { ...session, checkedAt: now }
  draft.putSession(checked)
  if (account.automation === 'person' && seen.kind === 'queued') {
    awaiting(draft, checked, seen.handle, after(now, around.personSeconds))
    return []
  }
  if (seen.kind === 'queued' || seen.kind === 'running') {
    started(draft, checked, seen.handle, now)
    return []
  }
  if (seen.kind === 'ended') {
    started(draft, checked, session.name, now)
    return []
  }
  if (seen.kind === 'unknown') {
    // One that cannot even be asked keeps the booking until it can: the session may be running there.
    if (session.state !== 'planned') return []
    // Nothing was ever sent: the hours go back, and another account may be tried.
    return end(`${provider.name} cannot be asked: ${seen.reason}`, after(now, 60))
  }
  if (mayAppear) return []
  if (secondsBetween(session.createdAt, now) > launchWithinSeconds) {
    const reason = `${provider.name} did not start it within ${launchWithinSeconds} s`
    return end(reason, after(now, launchHoldSeconds))
  }
  // It may have got further than it could tell: its notebook's output has the checkpoints.
  const unheard = state.unheard.get(session.runId)?.get(account.name)
  return [{ kind: 'push', session, outputsOf: unheard === undefined ? [] : [unheard] }]
}

/** The provider's answer to a push. One that is lost means that it may still come: it is waited for from now on. */
export function launched(
  state: RotationState,
  draft: Draft,
  sessionId: string,
  result: LaunchResult,
  around: Surroundings,
  now: Date,
): void {
  const session = state.sessions.get(sessionId)
  if (!session || session.endedAt) return
  switch (result.kind) {
    case 'started':
      started(draft, session, result.handle, now)
      return
    case 'awaits-person':
      awaiting(draft, session, result.link, after(now, around.personSeconds))
      return
    case 'refused': {
      const reason = `${session.provider} did not start it: ${result.reason}`
      const end = endOf('cancelled', reason, { holdUntil: result.retryAt })
      endSession(state, draft, session.id, end, now)
      return
    }
    case 'unknown':
      if (session.state !== 'launching') return
      draft.putSession({
        ...session,
        launchedAt: now,
        deadlineAt: after(now, session.plannedSeconds),
      })
  }
}

/** What becomes of a session that was silent, or has not begun. */
function conclude(
  state: RotationState,
  draft: Draft,
  session: Session,
  provider: ProviderFacts,
  seen: Observed,
  logTail: string | undefined,
  now: Date,
): Effect[] {
  // The provider's own cap has passed too: what still runs there is a zombie, fenced off from here on.
  if (isOverdue(session, now)) return [{ kind: 'kill', session }]
  if (seen.kind === 'unknown' || seen.kind === 'queued' || seen.kind === 'running') return []
  const sent = secondsBetween(session.launchedAt ?? session.createdAt, now)
  if (seen.kind === 'absent' && sent < provider.appearsWithinSeconds) return []
  if (logTail === undefined) return [{ kind: 'read-log', session, seen }]
  endSession(state, draft, session.id, endSeen(session, provider, seen, logTail), now)
  return []
}

function endSeen(
  session: Session,
  provider: ProviderFacts,
  seen: Observed,
  logTail: string,
): SessionEnd {
  if (session.enrolledAt === null) {
    const what = seen.kind === 'ended' ? 'ended before it reached this service' : 'is not there'
    const message = (seen.kind === 'ended' && seen.message) || `the session ${what}`
    const failure = { class: 'notebook_bug' as const, message, line: null }
    return endOf('failed', message, { failure, logTail })
  }
  const silent = 'three heartbeats missed'
  if (seen.kind === 'ended' && seen.failed) {
    const why = seen.message ? `${silent}; ${provider.name} says: ${seen.message}` : silent
    return endOf('preempted', why, { logTail })
  }
  return endOf('lost', `${silent}, and ${provider.name} no longer runs it`, { logTail })
}
