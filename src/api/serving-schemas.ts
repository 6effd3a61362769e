import { z } from 'zod'
import { Sha256 } from '../notebooks/adapter.ts'
import { Reach } from '../notebooks/serve-plan.ts'
import { Finish, Name, Priority, RemovalState, Session, Time } from './schemas.ts'

export const NewServing = z.strictObject({
  acceptRules: z
    .boolean()
    .default(false)
    .describe('that its owner has read the provider’s rule of serving and accepts it'),
})
export type NewServing = z.input<typeof NewServing>

/** Whether an account may serve, and who has said so. */
export const Serving = z.object({
  account: z.string(),
  provider: z.string(),
  serves: z.boolean(),
  acceptedAt: Time.nullable(),
  acceptedBy: z.string().nullable(),
  live: z
    .number()
    .describe('serving sessions there that have not ended; taken back, they go on to their end'),
})
export type Serving = z.infer<typeof Serving>

const hour = z.number().min(0).max(24)

/** A weekly window: hours of the zone's wall clock, minutes as their fraction. */
export const Window = z
  .strictObject({
    weekdays: z
      .array(z.int().min(0).max(6))
      .min(1)
      .max(7)
      .refine((days) => new Set(days).size === days.length, { message: 'a day is named twice' })
      .describe('of its beginning; 0 is Sunday'),
    fromHour: hour.lt(24),
    toHour: hour.describe('24 is midnight; not greater than fromHour it is one of the next day'),
    zone: z.string().min(1).max(60).describe('IANA time zone'),
  })
  .refine(({ fromHour, toHour }) => fromHour !== toHour, {
    message: 'it begins and ends at once; a whole day is from 0 to 24',
  })

export const Windows = z
  .union([z.literal('always'), z.array(Window).min(1).max(50)])
  .describe('when a node is wanted')

export const NewPolicy = z.strictObject({
  name: Name,
  adapter: z
    .string()
    .min(1)
    .max(100)
    .describe('a completed run by name or id, or the SHA-256 of its adapter’s manifest'),
  windows: Windows.default('always'),
  priority: Priority.default(0),
  overlapSeconds: z
    .int()
    .min(60)
    .max(7200)
    .default(900)
    .describe('a successor begins so long before its forerunner ends'),
  sessionSeconds: z
    .int()
    .min(3600)
    .max(86_400)
    .optional()
    .describe('the longest session; the account’s own limit when left out'),
  maxTokens: z.int().min(16).max(8192).default(1024).describe('the most that an answer may have'),
  reach: Reach.optional().describe(
    'relay: through this service; tunnel: an address on the open net for each node; local: from its own machine alone; left out: by relay, and on this machine local',
  ),
  acceptTunnel: z.boolean().default(false).describe('that the rule of the tunnel is accepted'),
  keySha256: Sha256.describe(
    'of the bearer key, which the caller makes (32 random bytes or more) and keeps; the service never sees it',
  ),
  dryRun: z.boolean().default(false),
})
export type NewPolicy = z.input<typeof NewPolicy>

export const PolicyChange = z
  .strictObject({
    adapter: NewPolicy.shape.adapter,
    windows: Windows,
    priority: Priority,
    keySha256: Sha256.describe('of another bearer key; sessions that have begun keep the old one'),
  })
  .partial()
  .refine((change) => Object.values(change).some((value) => value !== undefined), {
    message: 'nothing is to be changed: give adapter, windows, priority or keySha256',
  })
export type PolicyChange = z.infer<typeof PolicyChange>

export const PolicySummary = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum(['open', 'stopping', 'stopped']),
  adapter: z.object({
    sha256: z.string().describe('of its manifest'),
    run: z.string().nullable().describe('the run that made it; null where that was removed'),
  }),
  base: z.string(),
  revision: z.string(),
  quantization: z.string(),
  windows: z.union([z.literal('always'), z.array(Window)]),
  overlapSeconds: z.number(),
  sessionSeconds: z.number().nullable(),
  maxTokens: z.number(),
  reach: Reach.nullable().describe('null: by relay, and on this machine local'),
  address: z
    .string()
    .nullable()
    .describe(
      'the base URL for clients of OpenAI’s interface, where nodes of it are reached by relay; the key opens it',
    ),
  priority: z.number(),
  keySha256: z.string(),
  sessions: z.number(),
  live: z.number().describe('sessions that have not ended'),
  waiting: z.string().nullable().describe('why it has no session now'),
  createdAt: Time,
  endedAt: Time.nullable(),
})
export type PolicySummary = z.infer<typeof PolicySummary>

/** What trainings get in the days of the plan. */
const Training = z.object({
  hours: z.number().describe('GPU time booked'),
  steps: z.number().describe('expected of it'),
})

export const ServingOutlook = z.object({
  from: Time,
  until: Time,
  wantedHours: z.number().describe('of its windows in these days'),
  servedHours: z.number().describe('of those, when a node is expected to be up'),
  served: z.array(
    z.object({
      account: z.string(),
      from: Time,
      to: Time,
      live: z.boolean().describe('its session has begun'),
    }),
  ),
  gaps: z.array(z.object({ from: Time, to: Time, why: z.array(z.string()) })),
  training: z.object({
    without: Training.describe('without this policy'),
    with: Training,
    moved: z
      .array(z.object({ run: z.string(), without: Finish.nullable(), with: Finish.nullable() }))
      .describe('runs whose end moves; null where nothing of a run is planned'),
  }),
})
export type ServingOutlook = z.infer<typeof ServingOutlook>

const outlook = ServingOutlook.nullable().describe('null of a policy that is over or being stopped')

export const AddedPolicy = PolicySummary.extend({ outlook })
export type AddedPolicy = z.infer<typeof AddedPolicy>

export const Policy = PolicySummary.extend({
  outlook,
  recent: z.array(Session).describe('its newest twenty sessions, newest first'),
})
export type Policy = z.infer<typeof Policy>

export const PolicyStop = z.object({
  policy: z.string(),
  state: z.enum(['stopping', 'stopped']),
  message: z.string().describe('what will really happen, and when'),
})
export type PolicyStop = z.infer<typeof PolicyStop>

export const PolicyRemoval = z.object({
  policy: z.string(),
  id: z.string(),
  sessions: z.number(),
  events: z.number(),
  ledgerRows: z.number().describe('rows of the GPU-hour book; they stay'),
  state: RemovalState,
  why: z.string().nullable().describe('what holds the removal up'),
})
export type PolicyRemoval = z.infer<typeof PolicyRemoval>
