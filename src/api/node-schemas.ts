import { z } from 'zod'
import { Time } from './schemas.ts'

const Interval = z
  .int()
  .min(10)
  .max(86_400)
  .describe('seconds between two probes; 300 when left out')

const TunnelAccount = z
  .string()
  .min(1)
  .max(60)
  .describe('nodes behind one tunnel account share its requests; by the host when left out')

const AnyAnswer = z
  .boolean()
  .describe('whatever answers at the address is up: a router, a status page; no served model')

const NewDeep = z.strictObject({
  url: z
    .string()
    .min(1)
    .max(2000)
    .optional()
    .describe("base of an OpenAI-compatible interface; /v1 at the node's own origin when left out"),
  model: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('the one that it names at /health when left out'),
  key: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('a secret: stored encrypted for this origin alone, never shown'),
  isKeyless: z.boolean().optional().describe('true: the stored key is forgotten'),
  everySeconds: z
    .int()
    .min(600)
    .max(604_800)
    .optional()
    .describe('between two deep probes; 3600 when left out'),
})

export const NewNode = z.strictObject({
  name: z.string().min(1).max(63).describe('stays, wherever the node is reached'),
  url: z
    .string()
    .min(1)
    .max(2000)
    .describe('http or https; /health is asked for where it names no path'),
  intervalSeconds: Interval.optional(),
  tunnelAccount: TunnelAccount.optional(),
  isPublic: z.boolean().optional().describe('on the status page, with a badge, for everybody'),
  anyAnswer: AnyAnswer.optional(),
  dependsOn: z
    .array(z.string().min(1).max(80))
    .max(20)
    .optional()
    .describe('nodes without which it is not reached: while one is down, nobody is told of it'),
  deep: NewDeep.optional().describe('asked for one token now and then'),
})
export type NewNode = z.input<typeof NewNode>

export const NodeChange = NewNode.omit({ name: true })
  .partial()
  .extend({
    deep: z
      .union([NewDeep, z.literal('none')])
      .optional()
      .describe('what of it changes; none: asked for no token any more, its key forgotten'),
  })
export type NodeChange = z.input<typeof NodeChange>

export const Cause = z.object({
  kind: z.string().describe('dns, connect, tls, timeout, tunnel-gone, server-dead, …'),
  words: z.string(),
})

const DeepSummary = z.object({
  url: z.string().describe('the base that is asked'),
  model: z.string().nullable(),
  hasKey: z.boolean(),
  everySeconds: z.number(),
  turnSeconds: z.number().describe('as kept within the requests of its tunnel account'),
  state: z
    .enum(['unknown', 'good', 'doubted', 'no-token', 'refused', 'limited'])
    .describe('refused: the key, or the request, is not taken; the node is not called down for it'),
  since: Time,
  words: z.string().nullable().describe('what is wrong'),
  askedAt: Time.nullable(),
  nextAt: Time.describe('no earlier, and only while the node is up'),
  tokenMs: z.number().nullable().describe('to the first token of the newest good one'),
  endMs: z.number().nullable(),
})
export type DeepSummary = z.infer<typeof DeepSummary>

export const NodeSummary = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['static', 'session']).describe('added by a person, or put up by a serving session'),
  state: z.enum(['idle', 'unknown', 'up', 'down', 'unstable', 'limited']),
  since: Time,
  cause: Cause.nullable(),
  url: z.string().nullable(),
  reach: z.enum(['url', 'relay', 'local']),
  tunnelAccount: z.string().nullable(),
  dependsOn: z.array(z.string()).describe('names of nodes without which it is not reached'),
  session: z.string().nullable().describe('the session in which it runs'),
  intervalSeconds: z.number(),
  turnSeconds: z.number().describe('as kept within the requests of its tunnel account'),
  isPublic: z.boolean(),
  anyAnswer: AnyAnswer,
  latencyMs: z.number().nullable(),
  probedAt: Time.nullable(),
  nextProbeAt: Time.nullable(),
  certificateEndsAt: Time.nullable(),
  model: z.string().nullable(),
  adapter: z.string().nullable().describe('the version that it says it serves'),
  freeVramBytes: z.number().nullable(),
  createdAt: Time,
  deep: DeepSummary.nullable().describe('how it is asked for tokens; null where it is not'),
})
export type NodeSummary = z.infer<typeof NodeSummary>

export const Uptime = z.object({
  span: z.enum(['24h', '7d', '30d', '90d']),
  percent: z.number().nullable().describe('of the probes that learned anything; null without any'),
  probes: z.number(),
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
})

export const IncidentSummary = z.object({
  id: z.string(),
  node: z.string(),
  kind: z.enum(['down', 'unstable']),
  cause: Cause.nullable(),
  startedAt: Time.describe('when the first of its probes failed'),
  openedAt: Time,
  closedAt: Time.nullable(),
  durationSeconds: z.number(),
  consequence: z.enum(['replace', 'restart', 'none']),
  restartAt: Time.nullable(),
  replacedAt: Time.nullable(),
  acknowledgedAt: Time.nullable(),
  acknowledgedBy: z.string().nullable(),
  heldBy: z
    .string()
    .nullable()
    .describe('the node that is down and that its own depends on: nobody is told of it'),
})
export type IncidentSummary = z.infer<typeof IncidentSummary>

export const Incident = IncidentSummary.extend({
  steps: z.array(
    z.object({
      at: Time,
      kind: z.enum(['seen', 'done', 'person']),
      words: z.string(),
    }),
  ),
})
export type Incident = z.infer<typeof Incident>

const Heard = z.object({
  at: Time.nullable().describe('its newest heartbeat'),
  isReady: z.boolean(),
  tunnel: z
    .enum(['up', 'down'])
    .nullable()
    .describe('what the program of its tunnel says; null where none is used, or nothing answers'),
  badBeatAt: Time.nullable().describe(
    'when a heartbeat last said that its server does not answer or its tunnel is down',
  ),
})

export const NodeDetails = NodeSummary.extend({
  heard: Heard.nullable().describe(
    'what the session in which it runs says of itself; null for one that a person has added',
  ),
  uptime: z.array(Uptime),
  probes: z
    .array(z.object({ at: Time, ms: z.number().nullable(), found: z.string() }))
    .describe('the newest, newest first'),
  days: z.array(z.object({ day: z.string(), percent: z.number().nullable() })),
  incidents: z.array(IncidentSummary),
  deep: DeepSummary.extend({
    tokens: z.array(
      z.object({
        span: z.enum(['24h', '7d', '30d', '90d']),
        asked: z.number(),
        good: z.number(),
        p50Ms: z.number().nullable().describe('to the first token'),
        p95Ms: z.number().nullable(),
      }),
    ),
    probes: z
      .array(
        z.object({
          at: Time,
          tokenMs: z.number().nullable(),
          endMs: z.number().nullable(),
          found: z.string(),
        }),
      )
      .describe('the newest, newest first'),
  }).nullable(),
})
export type NodeDetails = z.infer<typeof NodeDetails>

export const Probed = z.object({
  node: z.string(),
  isUp: z.boolean(),
  ms: z.number(),
  status: z.number().nullable(),
  cause: Cause.nullable(),
  consequence: z.string().nullable().describe('what it would lead to, were it an outage'),
  model: z.string().nullable(),
  adapter: z.string().nullable(),
  certificateEndsAt: Time.nullable(),
})
export type Probed = z.infer<typeof Probed>

export const Acknowledgement = z.strictObject({ by: z.string().min(1).max(80) })

export const NewSilence = z.strictObject({
  node: z.string().min(1).max(80).optional().describe('all of them when left out'),
  kind: z.enum(['silence', 'maintenance']).default('silence'),
  startsAt: z.iso.datetime({ offset: true }).optional().describe('now when left out'),
  endsAt: z.iso.datetime({ offset: true }).describe('there always is an end'),
  weekly: z.boolean().optional().describe('again at the same local time of every week'),
  zone: z.string().max(60).optional().describe('in which a weekly one keeps its local time'),
  why: z.string().max(300).optional(),
  by: z.string().min(1).max(80),
})
export type NewSilence = z.input<typeof NewSilence>

export const Silence = z.object({
  id: z.string(),
  node: z.string().nullable().describe('null: all of them'),
  kind: z.enum(['silence', 'maintenance']),
  startsAt: Time,
  endsAt: Time,
  weekly: z.boolean(),
  zone: z.string(),
  why: z.string().nullable(),
  by: z.string(),
})
export type Silence = z.infer<typeof Silence>
