import type { Account } from '../account.ts'
import type { EventKind } from '../event.ts'
import type { LedgerEntry, QuotaReading } from '../ledger.ts'
import type { Run } from '../run.ts'
import type { Session } from '../session.ts'
import type { Door, RotationState } from './state.ts'

/** Something to be told; the log gives it its number and its time. */
export interface News {
  readonly kind: EventKind
  readonly runId?: string
  readonly sessionId?: string
  readonly data?: Readonly<Record<string, unknown>>
}

export interface KeptCheckpoint {
  readonly runId: string
  readonly step: number
  readonly generation: number
  readonly sessionId: string
  readonly manifestSha256: string
  readonly bytes: number
  readonly metrics: Readonly<Record<string, unknown>>
}

export interface KeptArtifact extends Omit<KeptCheckpoint, 'sessionId'> {
  readonly label: string
}

export interface Measured {
  readonly runId: string
  readonly step: number
  readonly generation: number
  readonly loss: number
  readonly learningRate: number
}

/** A process that another one took the place of: it stays out, and its one-time addresses are spent. */
export interface ShutOut {
  readonly nonceHash: string
  readonly sessionId: string
  readonly generation: number
}

/** What one event changes: whole new values by their keys, and rows that are written once. */
export interface Changes {
  readonly accounts: Map<string, Account>
  readonly runs: Map<string, Run>
  readonly sessions: Map<string, Session>
  readonly doors: Map<string, Door>
  readonly entries: LedgerEntry[]
  readonly readings: QuotaReading[]
  readonly checkpoints: KeptCheckpoint[]
  readonly artifacts: KeptArtifact[]
  readonly metrics: Measured[]
  readonly shutOut: ShutOut[]
  readonly news: News[]
}

/** The state with changes laid over it, for one event. */
export interface Draft {
  readonly changes: Changes
  readonly now: Date
  readonly session: (id: string) => Session | undefined
  readonly run: (id: string) => Run | undefined
  readonly account: (name: string) => Account | undefined
  /** Those that have not ended. */
  readonly liveSessions: () => Session[]
  /** The ledger's rows of that account. */
  readonly entriesOf: (account: string) => LedgerEntry[]
  readonly putSession: (session: Session) => void
  readonly putRun: (run: Run) => void
  readonly putAccount: (account: Account) => void
  readonly tell: (news: News) => void
}

export function draftOf(state: RotationState, now: Date): Draft {
  const changes: Changes = {
    accounts: new Map(),
    runs: new Map(),
    sessions: new Map(),
    doors: new Map(),
    entries: [],
    readings: [],
    checkpoints: [],
    artifacts: [],
    metrics: [],
    shutOut: [],
    news: [],
  }
  return {
    changes,
    now,
    session: (id) => changes.sessions.get(id) ?? state.sessions.get(id),
    run: (id) => changes.runs.get(id) ?? state.runs.get(id),
    account: (name) => changes.accounts.get(name) ?? state.accounts.get(name),
    liveSessions: () =>
      [...new Map([...state.sessions, ...changes.sessions]).values()].filter(
        ({ endedAt }) => endedAt === null,
      ),
    entriesOf: (account) => [
      ...(state.entries.get(account) ?? []),
      ...changes.entries.filter((entry) => entry.account === account),
    ],
    putSession: (session) => changes.sessions.set(session.id, session),
    putRun: (run) => changes.runs.set(run.id, run),
    putAccount: (account) => changes.accounts.set(account.name, account),
    tell: (news) => changes.news.push(news),
  }
}

/** What the events about a session say of it. */
export const about = (session: Session) => ({
  generation: session.generation,
  account: session.account,
  provider: session.provider,
  fromStep: session.fromStep,
  seconds: session.plannedSeconds,
  sealed: session.sealed,
})

/** The session's cap, from the moment it was sent off. */
export const deadline = (session: Session, launchedAt: Date): Date =>
  new Date(launchedAt.getTime() + session.plannedSeconds * 1000)
