import { z } from 'zod'
import { baseNamed, catalogue, mountedModel } from './catalogue.ts'

export const Engine = z.enum(['dry', 'trl', 'unsloth'])
export type Engine = z.infer<typeof Engine>

/** Everything a checkpoint must agree on before another session may go on from it. */
export const Plan = z.strictObject({
  engine: Engine,
  base: z.string().min(1),
  revision: z.string().min(1),
  quantization: z.enum(['nf4', 'none']),
  loraRank: z.int().min(0).max(256),
  loraAlpha: z.number().min(0),
  loraDropout: z.number().min(0).max(0.9),
  targets: z.array(z.string().min(1)),
  learningRate: z.number().positive().max(10),
  warmupRatio: z.number().min(0).max(1),
  minLearningRateRatio: z.number().min(0).max(1),
  weightDecay: z.number().min(0),
  adamBeta1: z.number().min(0).lt(1),
  adamBeta2: z.number().min(0).lt(1),
  optimizer: z.string().min(1),
  batchSize: z.int().min(1).max(1024),
  accumulation: z.int().min(1).max(1024),
  maxLength: z.int().min(16).max(131_072), // tokens; characters in the engine `dry`
  targetSteps: z.int().min(1).max(10_000_000),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  dataSha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** The adapter whose weights the first step begins with, by its manifest's hash; left out: fresh ones. */
  fromAdapter: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
})
export type Plan = z.infer<typeof Plan>

/** What only the run itself can say about its plan. */
export interface PlanFacts {
  readonly targetSteps: number
  readonly seed: number
  readonly dataSha256: string // 64 hex digits
  readonly fromAdapter?: string | undefined
}

/** What a person may change about a plan; anything left out keeps the engine's default. */
export const PlanOverrides = Plan.omit({
  engine: true,
  targetSteps: true,
  seed: true,
  dataSha256: true,
  fromAdapter: true,
}).partial()
export type PlanOverrides = z.infer<typeof PlanOverrides>

const shared = {
  loraDropout: 0.05,
  warmupRatio: 0.03,
  minLearningRateRatio: 0.1,
  batchSize: 2,
  accumulation: 16,
  maxLength: 2048,
} as const

type Defaults = Omit<Plan, keyof PlanFacts | 'engine' | 'revision' | 'targets'>

const adapter: Defaults = {
  ...shared,
  base: catalogue.trl[0].id,
  quantization: 'nf4',
  loraRank: 16,
  loraAlpha: 32,
  learningRate: 2e-4,
  weightDecay: 0.01,
  adamBeta1: 0.9,
  adamBeta2: 0.95,
  optimizer: 'paged_adamw_8bit',
}

const defaults: Record<Engine, Defaults> = {
  trl: adapter,
  unsloth: adapter,
  dry: {
    ...shared,
    base: catalogue.dry[0].id,
    quantization: 'none',
    loraRank: 0,
    loraAlpha: 0,
    learningRate: 0.5, // Adagrad's scale, not Adam's
    weightDecay: 0,
    adamBeta1: 0,
    adamBeta2: 0,
    optimizer: 'adagrad',
  },
}

/** The whole plan of a run: the engine's defaults, the overrides on top, the run's own facts; the base
 * at the commit of the catalogue, or the version in its name, and with the catalogue's targets unless told otherwise; a base that is not
 * there has none. Throws ZodError where a value is out of range. */
export function planFor(engine: Engine, overrides: PlanOverrides, facts: PlanFacts): Plan {
  const given = Object.fromEntries(
    Object.entries(PlanOverrides.parse(overrides)).filter(([, value]) => value !== undefined),
  )
  const whole = { ...defaults[engine], ...given }
  const base = baseNamed(whole.base)
  const revision = base?.revision ?? mountedModel(whole.base)?.version ?? 'main'
  const targets = base?.targets ?? []
  const { fromAdapter, ...rest } = facts
  const begun = fromAdapter === undefined ? {} : { fromAdapter } // no field at all in a plan without one
  return Plan.parse({ revision, targets, ...whole, engine, ...rest, ...begun })
}
