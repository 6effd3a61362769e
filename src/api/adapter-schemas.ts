import { z } from 'zod'

const Time = z.iso.datetime()
const Version = z.string().regex(/^v[1-9]\d{0,8}$/)
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** What a run has left, with what became of it. */
export const Adapter = z.object({
  version: Version,
  line: z.string().describe('the standing run, the run it began with, or the run itself'),
  run: z.string().describe('the name of the run that has left it'),
  step: z.int(),
  base: z.string(),
  manifestSha256: Sha256,
  bytes: z.number(),
  state: z.enum(['candidate', 'promoted', 'rejected']),
  served: z.boolean().describe('whether its line serves it now'),
  loss: z.number().nullable().describe('mean held-out loss per answer token, in nats'),
  heldOutRows: z.int().nullable(),
  baseLoss: z.number().nullable().describe('of its base alone, on the same rows'),
  score: z.number().nullable().describe('its loss on the held-out rows of the first of its line'),
  why: z.string().nullable(),
  createdAt: Time,
  decidedAt: Time.nullable(),
  decidedBy: z.string().nullable().describe('policy, or who said so'),
})
export type Adapter = z.infer<typeof Adapter>

export const AdapterLine = z.object({
  line: z.string(),
  policy: z.enum(['auto', 'manual']),
  served: Version.nullable(),
  moves: z
    .array(
      z.object({
        version: Version,
        kind: z.enum(['promoted', 'rolled-back']),
        at: Time,
        by: z.string(),
      }),
    )
    .describe('what was served, the newest first'),
})
export type AdapterLine = z.infer<typeof AdapterLine>

/** Who decides, and why. */
export const Decision = z.strictObject({
  by: z.string().min(1).max(80),
  why: z.string().max(500).optional(),
})

export const Rollback = Decision.extend({
  to: Version.optional().describe('what was served before when left out'),
})

export const RolledBack = z.object({ from: Version, to: Version, line: z.string() })

export const LineChange = z.strictObject({ policy: z.enum(['auto', 'manual']) })

/** What a box is to serve, and where its bytes are. */
export const Resolution = z.object({
  version: Version,
  line: z.string(),
  run: z.string(),
  manifestSha256: Sha256,
  files: z
    .array(
      z.object({
        name: z.string(),
        bytes: z.number(),
        sha256: Sha256,
        url: z.string().describe('relative to this service, or elsewhere'),
        headers: z.record(z.string(), z.string()).describe('that go along to that origin alone'),
      }),
    )
    .describe('manifest.json is the first'),
})
export type Resolution = z.infer<typeof Resolution>
