import { exampleRecipes } from '../../src/notebooks/examples.ts'
import type { Recipe } from '../../src/notebooks/recipe.ts'
import { loadTemplates } from '../../src/store/template-files.ts'

export const root = new URL('../../', import.meta.url)
export const templates = loadTemplates(new URL('templates/', root))

/** An example recipe of the engine for the machine at hand, with changes. */
export function recipeOf(engine: Recipe['engine'], changes: Partial<Recipe> = {}): Recipe {
  const found = exampleRecipes.find((r) => r.engine === engine && r.provider === 'local')
  if (!found) throw new Error(`there is no example of ${engine}`)
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
