import type { AdapterFacts } from './adapter.ts'
import { catalogue } from './catalogue.ts'
import { EvaluateRecipe } from './evaluate-recipe.ts'
import { renderNotebook } from './generate.ts'
import { kernelMetadata } from './kernel-metadata.ts'
import { NotebookProvider } from './notebook-provider.ts'
import { Engine, planFor } from './plan.ts'
import { predict } from './predict.ts'
import { predictEvaluation } from './predict-evaluation.ts'
import { predictServing } from './predict-serving.ts'
import type { Recipe } from './recipe.ts'
import { ServeRecipe } from './serve-recipe.ts'
import { ServeSessionRecipe } from './serve-session-recipe.ts'
import { comparingSeconds, usualSeconds } from './serving-time.ts'
import type { Templates } from './templates.ts'
import { TrainRecipe } from './train-recipe.ts'

/** A file under `notebooks/`, to be written as it stands. */
export interface Rendering {
  readonly path: string // relative to `notebooks/`
  readonly text: string
}

/** Those of training: every provider with every engine, the ticket a placeholder. */
export const trainExamples: readonly TrainRecipe[] = Engine.options.flatMap((engine) =>
  NotebookProvider.options.map((provider) => {
    const plan = planFor(engine, {}, { targetSteps: 500, seed: 7, dataSha256: '0'.repeat(64) })
    return TrainRecipe.parse({
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

const servedFacts: AdapterFacts = {
  run: 'run_example',
  step: 500,
  base: catalogue.trl[0].id,
  revision: catalogue.trl[0].revision,
  quantization: 'nf4',
  loraRank: 16,
}

/** Those of serving: one for every provider, the adapter, its hash and the key's hash placeholders. */
export const serveExamples: readonly ServeRecipe[] = NotebookProvider.options.map((provider) =>
  ServeRecipe.parse({
    kind: 'serve',
    provider,
    name: `rodizio-example-serve-${provider}`,
    source: {
      kind: 'folder',
      path: provider === 'kaggle' ? '/kaggle/input/rodizio-adapter' : 'adapter',
    },
    adapterSha256: '0'.repeat(64),
    facts: servedFacts,
    seconds: usualSeconds[provider],
    keySha256: '0'.repeat(64),
    tunnel: '',
    predictions: predictServing(servedFacts, usualSeconds[provider]),
  }),
)

/** Those of a serving policy's sessions: one for every provider, ticket and hashes placeholders. */
export const serveSessionExamples: readonly ServeSessionRecipe[] = NotebookProvider.options.map(
  (provider) =>
    ServeSessionRecipe.parse({
      kind: 'serve-session',
      provider,
      name: `rodizio-example-serve-session-${provider}`,
      run: { id: 'run_policy', name: 'evenings' },
      generation: 1,
      requireGpu: provider !== 'local',
      plan: {
        engine: 'serve',
        adapter: '0'.repeat(64),
        base: servedFacts.base,
        revision: servedFacts.revision,
        quantization: servedFacts.quantization,
        keySha256: '0'.repeat(64),
        reach: null,
        maxTokens: 1024,
      },
      facts: servedFacts,
      predictions: predictServing(servedFacts, usualSeconds[provider]),
      controlUrl: 'https://rodizio.example',
      ticket: 'rzt_EXAMPLE',
    }),
)

const comparedIn = (provider: NotebookProvider, name: string) => ({
  source: {
    kind: 'folder',
    path: provider === 'kaggle' ? `/kaggle/input/rodizio-${name}` : name,
  },
  sha256: '0'.repeat(64),
  facts: servedFacts,
})

/** Those of evaluating: one for every provider, with a current adapter; adapters, data and hashes placeholders. */
export const evaluateExamples: readonly EvaluateRecipe[] = NotebookProvider.options.map(
  (provider) =>
    EvaluateRecipe.parse({
      kind: 'evaluate',
      provider,
      name: `rodizio-example-evaluate-${provider}`,
      candidate: comparedIn(provider, 'candidate'),
      current: comparedIn(provider, 'current'),
      data: {
        kind: 'file',
        path:
          provider === 'kaggle'
            ? '/kaggle/input/rodizio-held-out/held-out.jsonl'
            : 'held-out.jsonl',
        sha256: null,
      },
      seconds: comparingSeconds,
      predictions: predictEvaluation(servedFacts, 2, comparingSeconds),
    }),
)

/** The recipes of the committed renderings. */
export const exampleRecipes: readonly Recipe[] = [
  ...trainExamples,
  ...serveExamples,
  ...serveSessionExamples,
  ...evaluateExamples,
]

const folderOf = (recipe: Recipe): string =>
  recipe.kind === 'train'
    ? `train-${recipe.engine}-${recipe.provider}`
    : `${recipe.kind}-${recipe.provider}`

/** Every file that belongs under `notebooks/`, in the order of its path. */
export const renderExamples = (templates: Templates): Rendering[] =>
  exampleRecipes
    .flatMap((recipe) => {
      const folder = folderOf(recipe)
      const notebook = { path: `${folder}/notebook.ipynb`, text: renderNotebook(recipe, templates) }
      if (recipe.provider !== 'kaggle') return [notebook]
      const metadata = kernelMetadata(recipe, 'owner', 'notebook.ipynb')
      const text = `${JSON.stringify(metadata, null, 2)}\n`
      return [notebook, { path: `${folder}/kernel-metadata.json`, text }]
    })
    .toSorted((left, right) => (left.path < right.path ? -1 : 1))
