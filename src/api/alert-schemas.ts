import { z } from 'zod'

const Time = z.iso.datetime()

export const AlertKind = z.enum([
  'node-down',
  'node-unstable',
  'node-recovered',
  'node-limited',
  'certificate-ending',
  'own-network',
  'action-needed',
  'session-lost',
  'run-finished',
  'run-failed',
  'run-stalled',
  'adapter-promoted',
  'adapter-rejected',
  'budget-low',
  'budget-spent',
  'budget-reset',
  'quota-low',
  'checkpoint-damaged',
  'store-nearly-full',
  'backup-failed',
  'backup-recovered',
  'service-restored',
  'digest',
])

const AlertState = z.enum(['waiting', 'told', 'withdrawn', 'silenced'])
const DeliveryState = z.enum(['waiting', 'sent', 'refused', 'parked'])

export const AlertDelivery = z.object({
  id: z.string(),
  channel: z.string(),
  kind: z.string().describe('of its alerts; `summary` for an hour that had too many'),
  subject: z.string(),
  state: DeliveryState,
  attempts: z.number().int(),
  createdAt: Time,
  nextAt: Time.nullable().describe('of the next attempt; null once it is over'),
  endedAt: Time.nullable(),
  said: z.string().nullable().describe('what the channel said last'),
  messageId: z.string(),
})
export type AlertDelivery = z.infer<typeof AlertDelivery>

export const Alert = z.object({
  id: z.string(),
  kind: AlertKind,
  about: z.string(),
  at: Time,
  dueAt: Time,
  thread: z.string().nullable(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
  state: AlertState,
  deliveries: z.array(AlertDelivery).describe('one for each channel that was told'),
})
export type Alert = z.infer<typeof Alert>

/** What alerts are asked for by. */
export const alertFilter = {
  kind: AlertKind.optional(),
  state: z
    .enum([...AlertState.options, 'sent', 'refused', 'parked'])
    .optional()
    .describe('of the alert, or of a delivery of it'),
}

export const InboxMail = z.object({
  id: z.string(),
  at: Time,
  subject: z.string(),
  text: z.string().describe('empty once two hundred newer ones are there'),
  html: z.string().nullable(),
  messageId: z.string(),
  inReplyTo: z.string().nullable(),
})
export type InboxMail = z.infer<typeof InboxMail>

const Quiet = z.object({
  hours: z
    .string()
    .max(20)
    .describe('`23:00-07:00`; one that ends before it begins goes over midnight'),
  zone: z.string().min(1).max(100),
  except: z.array(AlertKind).default([]).describe('kinds that are told all the same'),
})

const rules = {
  quiet: z.union([Quiet, z.literal('none')]).optional(),
  perHour: z.number().int().min(1).max(1000).optional().describe('messages an hour, at most'),
  digest: z.boolean().optional(),
}

export const NewAlertChannel = z.object({
  name: z.string().min(1).max(40),
  url: z.string().min(1).max(2000).describe('stored encrypted and never shown'),
  preset: z.enum(['generic', 'discord', 'slack', 'telegram', 'ntfy']).default('generic'),
  secret: z
    .string()
    .min(8)
    .max(500)
    .optional()
    .describe('key of the signature (generic), or access token (ntfy); stored encrypted'),
  ...rules,
})
export type NewAlertChannel = z.input<typeof NewAlertChannel>

export const AlertChannelChange = z.object(rules)
export type AlertChannelChange = z.input<typeof AlertChannelChange>

export const AlertChannel = z.object({
  name: z.string(),
  kind: z.enum(['mail', 'inbox', 'webhook']),
  preset: z.string().nullable(),
  shown: z.string().describe('where it goes, without what is secret'),
  quiet: z.object({ hours: z.string(), zone: z.string(), except: z.array(z.string()) }).nullable(),
  perHour: z.number().int(),
  digest: z.boolean(),
  broken: z
    .object({ at: Time, said: z.string() })
    .nullable()
    .describe('nothing is tried while its sign-in is refused'),
  waiting: z.number().int(),
  refused: z.number().int(),
  parked: z.number().int(),
  createdAt: Time,
})
export type AlertChannel = z.infer<typeof AlertChannel>

export const AlertTrial = z.object({
  items: z.array(
    z.object({
      channel: z.string(),
      kind: z.enum(['accepted', 'later', 'refused']),
      said: z.string().describe("the server's own answer"),
    }),
  ),
})
export type AlertTrial = z.infer<typeof AlertTrial>

export const AlertRetry = z.object({
  deliveries: z.number().int().describe('that wait to be sent again'),
})
