import { z } from 'zod'
import { scopes } from '../safekeeping/scopes.ts'

const Time = z.iso.datetime()

export const Token = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(scopes)),
  createdAt: Time,
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable().describe('of the minute'),
  revokedAt: Time.nullable(),
})
export type Token = z.infer<typeof Token>

export const NewToken = z.strictObject({
  name: z.string().min(1).max(80),
  scopes: z.array(z.string().max(20)).min(1).max(6),
  days: z.number().positive().optional().describe('it is good for so long; for good when left out'),
})

export const TokenMade = Token.extend({ token: z.string().describe('shown this once') })
