import type { ServingWindow } from './planner/plan-input.ts'

/** `queued` waits for its first session, `training` has or seeks one, `stopping` lets the last one finish. */
export type RunState = 'queued' | 'training' | 'stopping' | 'stopped' | 'completed' | 'failed'

/** How the sessions of a run behave; none of it changes what is learned. */
export interface RunOptions {
  /** A checkpoint at least this often, by the wall clock. */
  readonly saveSeconds: number
  readonly saveSteps: number
  readonly logSteps: number
  /** A step takes at least this long: only for watching a rotation with the engine `dry`. */
  readonly stepSeconds: number
  readonly keepLocal: number
  readonly heartbeatSeconds: number
  /** The longest session of this run; the account's own limit when null. */
  readonly sessionSeconds: number | null
  /** A shorter session is not worth its start-up. */
  readonly minSessionSeconds: number
  /** A session hands over after so many steps of its own; as many as its time allows when null. */
  readonly sessionSteps: number | null
  /** At most so many rows go through the model at once, as many as the plan's batch when null; a step stays what it is. */
  readonly rowsAtOnce: number | null
  /** A trial of the whole way before hours are spent on it, not a training. */
  readonly smoke: boolean
}

/** When a node is wanted, and how its sessions follow each other. */
export interface ServingPolicy {
  readonly windows: 'always' | readonly ServingWindow[]
  /** A successor begins so long before its forerunner ends: start, registration and one probe. */
  readonly overlapSeconds: number
}

/**
 * A policy asks for sessions of so many seconds at the least: an hour, or a start and the overlap at both ends. A plan of shorter
 * ones would have thousands of stays.
 */
export const leastServingSeconds = (overlapSeconds: number): number =>
  Math.max(3600, 2 * overlapSeconds + 600)

/** One training job, or one serving policy; lives across many sessions. */
export interface Run {
  readonly id: string
  readonly name: string
  readonly engine: string
  readonly state: RunState
  readonly stopAsked: boolean
  readonly datasetVersion: string
  /** What a checkpoint must agree with to be resumed; the notebooks' business, carried unread. */
  readonly plan: Readonly<Record<string, unknown>>
  readonly options: RunOptions
  /** Null for a training. */
  readonly serving: ServingPolicy | null
  /** Greater is sooner. */
  readonly priority: number
  readonly targetSteps: number
  readonly step: number
  readonly generation: number
  /** Sessions in a row that brought no new checkpoint. */
  readonly failures: number
  readonly failure: string | null
  readonly waiting: string | null
  readonly sample: boolean
  readonly createdAt: Date
  readonly endedAt: Date | null
}

export const isOpen = (run: Run): boolean =>
  run.state === 'queued' || run.state === 'training' || run.state === 'stopping'

/** A run of which nothing has happened yet. */
export const notBegun = {
  state: 'queued',
  stopAsked: false,
  step: 0,
  generation: 0,
  failures: 0,
  failure: null,
  waiting: null,
  sample: false,
  endedAt: null,
} as const satisfies Partial<Run>

/** Defaults for a run on real GPUs: heartbeat 60 s, a checkpoint every 15 minutes or 500 steps. */
export const defaultOptions: RunOptions = {
  saveSeconds: 900,
  saveSteps: 500,
  logSteps: 1,
  stepSeconds: 0,
  keepLocal: 2,
  heartbeatSeconds: 60,
  sessionSeconds: null,
  minSessionSeconds: 600,
  sessionSteps: null,
  rowsAtOnce: null,
  smoke: false,
}

/** A smoke run: five real steps, three in the first session, the rest from its checkpoint in a second one. */
export const smokeSteps = 5
/** Half an hour is booked for each session, so that a slow download does not spoil it; what is not used goes back. */
export const smokeOptions = {
  smoke: true,
  sessionSteps: 3,
  sessionSeconds: 1800,
  minSessionSeconds: 600,
} as const satisfies Partial<RunOptions>
