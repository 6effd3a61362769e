import type { Session } from '../session.ts'
import { about, type Draft, deadline } from './changes.ts'
import { onceKey, type RotationState } from './state.ts'

/** The provider is called now, with a notebook that carries this ticket. */
export function launching(draft: Draft, session: Session, ticketHash: string, now: Date): void {
  if (session.state !== 'planned' && session.state !== 'launching') return
  draft.putSession({
    ...session,
    state: 'launching',
    launchedAt: now,
    deadlineAt: deadline(session, now),
  })
  draft.changes.doors.set(session.id, { ticketHash, nonceHash: null, tokenHash: null })
}

/** The provider has it. A session that has enrolled meanwhile stays `running`. */
export function started(draft: Draft, session: Session, handle: string, now: Date): void {
  if (session.handle !== null || session.endedAt) return
  const launchedAt = session.launchedAt ?? now
  draft.putSession({
    ...session,
    handle,
    state: session.enrolledAt ? session.state : 'starting',
    launchedAt,
    deadlineAt: deadline(session, launchedAt),
  })
  const ref = { runId: session.runId, sessionId: session.id }
  draft.tell({ kind: 'session.launched', ...ref, data: about(session) })
}

/** It waits for a person from here on; its cap begins to run when it enrols. */
export function awaiting(draft: Draft, session: Session, link: string, expiresAt: Date): void {
  if (session.endedAt || session.enrolledAt || session.handle !== null) return
  const account = draft.account(session.account)
  draft.putSession({
    ...session,
    state: 'awaiting_person',
    handle: link,
    expiresAt,
    deadlineAt: null,
  })
  const data = {
    ...about(session),
    owner: account?.owner ?? session.account,
    emulated: account?.emulated ?? false,
    link,
    expiresAt: expiresAt.toISOString(),
  }
  const ref = { runId: session.runId, sessionId: session.id }
  draft.tell({ kind: 'session.awaiting_person', ...ref, data })
}

/** Tells once more that a person is waited for; once a session. */
export function remind(state: RotationState, draft: Draft, session: Session): void {
  if (session.state !== 'awaiting_person') return
  if (state.told.has(onceKey(session.id, 'session.reminder'))) return
  const account = draft.account(session.account)
  const data = {
    ...about(session),
    owner: account?.owner ?? session.account,
    emulated: account?.emulated ?? false,
    link: session.handle,
    expiresAt: session.expiresAt?.toISOString() ?? null,
  }
  const ref = { runId: session.runId, sessionId: session.id }
  draft.tell({ kind: 'session.reminder', ...ref, data })
}
