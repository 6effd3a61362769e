import { baseNamed } from '../notebooks/catalogue.ts'
import { fewTokens, startOf, t4Of } from '../notebooks/figures.ts'
import { mistral7b } from '../notebooks/models.ts'
import type { Plan } from '../notebooks/plan.ts'
import { loraWeightsPerRank } from '../notebooks/shape.ts'
import type { Predictions } from '../notebooks/train-recipe.ts'
import type { ProviderName } from '../rotation/account.ts'
import type { Run } from '../rotation/run.ts'

/** Rows that look longer than the plan takes, and the line of the first one, counted from 1. */
export interface LongRows {
  readonly count: number
  readonly first: number | null
}

/** What is known of a run before it begins. */
export interface RunFacts {
  readonly run: Pick<Run, 'options' | 'targetSteps'>
  readonly plan: Plan
  readonly rows: number
  readonly tokensPerRow: number
  /** Undefined where nobody has looked. */
  readonly longRows: LongRows | undefined
  readonly sessionSeconds: number
  /** Those that the run can use. */
  readonly accounts: number
  /** The provider that alone has the run's base. */
  readonly only: ProviderName | undefined
  /** What all accounts together may still plan this week. */
  readonly weekSeconds: number
  readonly predictions: Predictions
}

/** What speaks against beginning a run as it stands; one sentence each, empty when nothing does. Pure. */
export const runWarnings = (facts: RunFacts): string[] =>
  [
    noAdapter(facts),
    neverExecuted(facts),
    slowDropout(facts),
    noAccount(facts),
    longRows(facts),
    fewRows(facts),
    tooFewTokens(facts),
    passes(facts),
    shortSession(facts),
    weekIsShort(facts),
    memoryIsShort(facts),
  ].filter((warning) => warning !== undefined)

/** What a T4 needs for writing a checkpoint and carrying it off, at a guess. */
const saveSeconds = 60

const batchOf = ({ batchSize, accumulation }: Plan): number => batchSize * accumulation

const noAdapter = ({ plan }: RunFacts): string | undefined =>
  plan.engine === 'dry'
    ? 'the engine dry makes no adapter: it is a rehearsal with a small character model'
    : undefined

const neverExecuted = ({ plan }: RunFacts): string | undefined =>
  plan.engine === 'unsloth'
    ? 'the notebook of the engine unsloth has never been executed: try it with --smoke first'
    : undefined

const slowDropout = ({ plan }: RunFacts): string | undefined =>
  plan.engine === 'unsloth' && plan.loraDropout > 0
    ? `Unsloth is fast without dropout, and the plan has ${plan.loraDropout}: --set loraDropout=0`
    : undefined

function noAccount({ accounts, only }: RunFacts): string | undefined {
  if (accounts > 0) return undefined
  return only === undefined
    ? 'no account lends GPU time yet: rodizio accounts add'
    : `no account at ${only} lends GPU time, and the base is mounted there alone: rodizio accounts add NAME --provider ${only}`
}

function longRows({ plan, longRows }: RunFacts): string | undefined {
  if (!longRows || longRows.count === 0) return undefined
  const { count, first } = longRows
  const which = count === 1 ? `row ${first} is` : `${count} rows are, the first one row ${first},`
  return plan.engine === 'dry'
    ? `${which} longer than maxLength ${plan.maxLength} characters: what is over is cut off`
    : `${which} probably longer than maxLength ${plan.maxLength} tokens, told by bytes alone: a session refuses the data at the first that is`
}

function fewRows({ plan, rows }: RunFacts): string | undefined {
  const batch = batchOf(plan)
  return rows < batch
    ? `the data has ${rows} training rows, fewer than the ${batch} of one step: a pass over it is not even one whole step`
    : undefined
}

function tooFewTokens({ run, plan, rows, tokensPerRow }: RunFacts): string | undefined {
  if (run.options.smoke || plan.engine === 'dry' || rows < batchOf(plan)) return undefined
  const { weightsPerToken } = fewTokens
  const { shape } = baseNamed(plan.base)?.model ?? mistral7b // what nobody knows is taken for one of its size
  const weights = loraWeightsPerRank(shape, plan.targets) * plan.loraRank
  const tokens = rows * tokensPerRow
  return tokens * weightsPerToken < weights
    ? `the data has some ${tokens.toLocaleString('en')} tokens for ${weights.toLocaleString('en')} weights, which is far too few to teach more than a manner of speaking: a lower loraRank learns less by heart`
    : undefined
}

function passes({ run, plan, rows }: RunFacts): string | undefined {
  if (run.options.smoke) return undefined
  const epochs = (run.targetSteps * batchOf(plan)) / Math.max(1, rows)
  if (epochs < 1) {
    const seen = run.targetSteps * batchOf(plan)
    return `${run.targetSteps} steps are less than one epoch: ${seen} of ${rows} rows are seen`
  }
  // Beyond four passes repeated rows teach little more.
  return epochs > 4 && rows >= batchOf(plan)
    ? `every row is seen ${epochs.toFixed(1)} times: more than four passes mostly learn by heart`
    : undefined
}

function shortSession({ run, plan, tokensPerRow, sessionSeconds, predictions }: RunFacts) {
  const speed = predictions.speed.likely
  const { stepSeconds } = run.options
  const step = speed === null ? stepSeconds : (batchOf(plan) * tokensPerRow) / speed
  // It leaves while twice its slowest step still fits, and so makes its first one only when three do.
  const needed =
    3 * step +
    (speed === null
      ? 0
      : startOf(plan.engine, baseNamed(plan.base)?.sizeBytes ?? null).likely + saveSeconds)
  return sessionSeconds < needed
    ? `a session of ${inWords(sessionSeconds)} is too short for a checkpoint: it takes about ${inWords(needed)} to start, make a step and save`
    : undefined
}

function weekIsShort({ accounts, weekSeconds, predictions }: RunFacts): string | undefined {
  const { likely, text } = predictions.hours
  const left = weekSeconds / 3600
  return accounts > 0 && likely !== null && likely > left
    ? `it takes ${text}, and the accounts have ${left.toFixed(1)} h left this week: it goes on into another`
    : undefined
}

function memoryIsShort({ plan, predictions }: RunFacts): string | undefined {
  const { high, text } = predictions.memory
  return high !== null && high > t4Of(plan.engine).memoryGb
    ? `it may take more memory than a T4 has (${text}): fewer rows go through at once, or none do`
    : undefined
}

const inWords = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
