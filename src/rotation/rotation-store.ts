import type { Account } from './account.ts'
import type { RotationInput } from './engine/input.ts'
import type { Reduced } from './engine/reduce.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Run } from './run.ts'
import type { Session } from './session.ts'

/** The rotation's memory. */
export interface RotationStore {
  accounts(): Promise<Account[]>
  openRuns(): Promise<Run[]>
  openSessions(): Promise<Session[]>
  /** Rows of the account's weeks from `from` on. */
  ledgerRows(account: string, from: Date): Promise<LedgerEntry[]>
  /** Reduces one event over what is remembered: all that it changes is stored, or nothing. @throws AppError as `reduce` */
  apply(input: RotationInput): Promise<Reduced>
}
