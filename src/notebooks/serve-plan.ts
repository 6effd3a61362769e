import { z } from 'zod'
import { Sha256 } from './adapter.ts'

/** What the sessions of a serving policy put up: an adapter on its base, behind a key, and how it is reached. */
export const ServePlan = z.strictObject({
  engine: z.literal('serve'),
  adapter: Sha256, // of its manifest.json
  base: z.string(),
  revision: z.string(),
  quantization: z.string(),
  keySha256: Sha256, // of the bearer key, which is kept nowhere
  tunnel: z.enum(['', 'cloudflared']),
  maxTokens: z.int().min(16).max(8192),
})
export type ServePlan = z.infer<typeof ServePlan>
