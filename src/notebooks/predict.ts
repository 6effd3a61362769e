import type { Plan } from './plan.ts'
import type { Predictions } from './recipe.ts'

/** What the predictions rest on. */
export interface Workload {
  readonly tokensPerExample: number // mean, prompt and answer together
  readonly sessionHours: number // what one session may use
}

const T4_TOKENS_PER_SECOND = 150 // one T4, plain TRL and peft, nf4 7B; an estimate, ± 50 %

/** The header's figures. Those of `trl` are an estimate for Mistral 7B on one T4 and are called so;
 * the engine `dry` predicts nothing. */
export function predict(plan: Plan, workload: Workload): Predictions {
  if (plan.engine === 'dry') {
    const none = 'dry: plumbing only, no GPU work'
    return {
      uses: 'one CPU core and the standard library of Python',
      memory: none,
      speed: none,
      hours: none,
      sessions: none,
      source: 'none: what it learns is a character model, labelled dry',
    }
  }
  const tokens =
    plan.targetSteps * plan.batchSize * plan.accumulation * Math.max(1, workload.tokensPerExample)
  const hours = tokens / T4_TOKENS_PER_SECOND / 3600
  return {
    uses: `${plan.base} at ${plan.revision}, ${plan.quantization}, LoRA r=${plan.loraRank}, one GPU`,
    memory: '8 to 9.5 GB of a T4’s 14.75 GiB at batch 2 × 2048 tokens',
    speed: `${T4_TOKENS_PER_SECOND} tokens/s on one T4, ± 50 %`,
    hours: `${rounded(hours)} h for ${plan.targetSteps} steps, ± 50 %`,
    sessions: `${Math.max(1, Math.ceil(hours / workload.sessionHours))} of ${rounded(workload.sessionHours)} h`,
    source: 'estimate: from published records of other notebooks, not measured with this one',
  }
}

const rounded = (hours: number): string =>
  hours < 10 ? String(Math.round(hours * 10) / 10) : String(Math.round(hours))
