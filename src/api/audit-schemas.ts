import { z } from 'zod'

export const AuditLine = z.object({
  number: z.int(),
  at: z.iso.datetime(),
  who: z.string().describe('admin, or the name of a token'),
  what: z.string().describe('the call: method and path'),
  outcome: z.int().describe('the status that it was answered with'),
  hash: z.string(),
})

export const AuditVerdict = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('whole'), lines: z.int() }),
  z.object({ kind: z.literal('broken'), number: z.int(), why: z.string() }),
])
