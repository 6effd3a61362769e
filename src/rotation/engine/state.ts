import { AppError } from '../../lib/errors.ts'
import type { Account } from '../account.ts'
import type { LedgerEntry, QuotaReading } from '../ledger.ts'
import type { Span, WakingHours } from '../planner/plan-input.ts'
import type { Run } from '../run.ts'
import type { Session } from '../session.ts'

/** Hashes of what lets a notebook in. */
export interface Door {
  readonly ticketHash: string
  /** Of the process that enrolled; null before. */
  readonly nonceHash: string | null
  readonly tokenHash: string | null
}

/** What the store holds of a run. */
export interface Progress {
  /** Step of the furthest committed checkpoint, 0 when there is none. */
  readonly furthestStep: number
  readonly hasArtifact: boolean
  /** Sessions that it has had. */
  readonly sessions: number
  /** When the newest of them was planned; null where it had none. */
  readonly lastStartMs: number | null
}

/** What one past session says of what the next one will be like. */
export interface Sample {
  readonly account: string
  readonly steps: number
  /** From its first step to its last sign of life. */
  readonly seconds: number
  /** From the launch, or a person's coming, to its first step. */
  readonly startSeconds: number
}

/** When somebody can be asked to start a session. */
export interface Person {
  /** Null for at any hour. */
  readonly waking: WakingHours | null
  readonly away: readonly Span[]
}

/** A launch, and whether it came to nothing. */
export interface Launch {
  readonly atMs: number
  readonly failed: boolean
}

/**
 * What the rotation knows, or the part of it that one event is about. Values are never changed in place: a reduction gives
 * `Changes`, and whoever holds the state takes them in as a whole or not at all.
 */
export interface RotationState {
  readonly accounts: ReadonlyMap<string, Account>
  readonly runs: ReadonlyMap<string, Run>
  /** By id: those that have not ended, and the one that the event is about. */
  readonly sessions: ReadonlyMap<string, Session>
  /** By session id. */
  readonly doors: ReadonlyMap<string, Door>
  /** By account, of the weeks that still matter. */
  readonly entries: ReadonlyMap<string, readonly LedgerEntry[]>
  /** By account. */
  readonly readings: ReadonlyMap<string, QuotaReading>
  /** By run. */
  readonly progress: ReadonlyMap<string, Progress>
  /** What is told once for a session and has been: see `onceKey`. */
  readonly told: ReadonlySet<string>
  /** Checkpoints that stand, those let go included: see `checkpointKey`. */
  readonly checkpoints: ReadonlySet<string>
  /** Generation that each replaced process held, by the hash of its nonce. */
  readonly shutOut: ReadonlyMap<string, number>
  /** By run, then by account: the generation that the account held last. */
  readonly lastGenerations: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** By run, then by account: the newest session there, where it ended without a word. */
  readonly unheard: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** By run: of its newest sessions that took a step, newest first. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>
  /** By account: its newest launches, newest first. */
  readonly launches: ReadonlyMap<string, readonly Launch[]>
  /** By policy, then by account: when a session that served there was lost, preempted or failed last, in epoch milliseconds. */
  readonly nodesLost: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** By owner. */
  readonly people: ReadonlyMap<string, Person>
  /** By account: how long its person took to come of late, in seconds, newest first. */
  readonly answers: ReadonlyMap<string, readonly number[]>
}

export const onceKey = (sessionId: string, kind: string): string => `${sessionId} ${kind}`

export const checkpointKey = (runId: string, step: number, generation: number): string =>
  `${runId} ${step} ${generation}`

const noProgress: Progress = { furthestStep: 0, hasArtifact: false, sessions: 0, lastStartMs: null }

export const progressOf = (state: RotationState, runId: string): Progress =>
  state.progress.get(runId) ?? noProgress

/** @throws AppError `not-found` */
export function mustSession(state: RotationState, sessionId: string): Session {
  const session = state.sessions.get(sessionId)
  if (session) return session
  throw new AppError('not-found', `there is no session ${sessionId}`)
}

/** A session with the run that it is of, and whether it still may write. @throws AppError `not-found`, `internal` */
export function admittedTo(state: RotationState, sessionId: string) {
  const session = mustSession(state, sessionId)
  const run = state.runs.get(session.runId)
  if (!run) throw new AppError('internal', `session ${session.id} has no run`)
  return { session, run, current: isCurrent(session, run) }
}

/** A policy's forerunner and successor serve side by side; of a training there is one. */
export const isCurrent = (session: Session, run: Run): boolean =>
  session.endedAt === null && (session.generation === run.generation || run.serving !== null)
