import type { Account } from '../../rotation/account.ts'
import type { SessionProvider } from '../../rotation/session-provider.ts'

/** Where a notebook runs. */
export interface Place {
  readonly account: Account
  /** The session's name at the provider. */
  readonly name: string
  /** The notebook is done by itself, and its machine with it. Not called once the machine was taken away. */
  ended(failed: boolean, message: string | null): void
}

/** What runs on a machine. */
export interface Cargo {
  /** The machine is taken away in this moment: nothing more is said or done. */
  kill(): void
}

/** Begins to run the text of a notebook on a machine that has just started. */
export type RunNotebook = (text: string, place: Place) => Cargo

/** What really happened on one machine, whatever anybody was told. */
export interface PhysicalSession {
  readonly name: string
  readonly startedMs: number
  /** Null while it runs. */
  readonly endedMs: number | null
  /** GPU time so far. */
  readonly gpuMs: number
}

/** What really happened at one account. */
export interface Truth {
  readonly sessions: readonly PhysicalSession[]
  /** GPU milliseconds by the beginning of the provider's week. */
  readonly usedByWeek: ReadonlyMap<number, number>
  /** What the provider allows in each of its weeks that touch the span, in GPU milliseconds. */
  allowed(fromMs: number, toMs: number): readonly Allowed[]
  /** Weeks in which more was used than the provider allowed. */
  readonly overruns: readonly Overrun[]
  /** Sessions that were started although one of that name had been started before. */
  readonly duplicates: readonly Duplicate[]
  /** How often a person was given no machine, which nobody else is told. */
  readonly denials: number
}

export interface Allowed {
  readonly weekStartMs: number
  readonly weekEndMs: number
  readonly allowedMs: number
}

export interface Overrun {
  readonly weekStartMs: number
  readonly usedMs: number
  readonly allowedMs: number
}

export interface Duplicate {
  readonly name: string
  readonly startedMs: number
  /** Whether one of that name ran at that moment. */
  readonly atOnce: boolean
}

/** A provider that also knows what really happened. */
export interface ProviderModel extends SessionProvider {
  /** By the account's user name. */
  truth(username: string): Truth
  usernames(): readonly string[]
  /** What is truly left of this week, in GPU milliseconds, and what it grants. */
  left(username: string): { readonly leftMs: number; readonly allowedMs: number }
}
