import { z } from 'zod'
import { Sha256 } from '../notebooks/adapter.ts'

/** Where a node says that it is reached: a stranger's word, so that nothing but a plain address is taken. */
const NodeUrl = z
  .string()
  .max(300)
  .regex(/^https?:\/\/[!-~]+$/, 'no address that begins with http:// or https://')
  .refine(hasNoCredentials, 'no address, or one with a name or a password in it')

/** What a session that serves says of its model. */
const Node = z.object({
  ready: z.boolean(),
  url: NodeUrl.nullable().default(null),
  reach: z.enum(['url', 'relay', 'local']).nullable().default(null),
  adapter: Sha256.nullable().default(null),
  freeVramBytes: z
    .number()
    .int()
    .min(0)
    .max(2 ** 50)
    .nullable()
    .default(null),
  tunnel: z.enum(['up', 'down']).nullable().default(null),
  restarts: z.number().int().min(0).max(100_000).default(0),
})

/** A heartbeat, as a session says it; what else stands in it is not needed here. */
export const Beat = z.object({
  step: z.number().int().min(0),
  phase: z.string().max(40).default('train'),
  history: z
    .array(z.tuple([z.number().int().min(0), z.number(), z.number()]))
    .max(500)
    .default([]),
  node: Node.nullable().default(null),
})

/** How a session says that it ended. */
export const SessionReport = z.object({
  outcome: z.enum(['finished', 'limit', 'stopped', 'failed']),
  step: z.number().int().min(0),
  failure: z
    .object({
      class: z.enum([
        'bad_dataset',
        'out_of_memory',
        'no_gpu',
        'dead_gpu',
        'refused_plan',
        'damaged_checkpoint',
        'access_expired',
        'notebook_bug',
      ]),
      message: z.string().max(4000),
      line: z.number().int().nullable().default(null),
      rowsAtOnce: z.number().int().min(1).max(1024).nullable().default(null),
    })
    .nullable()
    .default(null),
  logTail: z.string().max(20_000).default(''),
})

function hasNoCredentials(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { username, password } = new URL(address)
  return username === '' && password === ''
}
