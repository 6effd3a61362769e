import type { AdapterSource } from './adapter.ts'
import type { Compared, DataSource, EvaluateRecipe } from './evaluate-recipe.ts'
import type { KindCells } from './kind-cells.ts'

const honesty =
  'It judges by the same code as a training judges its candidate, and is executed in tests on a CPU, with a tiny model, on the library versions of Colab’s and Kaggle’s images. **It has never been executed on a GPU, nor with a 7B base.**'

/** What the cells of an evaluating notebook are made from. */
export const evaluateCells: KindCells<EvaluateRecipe> = {
  headerPath: 'cells/evaluate/header.md',
  templatePath: (_recipe, tag) => `cells/evaluate/${tag}.py`,
  sourcePath: (_recipe, source) => source,
  parameters: ({ provider, candidate, current, data, seconds }) => ({
    PROVIDER: provider,
    CANDIDATE_DIR: folderOf(candidate.source),
    CANDIDATE_FILES: filesOf(candidate.source),
    CANDIDATE_SHA256: candidate.sha256,
    CURRENT_DIR: current ? folderOf(current.source) : '',
    CURRENT_FILES: current ? filesOf(current.source) : '',
    CURRENT_SHA256: current?.sha256 ?? '',
    DATA: data.kind === 'file' ? data.path : '',
    DATA_FILES: data.kind === 'files' ? JSON.stringify(data.files) : '',
    DATA_SHA256: data.kind === 'file' ? (data.sha256 ?? '') : '',
    SECONDS: seconds,
    REQUIRE_GPU: provider !== 'local',
  }),
  figures: ({ predictions: { uses: _uses, ...figures } }) => figures,
  words: (recipe) => ({
    uses: recipe.predictions.uses,
    name: recipe.name,
    provider: recipe.provider,
    honesty,
    candidate: nameOf(recipe.candidate),
    beside: recipe.current
      ? `its base and the current adapter **${nameOf(recipe.current)}**`
      : 'its base alone',
    adaptersFrom: adaptersFrom(recipe),
    dataFrom: dataFrom(recipe.data),
    device:
      recipe.provider === 'local'
        ? 'Without a GPU it compares on the CPU, which suits a tiny base alone.'
        : 'Without a GPU it ends at once.',
  }),
}

const folderOf = (source: AdapterSource): string => (source.kind === 'folder' ? source.path : '')

const filesOf = (source: AdapterSource): string =>
  source.kind === 'files' ? JSON.stringify(source.files) : ''

const nameOf = ({ facts, sha256 }: Compared): string => {
  const hash = `manifest ${sha256.slice(0, 12)}…`
  return facts ? `${facts.run}, step ${facts.step} (${hash})` : hash
}

function adaptersFrom({ candidate, current }: EvaluateRecipe): string {
  const sources = [candidate.source, ...(current ? [current.source] : [])]
  const folders = sources.flatMap((source) => (source.kind === 'folder' ? [source.path] : []))
  const fetched = sources.length > folders.length
  return [
    ...(folders.length > 0 ? [`Adapters are expected in ${folders.join(' and in ')}.`] : []),
    ...(fetched
      ? ['What has addresses in the parameters is fetched; whoever can read this notebook can too.']
      : []),
    'Any adapter other than the one whose manifest has the hash in the parameters is refused.',
  ].join(' ')
}

function dataFrom(data: DataSource): string {
  if (data.kind === 'files') return 'The conversations are fetched by their address.'
  return data.sha256 === null
    ? `The conversations are expected in ${data.path}; what stands there is taken, and its hash is told.`
    : `The conversations are expected in ${data.path}; others than those with the hash in the parameters are refused.`
}
