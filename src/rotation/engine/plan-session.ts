import { balanceSeconds, freshReading, grantOf } from '../ledger.ts'
import type { PlannedSession } from '../planned-session.ts'
import { isOpen } from '../run.ts'
import { weekOf } from '../week.ts'
import type { Draft } from './changes.ts'
import type { RotationState } from './state.ts'

/**
 * Books the hours and writes the intent down, the run's generation counted up. False, and nothing changed, when the run has a
 * live session, is not open, or a book would go below zero.
 */
export function planSession(
  state: RotationState,
  draft: Draft,
  planned: PlannedSession,
  now: Date,
): boolean {
  const run = draft.run(planned.runId)
  if (!run || !isOpen(run) || run.stopAsked || planned.generation !== run.generation + 1)
    return false
  if (run.serving === null && draft.liveSessions().some(({ runId }) => runId === run.id))
    return false
  const { account } = planned
  const rows = draft.entriesOf(account.name)
  const present = weekOf(account.reset, now).start.getTime()
  const reading = freshReading(state.readings.get(account.name) ?? null, now)
  for (const part of planned.reservation) {
    const isPresent = part.weekStart.getTime() === present
    const grant = isPresent ? grantOf(account, reading) : account.weeklySeconds
    if (balanceSeconds(account, rows, part.weekStart, grant) < part.gpuSeconds) return false
  }
  draft.putSession({
    id: planned.id,
    runId: planned.runId,
    generation: planned.generation,
    name: planned.name,
    account: account.name,
    provider: account.provider,
    serves: run.serving !== null,
    sealed: planned.sealed,
    state: 'planned',
    outcome: null,
    reason: null,
    handle: null,
    plannedSeconds: planned.plannedSeconds,
    heartbeatSeconds: planned.heartbeatSeconds,
    fromStep: planned.fromStep,
    toStep: planned.fromStep,
    lastCheckpointStep: null,
    createdAt: now,
    launchedAt: null,
    enrolledAt: null,
    trainingAt: null,
    heardAt: null,
    node: null,
    badBeatAt: null,
    restart: null,
    restarts: 0,
    checkedAt: null,
    expiresAt: null,
    deadlineAt: null,
    endedAt: null,
    usedSeconds: null,
    logTail: null,
  })
  // No notebook carries a ticket yet.
  draft.changes.doors.set(planned.id, {
    ticketHash: `none:${planned.id}`,
    nonceHash: null,
    tokenHash: null,
  })
  draft.changes.entries.push(...planned.reservation)
  draft.putRun({ ...run, generation: planned.generation, state: 'training', waiting: null })
  const data = {
    run: run.name,
    generation: planned.generation,
    account: account.name,
    provider: account.provider,
    emulated: account.emulated,
    seconds: planned.plannedSeconds,
    fromStep: planned.fromStep,
    serves: run.serving !== null,
  }
  draft.tell({ kind: 'session.planned', runId: run.id, sessionId: planned.id, data })
  return true
}
