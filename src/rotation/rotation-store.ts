import type { Account } from './account.ts'
import type { LedgerEntry, QuotaReading } from './ledger.ts'
import type { Run } from './run.ts'
import type { Session } from './session.ts'
import type { SessionEnd } from './session-end.ts'

export interface PlannedSession {
  readonly id: string
  readonly runId: string
  readonly generation: number
  readonly name: string
  readonly account: Account
  readonly plannedSeconds: number
  readonly heartbeatSeconds: number
  readonly fromStep: number
  readonly sealed: boolean
  readonly reservation: readonly LedgerEntry[]
}

/** What the rotation needs remembered. Each call is one transaction: all of it happens, or nothing. */
export interface RotationStore {
  accounts(): Promise<Account[]>
  openRuns(): Promise<Run[]>
  openSessions(): Promise<Session[]>
  /** Generation that each account held last of this run. */
  lastGenerations(runId: string): Promise<ReadonlyMap<string, number>>
  /** The furthest committed checkpoint's step, 0 when there is none. */
  resumeStep(runId: string): Promise<number>
  /** The name of the newest session of this run on this account when it ended without a word; null otherwise. */
  unheardSession(runId: string, account: string): Promise<string | null>
  ledgerRows(account: string, from: Date): Promise<LedgerEntry[]>
  quotaReading(account: string): Promise<QuotaReading | null>
  saveQuotaReading(reading: QuotaReading): Promise<void>
  /**
   * Books the hours and writes the intent down, the run's generation counted up.
   * False, and nothing stored, when the run has a live session, is not open, or the book would go below zero.
   */
  planSession(planned: PlannedSession): Promise<boolean>
  /** The intent to call the provider now, with the ticket that this notebook will carry. */
  markLaunching(sessionId: string, ticketHash: string): Promise<void>
  /** The provider has it. A session that has enrolled meanwhile stays `running`. */
  markStarted(sessionId: string, handle: string): Promise<void>
  /** It waits for a person from here on; its cap begins to run when it enrols. */
  markAwaiting(sessionId: string, link: string, expiresAt: Date): Promise<void>
  /** Tells once more that a person is waited for; once a session. */
  remind(sessionId: string): Promise<void>
  markChecked(sessionId: string): Promise<void>
  /** Ends a session once: books settled, tokens and URLs dead, the run moved on. False when it had ended before. */
  endSession(sessionId: string, end: SessionEnd): Promise<boolean>
  holdAccount(account: string, until: Date, reason: string): Promise<void>
  /** Notes why a run cannot go on; told as an event only when it changed. */
  setWaiting(runId: string, why: string | null): Promise<void>
  /** A run without a live session that was asked to stop is stopped. */
  settleStop(runId: string): Promise<void>
}
