import { z } from 'zod'
import { AdapterFacts, AdapterSource, Sha256 } from './adapter.ts'
import { Figure } from './figure.ts'
import { NotebookName, NotebookProvider } from './notebook-provider.ts'

/** What a person is told before a serving session takes any hour. */
export const ServePredictions = z.strictObject({
  uses: z.string(),
  memory: Figure,
  start: Figure,
  hours: Figure,
})
export type ServePredictions = z.infer<typeof ServePredictions>

/** What a serving notebook is made from: one adapter, for so many seconds. It holds no secret. */
export const ServeRecipe = z.strictObject({
  kind: z.literal('serve'),
  provider: NotebookProvider,
  name: NotebookName,
  source: AdapterSource,
  adapterSha256: Sha256, // of its manifest.json
  facts: AdapterFacts.nullable(), // null where the manifest is not at hand
  seconds: z
    .int()
    .min(60)
    .max(7 * 24 * 3600),
  keySha256: Sha256, // of the bearer key, which only the person has
  tunnel: z.enum(['', 'cloudflared']),
  predictions: ServePredictions,
})
export type ServeRecipe = z.infer<typeof ServeRecipe>
