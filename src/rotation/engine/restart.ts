import type { Run } from '../run.ts'
import { isRestarting, type NodeRestart, type Session } from '../session.ts'
import type { NodeSaid } from '../session-gate.ts'
import { about, type Draft } from './changes.ts'

/**
 * Has the server of a node started anew by its session's next heartbeat. Asked again before that is done it is the same restart.
 * False, and nothing changed, where that is so, and for a session that has ended, leaves, trains, or has not served yet.
 */
export function askRestart(draft: Draft, sessionId: string, reason: string, now: Date): boolean {
  const session = draft.session(sessionId)
  const run = session && draft.run(session.runId)
  if (!session?.serves || !run || session.endedAt || session.trainingAt === null) return false
  if (run.stopAsked || session.state === 'stopping' || isRestarting(session, now)) return false
  draft.putSession({ ...session, restart: { askedAt: now, begunAt: null } })
  const data = { ...about(session), run: run.name, reason }
  draft.tell({ kind: 'node.restart_asked', runId: run.id, sessionId, data })
  return true
}

/** What a heartbeat says of restarts: one begins with a higher count, and is done when the server is ready after that. */
export function restartHeard(
  { restart, restarts: before }: Session,
  node: NodeSaid | null,
  now: Date,
): { readonly restart: NodeRestart | null; readonly restarts: number } {
  // A beat that was late says less than is known.
  const restarts = Math.max(before, node?.restarts ?? 0)
  if (restart === null) return { restart, restarts }
  const begunAt = restart.begunAt ?? (restarts > before ? now : null)
  const isDone = begunAt !== null && node?.ready === true && node.restarts === restarts
  return { restart: isDone ? null : { ...restart, begunAt }, restarts }
}

/** Told once for each time that a session has begun to start its server anew. */
export function tellRestarted(draft: Draft, session: Session, run: Run, restarts: number): void {
  const data = { ...about(session), run: run.name, restarts }
  draft.tell({ kind: 'node.restarted', runId: run.id, sessionId: session.id, data })
}
