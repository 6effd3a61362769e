import type { EvaluateRecipe } from '../../src/notebooks/evaluate-recipe.ts'
import { evaluateExamples, serveExamples, trainExamples } from '../../src/notebooks/examples.ts'
import type { NotebookProvider } from '../../src/notebooks/notebook-provider.ts'
import type { ServeRecipe } from '../../src/notebooks/serve-recipe.ts'
import type { TrainRecipe } from '../../src/notebooks/train-recipe.ts'
import { loadTemplates } from '../../src/store/template-files.ts'

export const root = new URL('../../', import.meta.url)
export const templates = loadTemplates(new URL('templates/', root))

/** An example recipe of training with the engine on the machine at hand, with changes. */
export function recipeOf(
  engine: TrainRecipe['engine'],
  changes: Partial<TrainRecipe> = {},
): TrainRecipe {
  const found = trainExamples.find((r) => r.engine === engine && r.provider === 'local')
  if (!found) throw new Error(`there is no example of ${engine}`)
  return { ...found, ...changes }
}

/** An example recipe of serving at the provider, with changes. */
export function servingOf(
  provider: NotebookProvider,
  changes: Partial<ServeRecipe> = {},
): ServeRecipe {
  const found = serveExamples.find((r) => r.provider === provider)
  if (!found) throw new Error(`there is no example of serving at ${provider}`)
  return { ...found, ...changes }
}

/** An example recipe of evaluating at the provider, with changes. */
export function evaluatingOf(
  provider: NotebookProvider,
  changes: Partial<EvaluateRecipe> = {},
): EvaluateRecipe {
  const found = evaluateExamples.find((r) => r.provider === provider)
  if (!found) throw new Error(`there is no example of evaluating at ${provider}`)
  return { ...found, ...changes }
}

/** The source of every cell, as one text each. */
export const sourcesOf = (notebook: string): { type: string; tags: string[]; source: string }[] =>
  JSON.parse(notebook).cells.map(
    (cell: { cell_type: string; metadata: { tags?: string[] }; source: string[] }) => ({
      type: cell.cell_type,
      tags: cell.metadata.tags ?? [],
      source: cell.source.join(''),
    }),
  )
