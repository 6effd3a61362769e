import type { Checkpoint } from '../artifacts/checkpoint.ts'
import type { DatasetVersion } from '../datasets/import.ts'
import type { Account } from '../rotation/account.ts'
import type { RotationEvent } from '../rotation/event.ts'
import type { LedgerEntry, QuotaReading } from '../rotation/ledger.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import type { Absence } from './absences.ts'
import type { ServingConsent } from './accept-serving.ts'
import type { EveryAccount } from './accounts.ts'
import type { AdapterRow } from './adapter-book.ts'
import type { Person } from './people.ts'
import type { Policy } from './run-or-policy.ts'

export interface NamedDataset extends DatasetVersion {
  readonly name: string
  readonly importedAt: Date
  readonly rejected: number
}

export interface FinishedArtifact {
  readonly label: string
  readonly step: number
  readonly generation: number
  readonly manifestSha256: string
  readonly bytes: number
  readonly metrics: Readonly<Record<string, unknown>>
  readonly committedAt: Date
}

export interface LossPoint {
  readonly step: number
  readonly generation: number
  readonly loss: number
}

/** A part of a longer list, and where the next part begins. */
export interface Part<T> {
  readonly items: T[]
  readonly next: string | null
}

/** Which sessions are asked for; a part that is left out excludes none. */
export interface SessionFilter {
  /** Only those that have not ended. */
  readonly open?: boolean
  readonly account?: string | undefined
  /** By name or id. */
  readonly run?: string | undefined
}

/** What the faces may look at; nothing here changes anything. */
export interface Reads {
  /** Trainings, newest first. */
  runs(limit: number, cursor: string | undefined): Promise<Part<{ run: Run; sessions: number }>>
  /** Serving policies, newest first; `live` of their sessions have not ended. */
  policies(
    limit: number,
    cursor: string | undefined,
  ): Promise<Part<{ policy: Policy; sessions: number; live: number }>>
  /** A training or a policy. */
  run(idOrName: string): Promise<Run | undefined>
  sessionsOf(runId: string): Promise<Session[]>
  /** Newest first. */
  sessions(
    which: SessionFilter,
    limit: number,
    cursor: string | undefined,
  ): Promise<Part<Session & { readonly run: string }>>
  checkpoints(runId: string): Promise<Checkpoint[]>
  artifact(runId: string): Promise<FinishedArtifact | undefined>
  /** Where the artifact with that manifest stands, or undefined. */
  artifactWith(manifestSha256: string): Promise<AdapterRow | undefined>
  /** Loss of every step, of its newest generation, in order. */
  losses(runId: string): Promise<LossPoint[]>
  /** Id of the newest event, 0 when there is none. */
  newestEvent(): Promise<number>
  /** Oldest first, after the given id. */
  events(after: number, limit: number, runId?: string): Promise<RotationEvent[]>
  datasets(): Promise<NamedDataset[]>
  dataset(nameOrVersion: string): Promise<NamedDataset | undefined>
  /** Those that are lent. */
  accounts(): Promise<Account[]>
  /** Those of all times. */
  everyAccount(): Promise<EveryAccount[]>
  ledger(account: string, from: Date): Promise<LedgerEntry[]>
  quota(account: string): Promise<QuotaReading | null>
  person(owner: string): Promise<Person>
  /** When the rules of each provider that has been accepted were; a key is missing while they have not been. */
  acceptedRules(): Promise<ReadonlyMap<string, Date>>
  /** Who accepted the rule of serving that stands, and when, by account. */
  servingAccepted(): Promise<ReadonlyMap<string, NonNullable<ServingConsent['accepted']>>>
  /** Spans that end after a time. */
  absences(after: Date): Promise<Absence[]>
}
