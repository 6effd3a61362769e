import type { WorkRef } from './plan-input.ts'

/** What a planned session's account, start or length hangs on; relaxing it changes the plan. */
export type Constraint =
  /** The account's hours of that week, by our book or the provider's. */
  | { readonly kind: 'hours'; readonly account: string; readonly weekStartMs: number }
  /** The longest session that the account takes. */
  | { readonly kind: 'session-limit'; readonly account: string }
  /** The longest session that the run or policy asks for, or a run's steps in one session. */
  | { readonly kind: 'run-limit'; readonly run: string }
  /** The run needs no more. */
  | { readonly kind: 'need'; readonly run: string }
  /** The window ends. */
  | { readonly kind: 'window'; readonly policy: string }
  /** Hours are kept for this policy's windows. */
  | { readonly kind: 'reserve'; readonly policy: string; readonly account: string }
  /** No session of this account may begin before. */
  | { readonly kind: 'hold'; readonly account: string }
  /** All the sessions that the account may have at once are taken. */
  | { readonly kind: 'slots'; readonly account: string }
  /** Nobody is awake, or there, to start it before. */
  | { readonly kind: 'person'; readonly account: string }
  /** The run has its session elsewhere until then. */
  | { readonly kind: 'one-session'; readonly run: string }
  /** Nothing holds it: it begins at once, and the plan's end alone cuts it. */
  | { readonly kind: 'none' }

/** One session of the plan. */
export interface Stay {
  readonly account: string
  readonly work: WorkRef
  /** When it is launched. */
  readonly startMs: number
  /** What is booked for it, in whole minutes. */
  readonly seconds: number
  /** Steps that it is expected to do; 0 where it serves. */
  readonly steps: number
}

/** Why some work has no session now. */
export interface Wait {
  readonly work: WorkRef
  /** When to look again; null when nothing in the plan's days will change it. */
  readonly untilMs: number | null
  readonly why: Constraint
}

export interface Plan {
  readonly madeMs: number
  readonly untilMs: number
  /** By start, then by account. Those that start at `madeMs` are to be launched now. */
  readonly stays: readonly Stay[]
  readonly waits: readonly Wait[]
  /** When a run has its last step, where that lies within the plan. */
  readonly finishes: ReadonlyMap<string, number>
  /** Seconds of wanted windows that nobody serves, by policy. */
  readonly unserved: ReadonlyMap<string, number>
}

/** A stay with the constraint that bound it and the account that would have been next. */
export interface Explained {
  readonly stay: Stay
  readonly bound: Constraint
  /** Null when no other account could have taken it. */
  readonly runnerUp: string | null
}
