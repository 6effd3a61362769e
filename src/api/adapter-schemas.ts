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

/** Where an adapter is published beside the store, or how far that has come. */
export const Publication = z.object({
  id: z.string(),
  target: z.string().describe('hub:OWNER/NAME, drive or folder:/PATH'),
  state: z.enum(['pending', 'blocked', 'done']).describe('blocked: a person has to mend something'),
  place: z.string().nullable().describe('where it stands'),
  code: z.string().nullable(),
  why: z.string().nullable().describe('what stood in the way the last time'),
  next: z.string().nullable(),
  askedAt: Time,
  doneAt: Time.nullable(),
})
export type Publication = z.infer<typeof Publication>

export const AdapterDetails = Adapter.extend({ publications: z.array(Publication) })
export type AdapterDetails = z.infer<typeof AdapterDetails>

const Target = z.string().min(1).max(1100)

/** Where an adapter shall go. */
export const NewPublication = z.strictObject({
  to: Target.optional().describe('where its line is published when left out'),
  carry: z.boolean().default(false).describe('whether the caller carries what has to be carried'),
})

const SignedUpload = z.object({
  name: z.string(),
  bytes: z.number(),
  sha256: Sha256,
  href: z.string(),
  headers: z.record(z.string(), z.string()),
  parts: z.object({ partBytes: z.number(), hrefs: z.array(z.string()) }).nullable(),
})

/** A publication, and what its caller is to carry before it gets on. */
export const PublicationStep = z.object({
  publication: Publication,
  uploads: z.array(SignedUpload).describe('with signed addresses, where the caller carries'),
  sources: z
    .array(
      z.object({
        name: z.string(),
        path: z.string().nullable().describe("on the service's own machine"),
        url: z.string().describe('relative to this service, or elsewhere'),
        headers: z.record(z.string(), z.string()),
      }),
    )
    .describe('where the bytes of the uploads are'),
})
export type PublicationStep = z.infer<typeof PublicationStep>

export const AdapterCard = z.object({ version: Version, card: z.string().describe('Markdown') })

export const AdapterLine = z.object({
  line: z.string(),
  policy: z.enum(['auto', 'manual']),
  publishTo: z.string().nullable().describe('where its promotions are published; null for nowhere'),
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

export const LineChange = z.strictObject({
  policy: z.enum(['auto', 'manual']).optional(),
  publishTo: Target.optional().describe('hub:OWNER/NAME, drive or folder:/PATH; none for nowhere'),
})
export type LineChange = z.infer<typeof LineChange>

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
