import type { Automation, ProviderName } from '../account.ts'

/** One week of an account's book, from reset to reset. */
export interface PlanWeek {
  readonly startMs: number
  readonly endMs: number
  /** What may still be planned in it: by our book and, in the present week, by the provider's too. Never negative. */
  readonly leftSeconds: number
}

/** When a person may be asked to open a link: from hour to hour of the wall clock, `to` not included. */
export interface WakingHours {
  readonly fromHour: number
  /** At most 24; a smaller one than `fromHour` goes over midnight. */
  readonly toHour: number
  readonly zone: string
}

/** From `fromMs` to `toMs`, the end not included. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

export interface PlanAccount {
  readonly name: string
  readonly provider: ProviderName
  readonly automation: Automation
  readonly maxSessionSeconds: number
  readonly maxConcurrent: number
  /** In order, without gaps; the first holds the moment of planning, together they reach beyond the plan's end. */
  readonly weeks: readonly PlanWeek[]
  readonly holdUntilMs: number | null
  readonly holdReason: string | null
  /** 1, or less after launches that failed: see `weather.ts`. */
  readonly preference: number
  /** From the launch to the first step, in seconds of the account's GPU time. */
  readonly startSeconds: number
  /** From a launch until the session begins, without GPU time being used: a queue, or the time that the person takes to come. */
  readonly answerSeconds: number
  /** Null where no person is needed. */
  readonly waking: WakingHours | null
  /** Spans in which nobody is there to start anything; empty where no person is needed. */
  readonly away: readonly Span[]
  /** Whether its rule for serving has been accepted. */
  readonly serves: boolean
}

export interface PlanRun {
  readonly id: string
  readonly name: string
  /** Greater is sooner. */
  readonly priority: number
  readonly createdMs: number
  /** Beyond the furthest checkpoint; a live session's are still counted here. */
  readonly remainingSteps: number
  /** Optimizer steps in an hour of training, by the account's name; an account that is missing cannot be used by this run. */
  readonly stepsPerHour: ReadonlyMap<string, number>
  /** From its launch to its first step, by the account's name; the account's own figure where it is missing. */
  readonly startSeconds?: ReadonlyMap<string, number>
  /** The longest session that it asks for; null for the account's own limit. */
  readonly maxSessionSeconds: number | null
  /** A shorter session is not worth its start. */
  readonly minSessionSeconds: number
  /** A session hands over after so many steps; null for as many as its time allows. */
  readonly sessionSteps: number | null
  /** What writing and carrying off one checkpoint takes. */
  readonly saveSeconds: number
  /** The generation of this run that each account held last; an account that never held it is missing. */
  readonly lastGeneration: ReadonlyMap<string, number>
  /** When its newest session was launched; missing where it had none. Of two runs that could begin at once the other one does. */
  readonly lastStartMs?: number
}

/**
 * When a node is wanted: weekday 0 is Sunday; hours of the zone's wall clock, minutes as their fraction; a `toHour` of 24 is
 * midnight, and one that is not greater than `fromHour` one of the next day.
 */
export interface ServingWindow {
  readonly weekdays: readonly number[]
  readonly fromHour: number
  readonly toHour: number
  readonly zone: string
}

export interface PlanPolicy {
  readonly id: string
  readonly name: string
  readonly priority: number
  readonly createdMs: number
  readonly windows: 'always' | readonly ServingWindow[]
  /** A successor begins so long before its forerunner ends: start, registration and one probe. */
  readonly overlapSeconds: number
  /** Accounts whose node was lost of late: another one is taken where there is one. */
  readonly avoid: ReadonlySet<string>
  /** The longest session that it asks for; the account's own limit where it is missing. */
  readonly maxSessionSeconds?: number
  /** Where alone its base is; any account that may serve where it is missing. */
  readonly only?: ProviderName
}

/** A session that has not ended. */
export interface PlanLive {
  readonly account: string
  readonly work: WorkRef
  /** When it will have ended: its deadline, or where it waits to begin, the end of what is booked. */
  readonly endsMs: number
  /** Steps that it will have done by then beyond the furthest checkpoint, at the speed that is expected of it. */
  readonly expectedSteps: number
}

export interface WorkRef {
  readonly kind: 'run' | 'policy'
  readonly id: string
}

/** Everything that a plan depends on. Lists may come in any order. */
export interface PlanInput {
  readonly nowMs: number
  readonly horizonSeconds: number
  readonly accounts: readonly PlanAccount[]
  readonly runs: readonly PlanRun[]
  readonly policies: readonly PlanPolicy[]
  readonly live: readonly PlanLive[]
}
