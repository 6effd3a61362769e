import type { KindCells } from './kind-cells.ts'
import type { ServeRecipe } from './serve-recipe.ts'
import { servingRules } from './serving-rules.ts'

/** What of the server has been executed, and what has not. */
export const honesty =
  'Its server is executed in tests on a CPU, with a tiny model, on the library versions of Colab’s and Kaggle’s images. **It has never been executed on a GPU, nor with a 7B base.**'

const relayed =
  'The sessions of a serving policy are reached through the service instead, without a tunnel.'

/** What the cells of a serving notebook are made from. */
export const serveCells: KindCells<ServeRecipe> = {
  headerPath: 'cells/serve/header.md',
  templatePath: (_recipe, tag) => `cells/serve/${tag}.py`,
  sourcePath: (_recipe, source) => source,
  parameters: (recipe) => ({
    PROVIDER: recipe.provider,
    ADAPTER_DIR: recipe.source.kind === 'folder' ? recipe.source.path : '',
    ADAPTER_FILES: recipe.source.kind === 'files' ? JSON.stringify(recipe.source.files) : '',
    ADAPTER_SHA256: recipe.adapterSha256,
    SECONDS: recipe.seconds,
    SERVE_KEY_SHA256: recipe.keySha256,
    TUNNEL: recipe.tunnel,
    REQUIRE_GPU: recipe.provider !== 'local',
  }),
  figures: ({ predictions: { uses: _uses, ...figures } }) => figures,
  words: (recipe) => ({
    uses: recipe.predictions.uses,
    name: recipe.name,
    provider: recipe.provider,
    honesty,
    adapter: nameOf(recipe),
    adapterFrom:
      recipe.source.kind === 'folder'
        ? `The adapter is expected in ${recipe.source.path}; any other than the one whose manifest has the hash in the parameters is refused.`
        : 'The adapter is fetched by the addresses in the parameters; any other than the one whose manifest has the hash there is refused. Whoever can read this notebook can fetch it too.',
    base: recipe.facts
      ? `${recipe.facts.base} at ${recipe.facts.revision}`
      : '(its manifest says which)',
    reach:
      recipe.tunnel === ''
        ? `It listens on 127.0.0.1 of the session’s own machine and on nothing else. ${relayed}`
        : `It opens a quick tunnel of Cloudflare: its address is on the open net, stands in the output, and only the key keeps others out. ${relayed}`,
    rules: servingRules[recipe.provider] ?? 'This machine is your own: nobody’s rules but yours.',
  }),
}

const nameOf = ({ facts, adapterSha256 }: ServeRecipe): string => {
  const hash = `manifest ${adapterSha256.slice(0, 12)}…`
  return facts ? `${facts.run}, step ${facts.step} (${hash})` : hash
}
