import { renderNotebook } from './generate.ts'
import { kernelMetadata } from './kernel-metadata.ts'
import { Engine, planFor } from './plan.ts'
import { predict } from './predict.ts'
import { NotebookProvider, Recipe } from './recipe.ts'
import type { Templates } from './templates.ts'

/** A file under `notebooks/`, to be written as it stands. */
export interface Rendering {
  readonly path: string // relative to `notebooks/`
  readonly text: string
}

/** The recipes of the committed renderings: every provider with every engine, the ticket a placeholder. */
export const exampleRecipes: readonly Recipe[] = Engine.options.flatMap((engine) =>
  NotebookProvider.options.map((provider) => {
    const plan = planFor(engine, {}, { targetSteps: 500, seed: 7, dataSha256: '0'.repeat(64) })
    return Recipe.parse({
      kind: 'train',
      provider,
      engine,
      name: `rodizio-example-${engine}-${provider}`,
      run: { id: 'run_example', name: 'example' },
      generation: 1,
      requireGpu: provider !== 'local',
      plan,
      predictions: predict(plan, {
        row: { tokens: 300, source: '300 tokens a row, an example' },
        sessionHours: 8.5,
        sessionSteps: null,
      }),
      controlUrl: 'https://rodizio.example',
      ticket: 'rzt_EXAMPLE',
    })
  }),
)

/** Every file that belongs under `notebooks/`, in the order of its path. */
export const renderExamples = (templates: Templates): Rendering[] =>
  exampleRecipes
    .flatMap((recipe) => {
      const folder = `train-${recipe.engine}-${recipe.provider}`
      const notebook = { path: `${folder}/notebook.ipynb`, text: renderNotebook(recipe, templates) }
      if (recipe.provider !== 'kaggle') return [notebook]
      const metadata = kernelMetadata(recipe, 'owner', 'notebook.ipynb')
      const text = `${JSON.stringify(metadata, null, 2)}\n`
      return [notebook, { path: `${folder}/kernel-metadata.json`, text }]
    })
    .toSorted((left, right) => (left.path < right.path ? -1 : 1))
