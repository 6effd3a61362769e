import type { Reduced } from '../rotation/engine/reduce.ts'
import type { RotationState } from '../rotation/engine/state.ts'
import { balanceSeconds, freshReading } from '../rotation/ledger.ts'
import type { Session } from '../rotation/session.ts'
import { weekOf } from '../rotation/week.ts'
import { isBooked, isOverBooking, isSettled } from './double-book.ts'

/** What must never happen, counted. */
export interface Violations {
  /**
   * Weeks in which an account of its provider, or our own book of it, went below zero; sessions whose rows are not what was
   * booked or used; sessions that went on longer than was booked.
   */
  readonly budget: number
  /** Machines started for a session that had one, or that was given up as if none had been started. */
  readonly duplicateLaunches: number
  /** Checkpoints and artifacts taken from a generation that was not the run's newest. */
  readonly fencedCommits: number
  /** Sessions that were told to resume before a checkpoint that had been accepted. */
  readonly lostCheckpoints: number
  /** Sessions that were begun and never ended. */
  readonly openIntents: number
}

/**
 * Watches the engine from outside, with a memory of its own: what was accepted, from whom, and what the books came to. What a
 * session has to be charged it works out by itself (double-book.ts); a week's balance is added up as the engine does.
 * @param isPunctual whether notebooks and service answer at once: where they freeze or are away, a session may end late
 */
export function oracle(isPunctual: boolean) {
  const furthest = new Map<string, number>()
  /** By run: the newest generation ever given out. */
  const generations = new Map<string, number>()
  const ended = new Set<string>()
  const serving = new Set<string>()
  const begun = new Set<string>()
  /** Names of sessions that were called off as if no machine had been started for them. */
  const givenUp = new Set<string>()
  const overdrawn = new Set<string>()
  /** The most that an account's week was said to grant, by us or by its provider: what was booked then stays booked. */
  const grants = new Map<string, number>()
  let fencedCommits = 0
  let lostCheckpoints = 0
  let acceptedSteps = 0

  /** Holds a session's rows against the session when it begins and when it ends. */
  function audit(session: Session, state: RotationState): void {
    const isNew = !begun.has(session.id)
    const isOver = session.endedAt !== null && !ended.has(session.id)
    if (!isNew && !isOver) return
    begun.add(session.id)
    const account = state.accounts.get(session.account)
    const rows = state.entries.get(session.account)?.filter((row) => row.sessionId === session.id)
    if (!account) return
    if (isOver && session.outcome === 'cancelled' && !session.enrolledAt) givenUp.add(session.name)
    const isTrue = isOver ? isSettled(session, rows ?? []) : isBooked(account, session, rows ?? [])
    if (!isTrue || (isPunctual && isOver && isOverBooking(session))) overdrawn.add(session.id)
  }

  return {
    applied(reduced: Reduced, state: RotationState, at: Date): void {
      const { changes } = reduced
      for (const session of changes.sessions.values()) {
        const { runId, generation } = session
        generations.set(runId, Math.max(generation, generations.get(runId) ?? 0))
        audit(session, state)
        if (session.endedAt) ended.add(session.id)
        if (session.serves) serving.add(session.id)
      }
      for (const reading of changes.readings) {
        const account = state.accounts.get(reading.account)
        if (!account || !freshReading(reading, at)) continue
        const key = `${account.name} ${weekOf(account.reset, reading.readAt).start.toISOString()}`
        const before = grants.get(key) ?? account.weeklySeconds
        grants.set(key, Math.max(before, reading.allowedSeconds))
      }
      for (const name of new Set(changes.entries.map(({ account }) => account))) {
        const account = state.accounts.get(name)
        const rows = state.entries.get(name) ?? []
        if (!account) continue
        for (const { weekStart } of changes.entries.filter((entry) => entry.account === name)) {
          const key = `${name} ${weekStart.toISOString()}`
          const grant = grants.get(key) ?? account.weeklySeconds
          if (balanceSeconds(account, rows, weekStart, grant) < 0) overdrawn.add(key)
        }
      }
    },
    committed(
      runId: string,
      sessionId: string,
      generation: number,
      kind: 'checkpoint' | 'artifact',
      step: number,
    ): void {
      const isOld = !serving.has(sessionId) && generation !== generations.get(runId)
      if (isOld || ended.has(sessionId)) fencedCommits += 1
      if (kind === 'artifact') return
      const before = furthest.get(runId) ?? 0
      acceptedSteps += Math.max(0, step - before)
      furthest.set(runId, Math.max(step, before))
    },
    resumed(runId: string, step: number): void {
      if (step < (furthest.get(runId) ?? 0)) lostCheckpoints += 1
    },
    /** Sessions that the engine has planned, whether or not a machine came of them. */
    planned: () => begun.size,
    isGivenUp: (name: string) => givenUp.has(name),
    /** Steps in accepted checkpoints, each counted once. */
    acceptedSteps: () => acceptedSteps,
    counted: () => ({ budget: overdrawn.size, fencedCommits, lostCheckpoints }),
  }
}

export type Oracle = ReturnType<typeof oracle>
