import { z } from 'zod'
import { AdapterFacts, AdapterFile, AdapterSource, Sha256 } from './adapter.ts'
import { NotebookName, NotebookProvider } from './notebook-provider.ts'
import { ServePredictions } from './serve-recipe.ts'

/** Where the session finds the held-out conversations: a JSONL file of its machine, or one at an address. */
export const DataSource = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    path: z.string().min(1),
    sha256: Sha256.nullable(), // null where the file was not at hand: any is taken then
  }),
  z.strictObject({ kind: z.literal('files'), files: z.array(AdapterFile).length(1) }),
])
export type DataSource = z.infer<typeof DataSource>

/** An adapter that is compared. */
export const Compared = z.strictObject({
  source: AdapterSource,
  sha256: Sha256, // of its manifest.json
  facts: AdapterFacts.nullable(), // null where the manifest is not at hand
})
export type Compared = z.infer<typeof Compared>

/** What an evaluating notebook is made from: a candidate, what it is held against, and on what. It holds no secret. */
export const EvaluateRecipe = z.strictObject({
  kind: z.literal('evaluate'),
  provider: NotebookProvider,
  name: NotebookName,
  candidate: Compared,
  current: Compared.nullable(), // null: the base alone is what the candidate is held against
  data: DataSource,
  seconds: z
    .int()
    .min(60)
    .max(7 * 24 * 3600),
  predictions: ServePredictions, // a session that answers, and one that compares, take the same things
})
export type EvaluateRecipe = z.infer<typeof EvaluateRecipe>
