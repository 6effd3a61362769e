import type { KindCells } from './kind-cells.ts'
import type { TrainRecipe } from './train-recipe.ts'

const engineCells: ReadonlySet<string> = new Set(['install', 'probe', 'model'])

const honesty = {
  dry: 'This engine is a rehearsal: it trains a small character model in plain Python, and its artifact is no adapter.',
  trl: 'This engine’s program is executed in tests on a CPU, with a tiny model, on the library versions of Colab’s and Kaggle’s images. **It has never been executed on a GPU.**',
  unsloth:
    '**This notebook has never been executed:** Unsloth cannot be imported without a GPU. It is checked for its form, and the parts that it shares with the engine trl are executed on a CPU. Last real execution: never.',
} as const

/** What the cells of a training notebook are made from. */
export const trainCells: KindCells<TrainRecipe> = {
  headerPath: 'cells/header.md',
  templatePath: (recipe, tag) =>
    engineCells.has(tag) ? `engines/${recipe.engine}/${tag}.py` : `cells/${tag}.py`,
  sourcePath: (recipe, source) => source.replace(/^engine\//, `engines/${recipe.engine}/`),
  parameters: (recipe) => ({
    CONTROL_URL: recipe.controlUrl,
    TICKET: recipe.ticket,
    SEALED: recipe.sealed,
    RUN: recipe.run.id,
    SESSION_NAME: recipe.name,
    GENERATION: recipe.generation,
    PROVIDER: recipe.provider,
    ENGINE: recipe.engine,
    REQUIRE_GPU: recipe.requireGpu,
  }),
  figures: ({ predictions: { uses: _uses, ...figures } }) => figures,
  words: (recipe) => ({
    uses: recipe.predictions.uses,
    name: recipe.name,
    run: recipe.run.name,
    provider: recipe.provider,
    generation: String(recipe.generation),
    engine: recipe.engine,
    honesty: honesty[recipe.engine],
    entry:
      recipe.sealed === ''
        ? 'It exchanges a single-use ticket for its work order'
        : 'It has brought its work order along, because the service has no public address: it takes no other orders',
    targetSteps: String(recipe.plan.targetSteps),
    device: deviceOf(recipe),
  }),
}

/** What becomes of a session that gets no GPU. */
function deviceOf({ engine, requireGpu }: TrainRecipe): string {
  if (engine === 'dry') return 'No GPU is used.'
  return requireGpu || engine === 'unsloth'
    ? 'Without a GPU it ends at once.'
    : 'Without a GPU it trains on the CPU, which suits a tiny base alone.'
}
