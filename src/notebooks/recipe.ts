import { z } from 'zod'
import { Engine, Plan } from './plan.ts'

export const NotebookProvider = z.enum(['kaggle', 'colab', 'local'])
export type NotebookProvider = z.infer<typeof NotebookProvider>

/** One predicted figure: a range with its unit, null where nothing can be said, and where it comes from. */
export const Figure = z.strictObject({
  low: z.number().nullable(),
  likely: z.number().nullable(),
  high: z.number().nullable(),
  unit: z.string(),
  text: z.string(),
  source: z.string(),
})
export type Figure = z.infer<typeof Figure>

/** What a person is told before any hour is spent: by the notebook's first cell, and by a dry run. */
export const Predictions = z.strictObject({
  uses: z.string(),
  memory: Figure,
  speed: Figure,
  hours: Figure,
  sessions: Figure,
})
export type Predictions = z.infer<typeof Predictions>

/** What a notebook is made from. */
export const Recipe = z
  .strictObject({
    kind: z.literal('train'),
    provider: NotebookProvider,
    engine: Engine,
    // Also the title and the slug at Kaggle, which must say the same, so that a lost launch is found.
    name: z.string().regex(/^[a-z0-9](?:-?[a-z0-9]){4,48}$/),
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
export type Recipe = z.infer<typeof Recipe>
