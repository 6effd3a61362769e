import type { Account } from './account.ts'
import type { LedgerEntry } from './ledger.ts'

/** A session as it is decided on: whose turn it is, for how long, and what that books. */
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
