import { z } from 'zod'
import { openStateFile, rememberedByAll, type StateFile } from '../state-file.ts'
import { Condition } from './conditions.ts'

export const Endpoint = z.object({
  name: z.string(),
  kind: z.enum(['ngrok', 'cloudflared']),
  /** The name under which it is known outside. */
  host: z.string(),
  /** Whose agent it is; ngrok's alone are counted. */
  account: z.string(),
  /** The server behind it. */
  upstream: z.string(),
  condition: Condition,
  retryAfterSeconds: z.number(),
})
export type Endpoint = z.infer<typeof Endpoint>

const State = z.object({
  ...rememberedByAll,
  endpoints: z.array(Endpoint),
  /** Those that agents have asked for, and what each is known by. */
  quickTunnels: z.array(z.object({ name: z.string(), secretSha256: z.string() })).default([]),
  /** Requests by account, of the month that stands with them. */
  spent: z.record(z.string(), z.object({ month: z.string(), requests: z.number().int() })),
  /** In place of the settings, where it was ordered. */
  monthlyRequests: z.number().nullable(),
  requestsPerMinute: z.number().nullable(),
})
export type State = z.infer<typeof State>

export const emptyState = (): State => ({
  format: 1,
  port: null,
  clockOffsetSeconds: 0,
  endpoints: [],
  quickTunnels: [],
  spent: {},
  monthlyRequests: null,
  requestsPerMinute: null,
})

/** Opens the memory in a folder. Throws `invalid` when what is there was not written by this emulator. */
export const openState = (folder: string): StateFile<State> =>
  openStateFile(folder, State, emptyState)
