import type { Account, ProviderName } from './account.ts'
import type { QuotaReading } from './ledger.ts'

/** What a provider needs to start one session. */
export interface LaunchOrder {
  readonly account: Account
  /** Deterministic; launching the same name twice must never give two sessions. */
  readonly name: string
  readonly notebook: string
  /** The hard cap: the provider ends the session after so many seconds, whatever it does. */
  readonly timeoutSeconds: number
  /** Earlier sessions of this account whose output should lie beside the notebook, where the provider can do that. */
  readonly outputsOf: readonly string[]
  /** Models of the provider's own that should be mounted, by the names that it gives them. */
  readonly models: readonly string[]
}

export type LaunchResult =
  | { readonly kind: 'started'; readonly handle: string }
  /** It is ready for a person, who starts it from this link. */
  | { readonly kind: 'awaits-person'; readonly link: string }
  /** Nothing was started; the account is left alone until `retryAt`. */
  | { readonly kind: 'refused'; readonly reason: string; readonly retryAt: Date }
  /** The answer was lost: it may have started. Ask for its status before anything else. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** What a provider says of a session that it was asked about by name. */
export type Observed =
  | { readonly kind: 'absent' }
  | { readonly kind: 'queued'; readonly handle: string }
  | { readonly kind: 'running'; readonly handle: string }
  | { readonly kind: 'ended'; readonly failed: boolean; readonly message: string | null }
  /** The provider could not be asked, or said something new: no conclusion is drawn. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** A kind of place where sessions run. No method throws for trouble that the provider itself makes. */
export interface SessionProvider {
  readonly name: ProviderName
  /** After a launch whose answer was lost, the session shows within so many seconds if it started. */
  readonly appearsWithinSeconds: number
  /** Whether it can say if a session of this account still runs; where it cannot, missed heartbeats are the only sign of death. */
  tells(account: Account): boolean
  /** Whether its sessions cannot reach this service: their order goes with them, and their log is read. */
  sealed(): boolean
  launch(order: LaunchOrder): Promise<LaunchResult>
  observe(account: Account, name: string, handle: string | null): Promise<Observed>
  /** Ends a session by force where that is possible; false where only the notebook itself can stop. */
  kill(account: Account, name: string): Promise<boolean>
  /** Asks for an orderly end (checkpoint, report) where there is a way besides the heartbeat. */
  askToStop(account: Account, name: string): Promise<void>
  /** The end of what the session printed, at most so many characters; empty when it cannot be had. */
  logTail(account: Account, name: string, maxChars: number): Promise<string>
  /** The provider's own books, or null where it keeps none. */
  quota(account: Account): Promise<QuotaReading | null>
}
