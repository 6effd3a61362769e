import { access, copyFile, link, mkdir, open, realpath, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { AdapterFormat } from '../artifacts/adapter-format.ts'
import { Manifest } from '../artifacts/checkpoint.ts'
import { modelfile, type OllamaFormat, ollamaBase, ollamaFormatOf } from '../artifacts/modelfile.ts'
import { AppError } from '../lib/errors.ts'
import { baseNamed, isFolder } from '../notebooks/catalogue.ts'
import { convertToGguf } from '../providers/pull/convert-gguf.ts'
import type { VersionFolder } from '../store/version-folder.ts'

/** What a box wants besides the adapter as peft has it, and what it takes to make it. */
export interface FormatWanted {
  readonly format: AdapterFormat
  /** In place of the name that Ollama's library has for the base. */
  readonly ollamaFrom: string | null
  /** A copy of llama.cpp; null to look for its converter where programs are looked for. */
  readonly llamaCpp: string | null
  /** A folder with the configuration of the base; null to have the converter read it from the Hub. */
  readonly baseFolder: string | null
  readonly python: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Makes another format of a version that stands there whole: `VERSION/ollama/Modelfile`, or `VERSION/gguf/adapter.gguf`.
 * @throws AppError `invalid` (`ollama_base_unknown`, `ollama_needs_gguf`, `base_unknown`), `unavailable` (`converter_missing`,
 * `converter_failed`), `disk-full`
 */
export async function makeFormat(
  folder: VersionFolder,
  version: string,
  wanted: FormatWanted,
): Promise<void> {
  if (wanted.format === 'peft') return
  const path = folder.pathOf(version)
  const text = (name: string): Promise<string | null> => textOf(folder, version, name)
  const manifest = Manifest.parse(JSON.parse((await text('manifest.json')) ?? '')) // whole: it was read before
  const base = String(manifest.plan.base ?? '')
  const spoken = ollamaFormatOf((await chatTemplate(text)) ?? '') ?? null
  const from = ollamaBase(baseNamed(base)?.model?.name ?? null, wanted.ollamaFrom)
  const known = { version, base, format: spoken }
  // Without a link in it: a folder that is reached by one is refused by Ollama as insecure.
  const own = join(await realpath(path), wanted.format)
  if (wanted.format === 'ollama') {
    if (spoken && !spoken.takesSafetensors) throw needsGguf(spoken)
    if (from === null) throw noOllamaBase(base)
    const made = modelfile({ ...known, from, adapter: join(own, 'adapter') })
    await folder.addFormat(version, 'ollama', async (fresh) => {
      await writeFile(join(fresh, 'Modelfile'), made)
      await adapterForOllama(path, join(fresh, 'adapter'))
    })
    return
  }
  const adapter = 'adapter.gguf'
  if (await isGguf(join(path, 'gguf', adapter))) return
  const converter = await converterOf(wanted)
  const of = baseOf(base, wanted.baseFolder)
  await folder.addFormat(version, 'gguf', async (fresh) => {
    const { python, environment } = wanted
    const outfile = join(fresh, adapter)
    await convertToGguf({ python, converter, adapter: path, base: of, outfile, environment })
    if (!(await isGguf(outfile))) throw noGguf(converter)
    if (from === null) return
    await writeFile(
      join(fresh, 'Modelfile'),
      modelfile({ ...known, from, adapter: join(own, adapter) }),
    )
  })
}

/**
 * Ollama looks in a folder for `model*.safetensors` and no longer for `adapter_model.safetensors` (ollama/ollama#13314, read 2026-11),
 * so the weights have a second name there. What is linked takes no room.
 */
async function adapterForOllama(path: string, to: string): Promise<void> {
  await mkdir(to)
  const names = [
    ['adapter_config.json', 'adapter_config.json'],
    ['adapter_model.safetensors', 'model.safetensors'],
  ] as const
  for (const [name, second] of names) {
    await link(join(path, name), join(to, second)).catch(
      () => copyFile(join(path, name), join(to, second)), // a disk that knows no links
    )
  }
}

const mostTextBytes = 4 << 20

async function textOf(
  folder: VersionFolder,
  version: string,
  name: string,
): Promise<string | null> {
  const bytes = (await folder.sizes(version))?.get(name)
  if (bytes === undefined || bytes > mostTextBytes) return null
  const parts = await Array.fromAsync(folder.read(version, name, false))
  return Buffer.concat(parts).toString('utf8')
}

/** As the tokenizer that travels with the adapter has it: in a file of its own, or within its configuration. */
async function chatTemplate(
  text: (name: string) => Promise<string | null>,
): Promise<string | null> {
  const own = await text('chat_template.jinja')
  if (own !== null) return own
  try {
    const config: unknown = JSON.parse((await text('tokenizer_config.json')) ?? '{}')
    const found =
      typeof config === 'object' && config && 'chat_template' in config && config.chat_template
    return typeof found === 'string' ? found : null
  } catch {
    return null // no JSON: it tells nothing
  }
}

const converterName = 'convert_lora_to_gguf.py'

async function converterOf({ llamaCpp, environment }: FormatWanted): Promise<string> {
  const places = llamaCpp === null ? (environment.PATH ?? '').split(delimiter) : [llamaCpp]
  for (const place of places) {
    const path = join(place, converterName)
    const isThere =
      place !== '' &&
      (await access(path).then(
        () => true,
        () => false,
      ))
    if (isThere) return path
  }
  throw new AppError(
    'unavailable',
    `llama.cpp's ${converterName} is not ${llamaCpp === null ? 'on the PATH' : `in ${llamaCpp}`}`,
    {
      code: 'converter_missing',
      next: 'Name a copy of llama.cpp with --llama-cpp FOLDER; what was serving stays',
    },
  )
}

function baseOf(base: string, folder: string | null) {
  if (folder !== null) return { folder }
  if (/^[\w.-]+\/[\w.-]+$/.test(base) && !isFolder(base)) return { id: base }
  throw new AppError(
    'invalid',
    `the base ${base.slice(0, 120)} is no repository that the converter could read`,
    {
      code: 'base_unknown',
      next: 'Name a folder with its config.json: --base-folder FOLDER',
    },
  )
}

async function isGguf(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null)
  if (file === null) return false
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.toString('latin1') === 'GGUF'
  } finally {
    await file.close()
  }
}

const noGguf = (converter: string): AppError =>
  new AppError('unavailable', `${converter} ended well, and what it left is no GGUF file`, {
    code: 'converter_failed',
    next: 'Take a newer llama.cpp; what was serving stays',
  })

const noOllamaBase = (base: string): AppError =>
  new AppError(
    'invalid',
    `under what name Ollama has the base ${base.slice(0, 120)} is not known`,
    {
      code: 'ollama_base_unknown',
      next: 'Name it: --ollama-from NAME, or the path to a GGUF file of that base',
    },
  )

const needsGguf = ({ name }: OllamaFormat): AppError =>
  new AppError(
    'invalid',
    `Ollama reads no adapter of a model of the format ${name} as it was trained, only as GGUF`,
    {
      code: 'ollama_needs_gguf',
      next: 'Pull with --format gguf --llama-cpp FOLDER, and give gguf/Modelfile to ollama create',
    },
  )
