import { z } from 'zod'
import { Fault, type FaultInput } from '../faults.ts'
import type { PreemptionOrder } from './preemptions.ts'
import type { RecordedRequest } from './requests.ts'
import type { SessionState } from './state.ts'
import { ServiceError } from './wire.ts'

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

/** What can be done to the emulator from outside; each is also `/_emulator/<name>`. */
export interface KaggleAdmin {
  /** `POST /_emulator/faults` with one fault or a list. */
  addFaults(...faults: FaultInput[]): void
  /** `DELETE /_emulator/faults` */
  clearFaults(): void
  /** `POST /_emulator/clock {advanceSeconds}`: virtual time runs on from there; sessions age with it. */
  advanceClock(seconds: number): void
  /** `POST /_emulator/preempt`: SIGKILL of a session's process group, in the middle of whatever it does. */
  preempt(order: PreemptionOrder): void
  /** `POST /_emulator/reset`: ends all sessions and forgets everything. */
  reset(): void
  /** `GET /_emulator/requests` answers `{"items": […]}`. */
  requests(): readonly RecordedRequest[]
  /** `GET /_emulator/state` */
  state(): EmulatorView
  /** `POST /_emulator/claim`: somebody still needs this emulator. */
  claim(): void
}

const Faults = z.union([Fault.transform((fault) => [fault]), z.array(Fault)])
const ClockOrder = z.object({ advanceSeconds: z.number().min(0) })
const Preempt = z.object({
  session: z.union([z.number().int().min(1), z.string().min(1)]),
  afterSeconds: z.number().min(0).default(0),
  afterLine: z.string().refine(isPattern, 'not a regular expression').optional(),
})

/** Answers an admin request. Throws 404 for one it does not know, 400 for a body that does not fit. */
export function adminAnswer(
  admin: KaggleAdmin,
  method: string,
  name: string,
  body: unknown,
): Record<string, unknown> {
  switch (`${method} ${name}`) {
    case 'POST faults':
      admin.addFaults(...check(Faults, body))
      return {}
    case 'GET faults':
      return { items: admin.state().faults }
    case 'DELETE faults':
      admin.clearFaults()
      return {}
    case 'POST clock':
      admin.advanceClock(check(ClockOrder, body).advanceSeconds)
      return { now: admin.state().now }
    case 'POST preempt': {
      const { session, afterSeconds, afterLine } = check(Preempt, body)
      admin.preempt({ session, afterSeconds, ...(afterLine === undefined ? {} : { afterLine }) })
      return {}
    }
    case 'POST reset':
      admin.reset()
      return {}
    case 'GET requests':
      return { items: admin.requests() }
    case 'GET state':
      return { ...admin.state() }
    case 'POST claim':
      admin.claim()
      return {}
    default:
      throw new ServiceError(404, `There is no ${method} /_emulator/${name}`)
  }
}

function check<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new ServiceError(400, z.prettifyError(parsed.error))
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) !== undefined
  } catch {
    return false // SyntaxError: it is not one
  }
}
