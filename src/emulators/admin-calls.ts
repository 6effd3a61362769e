import { z } from 'zod'
import { Fault, type FaultInput } from './faults.ts'
import type { RecordedRequest } from './requests.ts'
import { ServiceError } from './service-error.ts'

/** What can be done to every emulator from outside; each is also `/_emulator/<name>`. */
export interface EmulatorAdmin {
  /** `POST /_emulator/faults` with one fault or a list. */
  addFaults(...faults: FaultInput[]): void
  /** `DELETE /_emulator/faults` */
  clearFaults(): void
  /** `POST /_emulator/clock {advanceSeconds}`: virtual time runs on from there; all that is kept ages with it. */
  advanceClock(seconds: number): void
  /** `POST /_emulator/reset`: ends all that runs and forgets everything. */
  reset(): void
  /** `GET /_emulator/requests` answers `{"items": […]}`. */
  requests(): readonly RecordedRequest[]
  /** `GET /_emulator/state` */
  state(): { readonly now: string; readonly faults: readonly Fault[] }
  /** `POST /_emulator/claim`: somebody still needs this emulator. */
  claim(): void
}

/** Answers by method and name, such as `POST clock`. */
export type AdminCalls = Readonly<Record<string, (body: unknown) => object | Promise<object>>>

const Faults = z.union([Fault.transform((fault) => [fault]), z.array(Fault)])
const ClockOrder = z.object({ advanceSeconds: z.number().min(0) })

/** The calls that every emulator answers. */
export const commonCalls = (admin: EmulatorAdmin): AdminCalls => ({
  'POST faults': (body) => done(admin.addFaults(...check(Faults, body))),
  'GET faults': () => ({ items: admin.state().faults }),
  'DELETE faults': () => done(admin.clearFaults()),
  'POST clock': (body) => {
    admin.advanceClock(check(ClockOrder, body).advanceSeconds)
    return { now: admin.state().now }
  },
  'POST reset': () => done(admin.reset()),
  'GET requests': () => ({ items: admin.requests() }),
  'GET state': () => admin.state(),
  'POST claim': () => done(admin.claim()),
})

/** The answer to a call that only does something. */
export const done = (_nothing: unknown): object => ({})

/** Answers an admin request. Throws 404 for one that is not among the calls, 400 for a body that does not fit. */
export async function answerCall(
  calls: AdminCalls,
  method: string,
  name: string,
  body: unknown,
): Promise<object> {
  const key = `${method} ${name}`
  const call = Object.hasOwn(calls, key) ? calls[key] : undefined
  if (!call) throw new ServiceError(404, `There is no ${method} /_emulator/${name}`)
  return await call(body)
}

/** A body that fits. Throws 400 and says what does not. */
export function check<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new ServiceError(400, z.prettifyError(parsed.error))
}
