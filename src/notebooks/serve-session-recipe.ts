import { z } from 'zod'
import { AdapterFacts } from './adapter.ts'
import { NotebookName, NotebookProvider } from './notebook-provider.ts'
import { ServePlan } from './serve-plan.ts'
import { ServePredictions } from './serve-recipe.ts'

/** What the notebook of one session of a serving policy is made from. */
export const ServeSessionRecipe = z.strictObject({
  kind: z.literal('serve-session'),
  provider: NotebookProvider,
  name: NotebookName,
  run: z.strictObject({ id: z.string().min(1), name: z.string().min(1) }),
  generation: z.int().min(1),
  // Whether a session without a GPU ends at once; without this the server may compute on the CPU.
  requireGpu: z.boolean(),
  plan: ServePlan,
  facts: AdapterFacts.nullable(), // null where the manifest cannot be read
  predictions: ServePredictions,
  // Never sealed: a node that takes no order could not be replaced before it ends.
  controlUrl: z.url({ protocol: /^https?$/ }),
  ticket: z.string().min(1),
})
export type ServeSessionRecipe = z.infer<typeof ServeSessionRecipe>
