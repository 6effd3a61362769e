import { z } from 'zod'
import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'
import { Condition } from './conditions.ts'
import type { Endpoint } from './state.ts'

/** What can be done to the tunnels from outside. Their requests are named, for faults, `request`. */
export interface TunnelAdmin extends EmulatorAdmin {
  /**
   * `POST /_emulator/endpoints {name, upstream, kind?, host?, account?}`: an agent comes and opens an endpoint, or opens it anew. Throws
   * 400 (ERR_NGROK_108) for one agent too many, and for a server that is not on this machine.
   */
  open(order: z.input<typeof Open>): Endpoint
  /** `POST /_emulator/condition {name, condition, retryAfterSeconds?}`: it answers so until it is told otherwise. */
  condition(order: z.input<typeof Switch>): void
  /** `POST /_emulator/close {name}`: its agent leaves; it is forgotten. */
  close(order: { readonly name: string }): void
  /**
   * `POST /_emulator/cut {name}`: the edge sends the agent of a quick tunnel away and takes it back no more. Under `condition gone` the agent
   * does not know. Throws 404 for a tunnel that no agent asked for.
   */
  cut(order: { readonly name: string }): void
  /** `POST /_emulator/limits {monthlyRequests?, requestsPerMinute?}` */
  limits(order: z.input<typeof Limits>): void
  /** `GET /_emulator/endpoints` answers `{"items": […]}`. */
  endpoints(): readonly Endpoint[]
  /** Requests of an account in this month; `GET /_emulator/state` tells them all. */
  spentBy(account: string): number
}

const text = z.string().min(1).max(200)
const Open = z.object({
  /** `http://HOST:PORT/NAME/…` reaches it too. */
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  upstream: text,
  kind: z.enum(['ngrok', 'cloudflared']).default('ngrok'),
  /** When left out, the name at ngrok-free.app or trycloudflare.com. */
  host: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,251}[a-z0-9]$/)
    .optional(),
  account: text.default('free'),
})
export type Open = z.output<typeof Open>
const Switch = z.object({
  name: text,
  condition: Condition,
  retryAfterSeconds: z.number().int().min(0).default(60),
})
const Limits = z.object({
  monthlyRequests: z.number().int().min(0).optional(),
  requestsPerMinute: z.number().int().min(0).optional(),
})
const Close = z.object({ name: text })

/** The orders as they are meant: with what was left out. */
export const readOpen = (order: unknown): Open => check(Open, order)
export const readSwitch = (order: unknown): z.output<typeof Switch> => check(Switch, order)
export const readLimits = (order: unknown): z.output<typeof Limits> => check(Limits, order)

export const tunnelCalls = (admin: TunnelAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST endpoints': (body) => admin.open(readOpen(body)),
  'GET endpoints': () => ({ items: admin.endpoints() }),
  'POST condition': (body) => done(admin.condition(readSwitch(body))),
  'POST close': (body) => done(admin.close(check(Close, body))),
  'POST cut': (body) => done(admin.cut(check(Close, body))),
  'POST limits': (body) => done(admin.limits(readLimits(body))),
})
