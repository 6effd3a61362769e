import { z } from 'zod'
import { Figure } from './figure.ts'
import { NotebookName, NotebookProvider } from './notebook-provider.ts'
import { Engine, Plan } from './plan.ts'

/** What a person is told before any hour is spent: by the notebook's first cell, and by a dry run. */
export const Predictions = z.strictObject({
  uses: z.string(),
  memory: Figure,
  speed: Figure,
  hours: Figure,
  sessions: Figure,
})
export type Predictions = z.infer<typeof Predictions>

/** What a training notebook is made from: one session of a run. */
export const TrainRecipe = z
  .strictObject({
    kind: z.literal('train'),
    provider: NotebookProvider,
    engine: Engine,
    name: NotebookName,
    run: z.strictObject({ id: z.string().min(1), name: z.string().min(1) }),
    generation: z.int().min(1),
    // Whether a session without a GPU ends at once; without this an engine may train on the CPU.
    requireGpu: z.boolean(),
    plan: Plan,
    predictions: Predictions,
    controlUrl: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]).default(''),
    ticket: z.string().default(''),
    // The whole work order as JSON, for a session that cannot reach the service.
    sealed: z.string().default(''),
  })
  .refine(
    ({ controlUrl, ticket, sealed }) => (sealed === '') === (controlUrl !== '' && ticket !== ''),
    {
      path: ['controlUrl'],
      message: 'either an address and a ticket, or a sealed work order',
    },
  )
  .refine((recipe) => recipe.plan.engine === recipe.engine, {
    path: ['plan', 'engine'],
    message: 'the plan is of another engine',
  })
export type TrainRecipe = z.infer<typeof TrainRecipe>
