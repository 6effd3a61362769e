import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'
import type { Fault } from '../faults.ts'
import { PreemptionBody, type PreemptionOrder } from '../preemptions.ts'
import type { SessionState } from './state.ts'

/** One session as a test or a demonstration sees it. Times are virtual, UTC ISO 8601. */
export interface SessionView {
  readonly owner: string
  readonly slug: string
  readonly version: number
  readonly gpu: boolean
  readonly state: SessionState
  readonly failureMessage: string | null
  readonly pid: number | null
  readonly queuedAt: string
  readonly startedAt: string | null
  readonly endedAt: string | null
  /** Not rounded; 0 for a session without a GPU. */
  readonly gpuSeconds: number
  readonly limitSeconds: number
  /** Where the session's output is written. */
  readonly logPath: string
}

export interface EmulatorView {
  readonly now: string
  readonly sessions: readonly SessionView[]
  readonly faults: readonly Fault[]
}

/** What can be done to the emulator from outside. */
export interface KaggleAdmin extends EmulatorAdmin {
  /** `POST /_emulator/preempt`: SIGKILL of a session's process group, in the middle of whatever it does. */
  preempt(order: PreemptionOrder): void
  state(): EmulatorView
}

export const kaggleCalls = (admin: KaggleAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST preempt': (body) => done(admin.preempt(check(PreemptionBody, body))),
})
