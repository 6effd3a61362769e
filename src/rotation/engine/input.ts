import type { ProviderName } from '../account.ts'
import type { QuotaReading } from '../ledger.ts'
import type { PlannedSession } from '../planned-session.ts'
import type { Session } from '../session.ts'
import type { SessionEnd } from '../session-end.ts'
import type { CommittedFiles, Heartbeat, Held, Report, Upload } from '../session-gate.ts'
import type { LaunchResult, Observed } from '../session-provider.ts'
import type { Hashes } from './enrol.ts'

/** What the engine has to know of a provider. */
export interface ProviderFacts {
  readonly name: ProviderName
  /** After a launch whose answer was lost, the session shows within so many seconds if it started. */
  readonly appearsWithinSeconds: number
  /** Accounts of which it can say whether a session still runs. */
  readonly tells: ReadonlySet<string>
  /** Whether its sessions cannot reach the service. */
  readonly sealed: boolean
}

/** The part of the world that is not remembered: which providers there are, and what the service was told of itself. */
export interface Surroundings {
  readonly providers: ReadonlyMap<string, ProviderFacts>
  /** Accounts made for the emulators are used only beside them, real ones only without. */
  readonly emulated: boolean
  /** How long a person is waited for, in seconds. */
  readonly personSeconds: number
}

/** What is expected of a run's sessions before any of them has run. */
export interface Prior {
  readonly stepsPerHour: number
  /** From the launch to the first step. */
  readonly startSeconds: number
  readonly saveSeconds: number
}

/** What stands between a run and its next session, asked before each look. */
export interface RunFacts {
  /** Why no session of it could be started; null when one could. */
  readonly trouble: string | null
  /** The provider that alone has its base; null where any session can have it. */
  readonly only: ProviderName | null
  /** What its sessions are taken to be like while none has shown it. */
  readonly prior: Prior
  /** The id that its next session would get. */
  readonly sessionId: string
}

/** Everything that can happen to the rotation. */
export type RotationInput =
  /** One look at every open session. */
  | { readonly kind: 'look'; readonly around: Surroundings }
  /** Sessions for the open runs that have none. */
  | {
      readonly kind: 'seek'
      readonly around: Surroundings
      readonly runs: ReadonlyMap<string, RunFacts>
    }
  /** What a provider said of a session; `logTail` once its log was asked for. */
  | {
      readonly kind: 'observed'
      readonly sessionId: string
      readonly seen: Observed
      readonly logTail?: string
      readonly around: Surroundings
    }
  /** A served node does not answer, and a new start of its server may heal it. */
  | { readonly kind: 'restart-asked'; readonly sessionId: string; readonly reason: string }
  /** A served node is gone for good, whatever its session says: it is replaced elsewhere. */
  | { readonly kind: 'node-lost'; readonly sessionId: string; readonly reason: string }
  | { readonly kind: 'killed'; readonly sessionId: string }
  | { readonly kind: 'launching'; readonly sessionId: string; readonly ticketHash: string }
  | {
      readonly kind: 'launched'
      readonly sessionId: string
      readonly result: LaunchResult
      readonly around: Surroundings
    }
  | { readonly kind: 'ended'; readonly sessionId: string; readonly end: SessionEnd }
  | { readonly kind: 'planned'; readonly planned: PlannedSession }
  | { readonly kind: 'read-books'; readonly reading: QuotaReading }
  | { readonly kind: 'enrolled'; readonly hashes: Hashes }
  | { readonly kind: 'begun'; readonly sessionId: string; readonly secondsLeft: number }
  | { readonly kind: 'resumed'; readonly sessionId: string; readonly step: number }
  | { readonly kind: 'heard'; readonly held: Held; readonly beat: Heartbeat }
  | {
      readonly kind: 'committed'
      readonly upload: Omit<Upload, 'id'>
      readonly files: CommittedFiles
    }
  | { readonly kind: 'reported'; readonly held: Held; readonly report: Report }
  /** What is remembered comes from a backup, and the time since is lost. */
  | { readonly kind: 'restored'; readonly reason: string }

/** What has to be done outside; each is answered by another input, and none is remembered. */
export type Effect =
  /** Ask the provider for the session's status: `observed`. */
  | { readonly kind: 'observe'; readonly session: Session }
  /** Hear a sealed session through its log. */
  | { readonly kind: 'follow-sealed'; readonly session: Session }
  /** Read the end of its log, then `observed` again. */
  | { readonly kind: 'read-log'; readonly session: Session; readonly seen: Observed }
  /** End it by force where that is possible: `killed`. */
  | { readonly kind: 'kill'; readonly session: Session }
  /** Render its notebook and push it: `launching` before, `launched` after. */
  | {
      readonly kind: 'push'
      readonly session: Session
      /** Earlier sessions whose output should lie beside the notebook. */
      readonly outputsOf: readonly string[]
    }
