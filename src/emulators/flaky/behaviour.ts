import { z } from 'zod'

/** What the target does with every connection until it is told otherwise. */
export const Behaviour = z.discriminatedUnion('kind', [
  /** Answers `/health` as a node does, and anything else with 404. */
  z.object({ kind: z.literal('well') }),
  /** Says at `/health` that it serves another run. */
  z.object({ kind: z.literal('other-run'), run: z.string().default('run_of_somebody_else') }),
  /** 503, and says of itself that it is not well. */
  z.object({ kind: z.literal('failing') }),
  z.object({ kind: z.literal('status'), status: z.number().int().min(400).max(599).default(500) }),
  /** 200 with a web page. */
  z.object({ kind: z.literal('page') }),
  /** Takes the connection and says nothing. */
  z.object({ kind: z.literal('hang') }),
  z.object({ kind: z.literal('slow-first-byte'), seconds: z.number().min(0).default(30) }),
  /** One byte of the answer after the other, headers at once. */
  z.object({ kind: z.literal('drip'), secondsPerByte: z.number().min(0.001).default(1) }),
  /** A body without end, or nearly. */
  z.object({
    kind: z.literal('huge'),
    bytes: z
      .number()
      .int()
      .min(1)
      .default(1024 ** 3),
  }),
  /** Sends every request on to itself. */
  z.object({ kind: z.literal('redirect-for-ever') }),
  z.object({
    kind: z.literal('redirect'),
    location: z
      .string()
      .regex(/^[ -~]*$/, 'what a header may hold')
      .default('http://169.254.169.254/latest/'),
  }),
  /** At TLS: one that nobody vouches for, one that is over, or another host's. */
  z.object({
    kind: z.literal('certificate'),
    which: z.enum(['unknown', 'expired', 'wrong-name']).default('unknown'),
  }),
  /** Speaks no TLS where it is expected. */
  z.object({ kind: z.literal('no-tls') }),
  /** Breaks the connection: when the request has come, or in the middle of the answer's body. */
  z.object({
    kind: z.literal('reset'),
    when: z.enum(['before-headers', 'after-headers']).default('before-headers'),
  }),
  /** What is no HTTP. */
  z.object({ kind: z.literal('garbage'), text: z.string().default('220 smtp.example ESMTP\r\n') }),
])
export type Behaviour = z.infer<typeof Behaviour>
export type BehaviourInput = z.input<typeof Behaviour>
