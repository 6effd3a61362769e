import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { type DataSource, EvaluateRecipe } from '../notebooks/evaluate-recipe.ts'
import type { NotebookProvider } from '../notebooks/notebook-provider.ts'
import { predictEvaluation } from '../notebooks/predict-evaluation.ts'
import { comparingSeconds } from '../notebooks/serving-time.ts'
import type { Context } from './context.ts'
import { type GivenAdapter, givenAdapter, pathAt } from './given-adapter.ts'
import { misuse, providerOf, secondsOf, writeNotebook } from './notebook-flags.ts'
import { readDataFiles } from './read-adapter.ts'

interface EvaluateFlags {
  readonly provider: string
  readonly to: string
  readonly candidateDir?: string
  readonly candidateFiles?: string
  readonly candidateManifest?: string
  readonly currentDir?: string
  readonly currentFiles?: string
  readonly currentManifest?: string
  readonly data?: string
  readonly dataFiles?: string
  readonly hours?: string
  readonly kaggleUser?: string
  readonly kaggleDataset?: readonly string[]
}

const example = `
Examples:
  rodizio notebooks evaluate --provider local --candidate-dir data/new --current-dir data/old --data held-out.jsonl --to /tmp/evaluate
  rodizio notebooks evaluate --provider kaggle --candidate-dir /kaggle/input/new --candidate-manifest new/manifest.json \\
    --data /kaggle/input/held-out/held-out.jsonl --kaggle-user maria --kaggle-dataset maria/new maria/held-out --to /tmp/evaluate
  rodizio notebooks evaluate --provider colab --candidate-files new.json --data-files held-out.json --to /tmp/evaluate`

/** `rodizio notebooks evaluate`: a notebook that compares a candidate with its base, and with another adapter if one is named. */
export function evaluateCommand(notebooks: Command, context: Context): void {
  notebooks
    .command('evaluate')
    .description(
      'write a notebook that compares a candidate with its base and with another adapter on held-out conversations',
    )
    .requiredOption('--provider <provider>', 'where it is to run: kaggle, colab or local')
    .requiredOption('--to <folder>', 'where to write it')
    .option('--candidate-dir <folder>', 'the candidate’s folder on the machine where it will run')
    .option('--candidate-files <file>', 'or a JSON list of its files: name, url, bytes and sha256')
    .option('--candidate-manifest <file>', 'its manifest.json, where the folder is elsewhere')
    .option('--current-dir <folder>', 'the adapter that it is held against; the base alone else')
    .option('--current-files <file>', 'or a JSON list of its files')
    .option('--current-manifest <file>', 'its manifest.json, where the folder is elsewhere')
    .option('--data <file>', 'conversations that neither was trained on, as chat JSONL, there')
    .option('--data-files <file>', 'or a JSON list of that one file: name, url, bytes and sha256')
    .option('--hours <n>', 'after which it ends by itself, compared or not; 2 when left out')
    .option('--kaggle-user <name>', 'whose kernel-metadata.json is written; KAGGLE_USERNAME else')
    .option('--kaggle-dataset <owner/name...>', 'data sets at Kaggle that hold adapters and data')
    .addHelpText('after', example)
    .action((flags: EvaluateFlags) => writeEvaluating(flags, context))
}

async function writeEvaluating(flags: EvaluateFlags, context: Context): Promise<void> {
  const provider = providerOf(flags.provider)
  const candidate = adapterOf('candidate', flags, provider)
  const current =
    flags.currentDir === undefined && flags.currentFiles === undefined
      ? withoutCurrent(flags)
      : adapterOf('current', flags, provider)
  refuseTwoBases(candidate, current)
  const seconds = secondsOf(flags.hours, provider, comparingSeconds)
  const recipe = EvaluateRecipe.parse({
    kind: 'evaluate',
    provider,
    name: `rodizio-evaluate-${candidate.sha256.slice(0, 12)}`,
    candidate,
    current,
    data: dataOf(flags, provider),
    seconds,
    predictions: predictEvaluation(candidate.facts, current ? 2 : 1, seconds),
  })
  const target = {
    folder: flags.to,
    user: flags.kaggleUser,
    datasets: flags.kaggleDataset ?? [],
  }
  const { paths, told } = await writeNotebook(recipe, target, context)
  const { memory, start, hours } = recipe.predictions
  const answer = {
    files: paths,
    provider,
    seconds,
    candidate: { sha256: candidate.sha256, ...candidate.facts },
    current: current && { sha256: current.sha256, ...current.facts },
    dataSha256: recipe.data.kind === 'file' ? recipe.data.sha256 : recipe.data.files[0]?.sha256,
    predictions: recipe.predictions,
  }
  context.answer(answer, () =>
    [
      ...paths,
      `Memory: ${memory.text}. Start: ${start.text}. Hours: ${hours.text}.`,
      'Its figures stand in its output, in the line RODIZIO_EVALUATION, and in evaluation.json beside it.',
      ...told,
    ].join('\n'),
  )
}

function adapterOf(
  which: 'candidate' | 'current',
  flags: EvaluateFlags,
  provider: NotebookProvider,
): GivenAdapter {
  return givenAdapter(
    {
      dir: flags[`${which}Dir`],
      files: flags[`${which}Files`],
      manifest: flags[`${which}Manifest`],
      names: {
        dir: `--${which}-dir`,
        files: `--${which}-files`,
        manifest: `--${which}-manifest`,
      },
      command: 'rodizio notebooks evaluate',
    },
    provider,
  )
}

function withoutCurrent({ currentManifest }: EvaluateFlags): null {
  if (currentManifest === undefined) return null
  throw misuse(
    '--current-manifest alone does not say where that adapter is',
    'Name it with --current-dir or --current-files too, or leave the manifest out',
  )
}

/** The notebook would refuse them as well, an hour later. */
function refuseTwoBases(candidate: GivenAdapter, current: GivenAdapter | null): void {
  const [one, other] = [candidate.facts, current?.facts]
  if (!one || !other || (one.base === other.base && one.revision === other.revision)) return
  throw misuse(
    `the candidate was trained on ${one.base} at ${one.revision} and the current adapter on ${other.base} at ${other.revision}`,
    'Only adapters of one base can be compared: name another adapter',
  )
}

function dataOf({ data, dataFiles }: EvaluateFlags, provider: NotebookProvider): DataSource {
  if ((data === undefined) === (dataFiles === undefined)) {
    throw misuse(
      'either --data or --data-files is needed, and not both',
      'rodizio notebooks evaluate --help shows an example of each',
    )
  }
  if (dataFiles !== undefined) return { kind: 'files', files: readDataFiles(dataFiles) }
  const path = pathAt(provider, data ?? '', '--data')
  return { kind: 'file', path, sha256: provider === 'local' ? hashOf(path) : null }
}

function hashOf(path: string): string {
  try {
    return sha256Hex(readFileSync(path))
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new AppError('not-found', `cannot read ${path}: ${messageOf(cause)}`, {
      next: 'Name a JSONL file of conversations with --data',
      cause,
    })
  }
}
