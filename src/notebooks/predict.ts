import { type Base, baseNamed, isFolder } from './catalogue.ts'
import { type Figure, noFigure } from './figure.ts'
import { type KnownFigure, startOf, t4Of, trainedBytes } from './figures.ts'
import { type Model, mistral7b } from './models.ts'
import { type Plan, planFor } from './plan.ts'
import { loraWeightsPerRank, weightBytes, weightsPassed } from './shape.ts'
import type { Predictions } from './train-recipe.ts'

/** What the predictions rest on. */
export interface Workload {
  /** A mean row, prompt and answer together, and how that is known. */
  readonly row: { readonly tokens: number; readonly source: string }
  readonly sessionHours: number // what one session may use
  readonly sessionSteps: number | null // after how many steps of its own it hands over; none when null
}

/**
 * What a run will take, from the one table in `figures.ts`. The engine `dry` predicts nothing, nor does a base that the
 * catalogue does not have: its figures have no numbers and say why.
 */
export function predict(plan: Plan, workload: Workload): Predictions {
  if (plan.engine === 'dry') {
    const none = noFigure('dry: plumbing only, no GPU work', 'none: it learns a character model')
    const uses = 'one CPU core and the standard library of Python'
    return { uses, memory: none, speed: none, hours: none, sessions: none }
  }
  const base = isFolder(plan.base) ? `the base in ${plan.base}` : `${plan.base} at ${plan.revision}`
  const gpus = plan.engine === 'unsloth' ? 'one GPU' : 'one GPU, or two alike'
  const uses = `${base}, ${plan.quantization}, LoRA r=${plan.loraRank}, ${gpus}`
  const known = baseNamed(plan.base)
  const model = known?.model ?? null
  if (!known || model === null) {
    const none = noFigure('not known', 'none: this base is not in the catalogue')
    return { uses, memory: none, speed: none, hours: none, sessions: none }
  }
  const t4 = t4Of(plan.engine)
  const { low, likely: usual, high, source } = speedOf(model, t4.tokensPerSecond)
  const tokens = plan.targetSteps * plan.batchSize * plan.accumulation * workload.row.tokens
  const at = (speed: number): number => tokens / speed / 3600
  const [quick, likely, slow] = [at(high), at(usual), at(low)]
  const begin = startOf(plan.engine, known.sizeBytes)
  const useful = Math.max(0.05, workload.sessionHours - begin.likely / 3600)
  const { sessionSteps } = workload
  const least = sessionSteps === null ? 1 : Math.ceil(plan.targetSteps / sessionSteps)
  const sessions = (hours: number): number => Math.max(least, Math.ceil(hours / useful))
  return {
    uses,
    memory: memoryOf(plan, model),
    speed: {
      low,
      likely: usual,
      high,
      unit: 'tokens/s',
      text: `${usual} tokens/s on one T4, ± 50 %`,
      source,
    },
    hours: {
      low: hundredths(quick),
      likely: hundredths(likely),
      high: hundredths(slow),
      unit: 'h',
      text: `${inWords(likely)} for ${plan.targetSteps} steps (${inWords(quick)} to ${inWords(slow)})`,
      source: `the speed, and ${workload.row.source}`,
    },
    sessions: {
      low: sessions(quick),
      likely: sessions(likely),
      high: sessions(slow),
      unit: 'sessions',
      text: `${sessions(likely)} of ${inWords(workload.sessionHours)} (${sessions(quick)} to ${sessions(slow)})`,
      source: `the hours, and ${begin.likely / 60} min to start each (${begin.source})`,
    },
  }
}

/** A speed that is known of Mistral 7B, for another model by the weights that a token passes. */
function speedOf(model: Model, known: KnownFigure): KnownFigure {
  const share = weightsPassed(mistral7b.shape) / weightsPassed(model.shape)
  if (share === 1) return known
  const [low, likely, high] = [known.low, known.likely, known.high].map((at) =>
    Math.round(at * share),
  )
  const source = `${known.source}; they are of Mistral 7B, and ${model.name} has ${rounded(100 / share)} % of the weights that a token passes`
  return { low: low ?? 0, likely: likely ?? 0, high: high ?? 0, source }
}

/** Peak memory in GB: the weights as they are loaded, what is trained beside them, and one batch under way. */
function memoryOf(plan: Plan, { shape }: Model): Figure {
  const t4 = t4Of(plan.engine)
  const trained = loraWeightsPerRank(shape, plan.targets) * plan.loraRank * trainedBytes
  const batch = plan.batchSize * plan.maxLength * t4.bytesPerToken(shape)
  const low = (weightBytes(shape, plan.quantization) + trained + batch) / 1e9 + t4.contextGb
  const high = low * t4.fragmentation
  const range = `${rounded(low)} to ${rounded(high)} GB of a T4’s ${t4.memoryGb} GB`
  return {
    low: tenths(low),
    likely: tenths((low + high) / 2),
    high: tenths(high),
    unit: 'GB',
    text: `${range} at batch ${plan.batchSize} × ${plan.maxLength} tokens`,
    source: t4.memorySource,
  }
}

/** GB of the least GPU that trains a base with the plan's defaults in nf4, one row of 2,048 tokens at once; null for the rehearsal's. */
export function leastGpuGb(base: Base): number | null {
  if (base.model === null) return null
  const facts = { targetSteps: 1, seed: 0, dataSha256: '0'.repeat(64) }
  const plan = planFor('trl', { base: base.id, batchSize: 1, accumulation: 32 }, facts)
  return Math.ceil(memoryOf(plan, base.model).high ?? 0)
}

const hundredths = (value: number): number => Math.round(value * 100) / 100

/** Hours as a person says them: minutes where there are few. */
export const inWords = (hours: number): string =>
  hours < 1 ? `${Math.ceil(hours * 60)} min` : `${rounded(hours)} h`

export const tenths = (value: number): number => Math.round(value * 10) / 10

export const rounded = (value: number): string =>
  value < 10 ? String(tenths(value)) : String(Math.round(value))
