import { AppError } from '../../lib/errors.ts'
import type { Run } from '../run.ts'
import type { Session } from '../session.ts'
import { about, type Draft, deadline } from './changes.ts'
import { isCurrent, progressOf, type RotationState } from './state.ts'

/** What a notebook shows at the door, hashed. */
export interface Hashes {
  readonly ticket: string
  readonly nonce: string
  readonly token: string
}

/**
 * Lets a notebook in, and gives the session's id. A used ticket with another nonce lets a session that a person starts go on.
 * @throws AppError `unauthorized` (`ticket_unknown`), `conflict` (`ticket_used`, `session_ended`, `fenced`)
 */
export function enrol(state: RotationState, draft: Draft, hashes: Hashes, now: Date): string {
  const [id, door] = [...state.doors].find(([, held]) => held.ticketHash === hashes.ticket) ?? []
  const session = id === undefined ? undefined : state.sessions.get(id)
  const run = session && state.runs.get(session.runId)
  if (!door || !session || !run) {
    throw new AppError('unauthorized', 'this ticket was not issued here', {
      code: 'ticket_unknown',
      next: 'Run only notebooks that this service launched; each is good for one session',
    })
  }
  if (!isCurrent(session, run)) {
    throw new AppError('conflict', `generation ${session.generation} of ${run.name} is over`, {
      code: 'session_ended',
      next: 'Close this notebook; the run goes on elsewhere or has ended',
    })
  }
  const known = door.nonceHash
  const entering =
    known !== null && known !== hashes.nonce
      ? takeOver(state, draft, session, run, { held: known, wanted: hashes.nonce })
      : session
  // A session that waited for a person begins when it calls in, and so does its cap.
  const launchedAt = session.state === 'awaiting_person' ? now : (session.launchedAt ?? now)
  draft.putSession({
    ...entering,
    state: 'running',
    enrolledAt: session.enrolledAt ?? now,
    heardAt: now,
    launchedAt,
    deadlineAt: session.deadlineAt ?? deadline(session, launchedAt),
  })
  draft.changes.doors.set(session.id, {
    ticketHash: door.ticketHash,
    nonceHash: hashes.nonce,
    tokenHash: hashes.token,
  })
  if (known === null) tellEnrolled(draft, session, run)
  return session.id
}

/** A sealed session has spoken for the first time; it counts its time from its own start, and may have waited in a queue before. */
export function begin(draft: Draft, session: Session, run: Run, secondsLeft: number, now: Date) {
  if (!isCurrent(session, run) || session.enrolledAt) return
  const left = Math.max(0, Math.min(secondsLeft, session.plannedSeconds))
  const until = new Date(now.getTime() + left * 1000)
  const deadlineAt = session.deadlineAt && session.deadlineAt > until ? session.deadlineAt : until
  draft.putSession({ ...session, state: 'running', enrolledAt: now, heardAt: now, deadlineAt })
  tellEnrolled(draft, session, run)
}

function tellEnrolled(draft: Draft, session: Session, run: Run): void {
  const data = { ...about(session), run: run.name }
  draft.tell({ kind: 'session.enrolled', runId: run.id, sessionId: session.id, data })
}

/**
 * Lets another process go on with a session whose ticket was used: *Run all* was pressed twice, or the runtime was started
 * again. The session and its run move on by one generation together, so that nothing which the process before it still sends
 * counts. Name, booking and deadline stay those of the launch.
 * @throws AppError `conflict`: `ticket_used` where no person starts sessions, `fenced` for a process that was itself replaced
 */
function takeOver(
  state: RotationState,
  draft: Draft,
  session: Session,
  run: Run,
  nonces: { readonly held: string; readonly wanted: string },
): Session {
  if (state.accounts.get(session.account)?.automation !== 'person') {
    throw new AppError('conflict', 'this ticket has been used already', {
      code: 'ticket_used',
      next: 'Each notebook runs once; the next session brings a notebook of its own',
    })
  }
  const spent = state.shutOut.get(nonces.wanted)
  if (spent !== undefined) {
    const why = `generation ${session.generation} took the place of ${spent}`
    throw new AppError('conflict', `this session may not write any more: ${why}`, {
      code: 'fenced',
      next: 'End it; the session goes on in another runtime',
    })
  }
  const generation = run.generation + 1
  const step = progressOf(state, run.id).furthestStep
  const { held: nonceHash } = nonces
  draft.changes.shutOut.push({
    nonceHash,
    sessionId: session.id,
    generation: session.generation,
  })
  draft.putRun({ ...run, generation })
  const data = {
    ...about({ ...session, generation }),
    run: run.name,
    before: session.generation,
    step,
    lostSteps: Math.max(0, session.toStep - step),
  }
  const ref = { runId: run.id, sessionId: session.id }
  draft.tell({ kind: 'session.taken_over', ...ref, data })
  // What its older process has put up is shut out with it.
  return {
    ...session,
    generation,
    node: null,
    restart: null,
    restarts: 0,
    toStep: Math.max(step, session.fromStep),
  }
}
