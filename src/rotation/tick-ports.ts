import type { Account, ProviderName } from './account.ts'
import type { Prior } from './engine/input.ts'
import type { RotationStore } from './rotation-store.ts'
import type { Run } from './run.ts'
import type { SealedSessions } from './sealed-sessions.ts'
import type { Session } from './session.ts'
import type { SessionProvider } from './session-provider.ts'

/** A base that one provider has, by the names that it gives to its models. */
export interface MountedBase {
  readonly provider: ProviderName
  readonly models: readonly string[]
}

/** What one look at the world needs of it. */
export interface TickPorts {
  readonly store: RotationStore
  readonly providers: ReadonlyMap<string, SessionProvider>
  /** The notebook of a session at its account, with a ticket in it; only the ticket's hash is kept. */
  readonly renderNotebook: (
    run: Run,
    session: Session,
    ticket: string,
    account: Account,
  ) => Promise<string>
  readonly newTicket: () => { readonly ticket: string; readonly hash: string }
  readonly newSessionId: () => string
  readonly now: () => Date
  /** Trouble that concerns one run or session: told, and the others go on. */
  readonly trouble: (error: unknown, about: { runId?: string; sessionId?: string }) => void
  /** Accounts made for the emulators are used only beside them, real ones only without. */
  readonly emulated: boolean
  /** How long a person is waited for, in seconds. */
  readonly personSeconds: number
  /** Why no session of this run could be started that would save what it trains; null when one could. */
  readonly storeTrouble: (run: Run) => Promise<string | null>
  /** Why no session of this run could have the model that it trains on; null when one could. */
  readonly baseTrouble: (run: Run) => Promise<string | null>
  /** Where alone the run's base is, as a model that the provider mounts; null where any session can have it. */
  readonly mountedBase: (run: Run) => MountedBase | null
  /** What the run's sessions are taken to be like while none has shown it. */
  readonly prior: (run: Run) => Promise<Prior>
  readonly sealed: SealedSessions
  /** How old a reading of a provider's books may be while a run is open, in seconds. */
  readonly quotaMaxAgeSeconds: number
  /** When each account's books were last asked for, answered or not: kept by the tick, empty at the start. */
  readonly quotaAsked: Map<string, Date>
}
