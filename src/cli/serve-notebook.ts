import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import { renderNotebook } from '../notebooks/generate.ts'
import { kernelMetadata } from '../notebooks/kernel-metadata.ts'
import { NotebookProvider } from '../notebooks/notebook-provider.ts'
import { predictServing } from '../notebooks/predict-serving.ts'
import { type AdapterFacts, type AdapterSource, ServeRecipe } from '../notebooks/serve-recipe.ts'
import { servingRules } from '../notebooks/serving-rules.ts'
import { mostSeconds, usualSeconds } from '../notebooks/serving-time.ts'
import { providerRules } from '../rotation/account.ts'
import { askToAccept } from './ask-to-accept.ts'
import type { Context } from './context.ts'
import { readAdapterFiles, readAdapterFolder, readManifestFile } from './read-adapter.ts'

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

interface Served {
  readonly source: AdapterSource
  readonly sha256: string
  readonly facts: AdapterFacts | null
}

const misuse = (message: string, next: string): AppError =>
  new AppError('invalid', message, { next })

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
  const seconds = secondsOf(flags.hours, provider)
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
  const { loadTemplates } = await import('../app.ts')
  const text = renderNotebook(recipe, loadTemplates(new URL('templates/', context.root)))
  const files = [{ name: 'notebook.ipynb', text }]
  const user = flags.kaggleUser ?? context.config().KAGGLE_USERNAME
  if (provider === 'kaggle' && user !== undefined) {
    const datasets = flags.kaggleDataset === undefined ? [] : [flags.kaggleDataset]
    const metadata = kernelMetadata(recipe, user, 'notebook.ipynb', datasets)
    files.push({ name: 'kernel-metadata.json', text: `${JSON.stringify(metadata, null, 2)}\n` })
  }
  write(flags.to, files)
  const paths = files.map(({ name }) => join(flags.to, name))
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
        ? 'It answers on 127.0.0.1 of its own machine alone; a relay comes later, --tunnel opens an address now.'
        : 'Its address stands in its output, in the line RODIZIO_SERVING.',
      ...(provider === 'kaggle' && user === undefined
        ? ['No kernel-metadata.json was written: name the account at Kaggle with --kaggle-user.']
        : []),
      made === undefined ? 'Its key is the one in the file.' : `The key, shown this once: ${made}`,
    ].join('\n'),
  )
}

function write(folder: string, files: readonly { name: string; text: string }[]): void {
  try {
    mkdirSync(folder, { recursive: true })
    for (const { name, text } of files) writeFileSync(join(folder, name), text)
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new AppError('unavailable', `cannot write to ${folder}: ${messageOf(cause)}`, {
      next: 'Name another folder with --to',
      cause,
    })
  }
}

function providerOf(name: string): NotebookProvider {
  const known = NotebookProvider.safeParse(name)
  if (known.success) return known.data
  throw misuse(`--provider: there is no provider ${name}`, 'One of: kaggle, colab, local')
}

function tunnelOf(name: string | undefined): '' | 'cloudflared' {
  if (name === undefined || name === 'cloudflared') return name ?? ''
  throw misuse(`--tunnel: there is no tunnel ${name}`, 'There is: cloudflared')
}

function secondsOf(hours: string | undefined, provider: NotebookProvider): number {
  if (hours === undefined) return usualSeconds[provider]
  const seconds = Math.round(Number(hours) * 3600)
  if (seconds >= 60 && seconds <= mostSeconds[provider]) return seconds
  const most = mostSeconds[provider] / 3600
  throw misuse(
    `--hours: ${hours} is not from a minute to ${most} hours`,
    provider === 'local'
      ? 'Choose a number in between, such as 0.5'
      : `Choose a number in between: ${provider} ends longer sessions without a word`,
  )
}

function servedBy(flags: ServeFlags, provider: NotebookProvider): Served {
  const { adapterDir, adapterFiles, manifest } = flags
  if ((adapterDir === undefined) === (adapterFiles === undefined)) {
    throw misuse(
      'either --adapter-dir or --adapter-files is needed, and not both',
      'rodizio notebooks serve --help shows an example of each',
    )
  }
  const read = manifest === undefined ? undefined : readManifestFile(manifest)
  if (adapterFiles !== undefined) {
    const files = readAdapterFiles(adapterFiles)
    const sha256 = files.find(({ name }) => name === 'manifest.json')?.sha256 ?? ''
    if (read && read.sha256 !== sha256) {
      throw misuse(
        `${manifest} is not the manifest.json of ${adapterFiles}: their hashes differ`,
        'Name the manifest of the same adapter',
      )
    }
    return { source: { kind: 'files', files }, sha256, facts: read?.facts ?? null }
  }
  return {
    ...folderOf(adapterDir ?? '', provider, read),
    source: sourceOf(adapterDir ?? '', provider),
  }
}

function sourceOf(folder: string, provider: NotebookProvider): AdapterSource {
  if (provider === 'local') return { kind: 'folder', path: resolve(folder) }
  if (folder.startsWith('/')) return { kind: 'folder', path: folder }
  throw misuse(
    `--adapter-dir: ${folder} is no path at ${provider}`,
    `Name the folder as it is called there, from its root, such as ${provider === 'kaggle' ? '/kaggle/input/NAME' : '/content/NAME'}, and the manifest here with --manifest`,
  )
}

/** A folder that is here is read whole; of one elsewhere the manifest must be at hand. */
function folderOf(
  folder: string,
  provider: NotebookProvider,
  read: ReturnType<typeof readManifestFile> | undefined,
): Pick<Served, 'sha256' | 'facts'> {
  const isHere = provider === 'local' || existsSync(join(folder, 'manifest.json'))
  if (!isHere && read) return read
  if (!isHere) {
    sourceOf(folder, provider) // a path that cannot be is the first thing to say
    throw misuse(
      `${folder} is not on this machine, so its adapter is not known`,
      'Name its manifest.json with --manifest',
    )
  }
  const found = readAdapterFolder(folder)
  if (read && read.sha256 !== found.sha256) {
    throw misuse(
      `--manifest is not the manifest.json of ${folder}: their hashes differ`,
      'Leave --manifest out: the folder has its own',
    )
  }
  return found
}

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
