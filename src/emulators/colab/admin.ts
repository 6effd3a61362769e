import { z } from 'zod'
import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'
import type { Fault } from '../faults.ts'
import { PreemptionBody, type PreemptionOrder } from '../preemptions.ts'
import { type Refusal, Refusals } from './allowance.ts'
import type { NotebookLink } from './person.ts'
import { Manner, type OpenedState } from './state.ts'

/** One machine of the command line. Times are virtual, UTC ISO 8601. */
export interface RuntimeView {
  readonly endpoint: string
  readonly accelerator: string
  readonly state: 'running' | 'ended'
  /** `unassigned`, `idle`, `limit`, `lost`, `disconnected`, `reset` or `stopped`; null while it runs. */
  readonly reason: string | null
  readonly pid: number
  readonly assignedAt: string
  readonly activeAt: string
  readonly endedAt: string | null
}

/** One notebook whose link a person was given. */
export interface OpenedView {
  readonly id: number
  readonly name: string
  readonly fileId: string | null
  readonly gpu: boolean
  /** `waiting` for the person; `disconnected` when its machine was taken back. */
  readonly state: OpenedState
  readonly message: string | null
  /** The exit status that its runner noted; null while it runs, and when it was killed. */
  readonly exit: number | null
  readonly pid: number | null
  readonly linkAt: string
  /** When the person presses Run all; null for one who never comes. */
  readonly dueAt: string | null
  readonly startedAt: string | null
  readonly endedAt: string | null
  /** Where its output is written. */
  readonly logPath: string
}

export interface ColabView {
  readonly now: string
  readonly runtimes: readonly RuntimeView[]
  readonly notebooks: readonly OpenedView[]
  /** Accelerator seconds of the last 24 hours. */
  readonly gpuSeconds: number
  readonly refusals: readonly Refusal[]
  readonly faults: readonly Fault[]
  /** The environment that leads the official command line here. */
  readonly clientEnvironment: Readonly<Record<string, string>>
}

/** What can be done to the emulated Colab and to the emulated person from outside. */
export interface ColabAdmin extends EmulatorAdmin {
  /** `POST /_emulator/refusals {refusal, times}`: the next requests for a machine are refused. */
  refuse(refusal: Refusal, times?: number): void
  /** `DELETE /_emulator/refusals` */
  clearRefusals(): void
  /** `POST /_emulator/disconnect {endpoint}`: takes a runtime back, or all of them. */
  disconnect(endpoint?: string): void
  /** `POST /_emulator/person` with one manner or a list: one for each link to come, the last one stays. */
  behave(...manners: Manner[]): void
  /** `POST /_emulator/run-all {name, notebook}` or `{name, fileId}`: gives the person a link; answers its number. */
  giveLink(link: NotebookLink): number
  /** `POST /_emulator/preempt`: SIGKILL of an opened notebook's process group, in the middle of whatever it does. */
  preempt(order: PreemptionOrder): void
  state(): ColabView
}

const RefusalOrder = z.object({
  refusal: z.enum(Refusals),
  times: z.number().int().min(1).default(1),
})
const Disconnect = z.object({ endpoint: z.string().optional() })
const Manners = z.union([Manner.transform((manner) => [manner]), z.array(Manner).min(1)])
const Link = z.union([
  z.object({ name: z.string().min(1), notebook: z.string() }),
  z.object({ name: z.string().min(1), fileId: z.string().min(1) }),
])

export const colabCalls = (admin: ColabAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST refusals': (body) => {
    const { refusal, times } = check(RefusalOrder, body)
    return done(admin.refuse(refusal, times))
  },
  'DELETE refusals': () => done(admin.clearRefusals()),
  'POST disconnect': (body) => done(admin.disconnect(check(Disconnect, body).endpoint)),
  'POST person': (body) => done(admin.behave(...check(Manners, body))),
  'POST run-all': (body) => ({ id: admin.giveLink(check(Link, body)) }),
  'POST preempt': (body) => done(admin.preempt(check(PreemptionBody, body))),
})
