import { z } from 'zod'
import { Time } from './schemas.ts'

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
