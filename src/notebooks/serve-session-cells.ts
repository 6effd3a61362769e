import type { KindCells } from './kind-cells.ts'
import { honesty } from './serve-cells.ts'
import { type Reach, reachAt } from './serve-plan.ts'
import type { ServeSessionRecipe } from './serve-session-recipe.ts'
import { servingRules } from './serving-rules.ts'

/** Cells that are the same as those of a training session. */
const shared = new Set(['parameters'])

const reachWords: Readonly<Record<Reach, string>> = {
  relay:
    'It listens on 127.0.0.1 of the session’s own machine and opens nothing: it calls the service for requests, and sends the answers there.',
  tunnel:
    'It opens a quick tunnel of Cloudflare: its address is on the open net, is told to the service, and only the key keeps others out.',
  local: 'It listens on 127.0.0.1 of the session’s own machine and on nothing else.',
}

/** What the cells of the notebook of a serving policy's session are made from. */
export const serveSessionCells: KindCells<ServeSessionRecipe> = {
  headerPath: 'cells/serve-session/header.md',
  templatePath: (_recipe, tag) =>
    shared.has(tag) ? `cells/${tag}.py` : `cells/serve-session/${tag}.py`,
  sourcePath: (_recipe, source) => source,
  parameters: (recipe) => ({
    CONTROL_URL: recipe.controlUrl,
    TICKET: recipe.ticket,
    RUN: recipe.run.id,
    SESSION_NAME: recipe.name,
    GENERATION: recipe.generation,
    PROVIDER: recipe.provider,
    ENGINE: recipe.plan.engine,
    REQUIRE_GPU: recipe.requireGpu,
  }),
  figures: ({ predictions: { uses: _uses, ...figures } }) => figures,
  words: (recipe) => ({
    uses: recipe.predictions.uses,
    name: recipe.name,
    run: recipe.run.name,
    provider: recipe.provider,
    generation: String(recipe.generation),
    honesty,
    adapter: nameOf(recipe),
    base: `${recipe.plan.base} at ${recipe.plan.revision}`,
    reach: reachWords[reachAt(recipe.plan, recipe.provider)],
    device: recipe.requireGpu
      ? 'Without a GPU it ends at once.'
      : 'Without a GPU it computes on the CPU, which suits a tiny base alone.',
    rules: servingRules[recipe.provider] ?? 'This machine is your own: nobody’s rules but yours.',
  }),
}

function nameOf({ facts, plan }: ServeSessionRecipe): string {
  const hash = `manifest ${plan.adapter.slice(0, 12)}…`
  return facts ? `${facts.run}, step ${facts.step} (${hash})` : hash
}
