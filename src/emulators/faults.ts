import { z } from 'zod'

const on = {
  /** The call by its name (`SaveKernel`, `PutBlob`, `files.list`, `upload.chunk`), or `*` for the next call of any kind. */
  rpc: z.string().default('*'),
  times: z.number().int().min(1).default(1),
}

/** One thing that goes wrong, `times` times, with the calls named by `rpc`. */
export const Fault = z.discriminatedUnion('kind', [
  z.object({
    ...on,
    kind: z.literal('rate_limit'),
    retryAfterSeconds: z.number().min(0).optional(),
    /** Both shapes have been seen on the live service. */
    shape: z.enum(['flat', 'nested']).default('flat'),
  }),
  z.object({
    ...on,
    kind: z.literal('status'),
    status: z.number().int().min(400).max(599),
    message: z.string().default('The service is currently unavailable.'),
    /** The service's own word for it, where its errors carry one (`userRateLimitExceeded`). */
    reason: z.string().optional(),
    retryAfterSeconds: z.number().min(0).optional(),
  }),
  z.object({ ...on, kind: z.literal('hang') }),
  z.object({ ...on, kind: z.literal('slow'), bytesPerSecond: z.number().min(1).default(20) }),
  z.object({ ...on, kind: z.literal('cut'), afterBytes: z.number().int().min(0).optional() }),
  z.object({ ...on, kind: z.literal('garbage'), body: z.string().default('<html>502</html>') }),
  z.object({ ...on, kind: z.literal('error_text'), text: z.string() }),
  z.object({ ...on, kind: z.literal('expired_token') }),
  z.object({ ...on, kind: z.literal('started_but_cut') }),
])
export type Fault = z.infer<typeof Fault>
export type FaultInput = z.input<typeof Fault>

export interface Faults {
  add(fault: Fault): void
  /** The first fault that waits for this call, used up by one. */
  take(rpc: string): Fault | undefined
  list(): readonly Fault[]
  clear(): void
}

export function createFaults(): Faults {
  let waiting: { fault: Fault; left: number }[] = []
  return {
    add: (fault) => waiting.push({ fault, left: fault.times }),
    take: (rpc) => {
      const found = waiting.find(({ fault }) => fault.rpc === '*' || fault.rpc === rpc)
      if (!found) return undefined
      found.left -= 1
      waiting = waiting.filter(({ left }) => left > 0)
      return found.fault
    },
    list: () => waiting.map(({ fault, left }) => ({ ...fault, times: left })),
    clear: () => {
      waiting = []
    },
  }
}
