import { baseNamed } from '../notebooks/catalogue.ts'
import { startOf, tokensPerRow } from '../notebooks/figures.ts'
import { Plan } from '../notebooks/plan.ts'
import { predict } from '../notebooks/predict.ts'
import type { Prior } from '../rotation/engine/input.ts'
import type { Run } from '../rotation/run.ts'

/** Writing a checkpoint of 7B's LoRA and carrying it off: 500 MB at 25 MB/s; assumed, not measured. */
const saveSeconds = 20
/** A base of which nothing is known: 64 s a step, as Mistral 7B at 32 rows of 300 tokens. */
const unknownStepsPerHour = 3600 / 64
const unknownStartSeconds = 480
/** The engine `dry` begins within seconds and steps as fast as it is asked to; twice that for a busy machine. */
const dry = { startSeconds: 5, saveSeconds: 2, slack: 2, stepSeconds: 0.05 }
const usualSessionHours = 8.5

/** What a run's sessions are expected to be like before any has run, from the table of figures. */
export function priorOf(run: Run, train: { readonly rows: number; readonly bytes: number }): Prior {
  const plan = Plan.safeParse(run.plan)
  if (!plan.success || plan.data.engine === 'dry') {
    const pace = Math.max(run.options.stepSeconds, dry.stepSeconds) * dry.slack
    return {
      stepsPerHour: 3600 / pace,
      startSeconds: dry.startSeconds,
      saveSeconds: dry.saveSeconds,
    }
  }
  const { engine, base, maxLength, targetSteps } = plan.data
  const { hours } = predict(plan.data, {
    row: tokensPerRow(train, maxLength),
    sessionHours: usualSessionHours,
    sessionSteps: run.options.sessionSteps,
  })
  const known = baseNamed(base)
  return {
    stepsPerHour: hours.likely ? targetSteps / hours.likely : unknownStepsPerHour,
    startSeconds: known ? startOf(engine, known.sizeBytes).likely : unknownStartSeconds,
    saveSeconds,
  }
}
