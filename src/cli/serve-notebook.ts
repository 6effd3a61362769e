import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import type { NotebookProvider } from '../notebooks/notebook-provider.ts'
import { predictServing } from '../notebooks/predict-serving.ts'
import { ServeRecipe } from '../notebooks/serve-recipe.ts'
import { servingRules } from '../notebooks/serving-rules.ts'
import { usualSeconds } from '../notebooks/serving-time.ts'
import { providerRules } from '../rotation/account.ts'
import { askToAccept } from './ask-to-accept.ts'
import type { Context } from './context.ts'
import { type GivenAdapter, givenAdapter } from './given-adapter.ts'
import { misuse, providerOf, secondsOf, writeNotebook } from './notebook-flags.ts'

interface ServeFlags {
  readonly provider: string
  readonly to: string
  readonly adapterDir?: string
  readonly adapterFiles?: string
  readonly manifest?: string
  readonly hours?: string
  readonly tunnel?: string
  readonly keyFile?: string
  readonly kaggleUser?: string
  readonly kaggleDataset?: string
  readonly acceptRules?: boolean
}

/** `rodizio notebooks serve`: a notebook that serves one adapter, and the key to it, shown once. */
export function serveCommand(notebooks: Command, context: Context): void {
  notebooks
    .command('serve')
    .description(
      'write a notebook that serves an adapter; its bearer key is shown once, and stands nowhere else',
    )
    .requiredOption('--provider <provider>', 'where it is to run: kaggle, colab or local')
    .requiredOption('--to <folder>', 'where to write it')
    .option('--adapter-dir <folder>', 'the folder of the adapter on the machine where it will run')
    .option('--adapter-files <file>', 'or a JSON list of its files: name, url, bytes and sha256')
    .option('--manifest <file>', 'its manifest.json, where the folder is not on this machine')
    .option('--hours <n>', 'after which it ends by itself; 8.5 at Kaggle, 11 at Colab, 12 here')
    .option('--tunnel <program>', 'open an address on the open net: cloudflared')
    .option('--key-file <file>', 'take the bearer key from there instead of making one')
    .option('--kaggle-user <name>', 'whose kernel-metadata.json is written; KAGGLE_USERNAME else')
    .option('--kaggle-dataset <owner/name>', 'the data set at Kaggle that holds the adapter')
    .option('--accept-rules', "accept the provider's rules on serving, which this command prints")
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio notebooks serve --provider local --adapter-dir data/adapter --to /tmp/serve\n  rodizio notebooks serve --provider kaggle --adapter-dir /kaggle/input/my-adapter --manifest adapter/manifest.json \\\n    --kaggle-user maria --kaggle-dataset maria/my-adapter --to /tmp/serve --accept-rules\n  rodizio notebooks serve --provider local --adapter-files files.json --tunnel cloudflared --hours 2 --to /tmp/serve',
    )
    .action((flags: ServeFlags) => writeServing(flags, context))
}

async function writeServing(flags: ServeFlags, context: Context): Promise<void> {
  const provider = providerOf(flags.provider)
  const served = servedBy(flags, provider)
  const seconds = secondsOf(flags.hours, provider, usualSeconds[provider])
  const tunnel = tunnelOf(flags.tunnel)
  await acceptRules(flags, provider, context)
  const made = flags.keyFile === undefined ? newSecret('rzk', 256) : undefined
  const recipe = ServeRecipe.parse({
    kind: 'serve',
    provider,
    name: `rodizio-serve-${served.sha256.slice(0, 12)}`,
    source: served.source,
    adapterSha256: served.sha256,
    facts: served.facts,
    seconds,
    keySha256: sha256Hex(made ?? keyIn(flags.keyFile ?? '')),
    tunnel,
    predictions: predictServing(served.facts, seconds),
  })
  const datasets = flags.kaggleDataset === undefined ? [] : [flags.kaggleDataset]
  const { paths, told } = await writeNotebook(
    recipe,
    { folder: flags.to, user: flags.kaggleUser, datasets },
    context,
  )
  const { memory, start, hours } = recipe.predictions
  const answer = {
    files: paths,
    provider,
    seconds,
    tunnel,
    adapter: { sha256: served.sha256, ...served.facts },
    keySha256: recipe.keySha256,
    ...(made === undefined ? {} : { key: made }),
    predictions: recipe.predictions,
  }
  context.answer(answer, () =>
    [
      ...paths,
      `Memory: ${memory.text}. Start: ${start.text}. Hours: ${hours.text}.`,
      tunnel === ''
        ? 'It answers on 127.0.0.1 of its own machine alone; the sessions of a serving policy are reached through the service, --tunnel opens an address here.'
        : 'Its address stands in its output, in the line RODIZIO_SERVING.',
      ...told,
      made === undefined ? 'Its key is the one in the file.' : `The key, shown this once: ${made}`,
    ].join('\n'),
  )
}

function tunnelOf(name: string | undefined): '' | 'cloudflared' {
  if (name === undefined || name === 'cloudflared') return name ?? ''
  throw misuse(`--tunnel: there is no tunnel ${name}`, 'There is: cloudflared')
}

const servedBy = (flags: ServeFlags, provider: NotebookProvider): GivenAdapter =>
  givenAdapter(
    {
      dir: flags.adapterDir,
      files: flags.adapterFiles,
      manifest: flags.manifest,
      names: { dir: '--adapter-dir', files: '--adapter-files', manifest: '--manifest' },
      command: 'rodizio notebooks serve',
    },
    provider,
  )

/** The notebook carries the key's hash, which a short key would not hide. */
const shortestKey = 32

function keyIn(path: string): string {
  let key: string
  try {
    key = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new AppError('not-found', `cannot read ${path}: ${messageOf(cause)}`, {
      next: 'Look at the path, or leave --key-file out: a key is made then',
      cause,
    })
  }
  if (/^[!-~]+$/.test(key) && key.length >= shortestKey) return key
  throw misuse(
    `the key in ${path} has fewer than ${shortestKey} characters, or others than plain ASCII`,
    'Make one with: openssl rand -hex 32',
  )
}

async function acceptRules(
  flags: ServeFlags,
  provider: NotebookProvider,
  context: Context,
): Promise<void> {
  const onServing = servingRules[provider]
  if (onServing === null) return
  const rules = `${providerRules[provider]}\n${onServing}`
  context.say(rules)
  if (flags.acceptRules || (await askToAccept(context))) return
  throw new AppError('not-allowed', `the rules of ${provider} on serving have not been accepted`, {
    code: 'rules_not_accepted',
    next: `${rules.replace('\n', ' ')} Accept them with --accept-rules`,
  })
}
