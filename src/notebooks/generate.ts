import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Recipe } from './recipe.ts'
import type { Templates } from './templates.ts'

/** The tags of the code cells, in the order in which they stand. */
export const cellTags = [
  'parameters',
  'agent',
  'install',
  'probe',
  'store',
  'data',
  'model',
  'train',
  'finish',
] as const
export type CellTag = (typeof cellTags)[number]

const engineCells: ReadonlySet<CellTag> = new Set(['install', 'probe', 'model'])

const honesty = {
  dry: 'This engine is a rehearsal: it trains a small character model in plain Python, and its artifact is no adapter.',
  trl: 'This engine’s program is executed in tests on a CPU, with a tiny model, on the library versions of Colab’s and Kaggle’s images. **It has never been executed on a GPU.**',
  unsloth:
    '**This notebook has never been executed:** Unsloth cannot be imported without a GPU. It is checked for its form, and the parts that it shares with the engine trl are executed on a CPU. Last real execution: never.',
} as const

/**
 * The text of the notebook (nbformat 4.5, one newline at the end): the same bytes for the same recipe
 * and templates. Throws AppError `invalid` when a template is missing or cannot stand in a cell.
 */
export function renderNotebook(recipe: Recipe, templates: Templates): string {
  const header = fill(textOf(templates, 'cells/header.md'), recipe)
  const cells = [
    { cell_type: 'markdown', id: cellId('header', header), metadata: {}, source: lines(header) },
    ...cellTags.map((tag) => {
      const source = sourceOf(tag, recipe, templates)
      return {
        cell_type: 'code',
        execution_count: null,
        id: cellId(tag, source),
        metadata: { tags: [tag] },
        outputs: [],
        source: lines(source),
      }
    }),
  ]
  const notebook = {
    cells,
    metadata: {
      kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' },
      language_info: { name: 'python' },
      ...(recipe.provider === 'colab' ? { accelerator: 'GPU', colab: { gpuType: 'T4' } } : {}),
    },
    nbformat: 4,
    nbformat_minor: 5,
  }
  return `${JSON.stringify(notebook, null, 1)}\n`
}

/**
 * A Python expression that writes `text` to `path` when it runs. Throws AppError `invalid` for a text
 * that a raw triple-quoted string cannot hold.
 */
export function writeFileCode(path: string, text: string): string {
  if (text.includes("'''")) {
    throw new AppError('invalid', `${path} holds ''' and cannot stand in a notebook cell`, {
      next: 'Use """ in that template instead.',
    })
  }
  if (text.endsWith('\\')) {
    throw new AppError('invalid', `${path} ends in a backslash and cannot stand in a notebook cell`)
  }
  if (text.includes('\r')) {
    throw new AppError('invalid', `${path} holds a carriage return, which Python would not keep`)
  }
  return `Path('${path}').write_text(r'''${text}''', encoding='utf-8')`
}

function sourceOf(tag: CellTag, recipe: Recipe, templates: Templates): string {
  const path = engineCells.has(tag) ? `engines/${recipe.engine}/${tag}.py` : `cells/${tag}.py`
  const template = textOf(templates, path)
  if (tag === 'parameters') return withParameters(template, recipe)
  return template
    .replace(/^# include: (\S+)$/gm, (_line, source: string) => textOf(templates, source).trimEnd())
    .replace(/^# write: (\S+) = (\S+)$/gm, (_line, target: string, source: string) =>
      filesOf(templates, source.replace(/^engine\//, `engines/${recipe.engine}/`), target)
        .map(([name, text]) => writeFileCode(name, text))
        .join('\n'),
    )
    .replace(/ {2}# noqa: [A-Z0-9]+$/gm, '') // for the linter, which sees each template alone
    .trimEnd()
}

/** The one file at `source`, or every Python file of the folder at `source`, under its new name. */
function filesOf(templates: Templates, source: string, target: string): [string, string][] {
  if (source.endsWith('.py')) return [[target, textOf(templates, source)]]
  const found = [...templates]
    .filter(([path]) => path.startsWith(`${source}/`) && path.endsWith('.py'))
    .map(([path, text]): [string, string] => [`${target}${path.slice(source.length)}`, text])
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
  if (found.length === 0) throw missing(`${source}/`)
  return found
}

function withParameters(template: string, recipe: Recipe): string {
  const values: Record<string, string | number | boolean> = {
    CONTROL_URL: recipe.controlUrl,
    TICKET: recipe.ticket,
    SEALED: recipe.sealed,
    RUN: recipe.run.id,
    SESSION_NAME: recipe.name,
    GENERATION: recipe.generation,
    PROVIDER: recipe.provider,
    ENGINE: recipe.engine,
    REQUIRE_GPU: recipe.requireGpu,
  }
  let source = template.trimEnd()
  for (const [name, value] of Object.entries(values)) {
    const line = new RegExp(`^${name} = (?:''|0|True)(?=\\s|$)`, 'm')
    if (!line.test(source)) throw new AppError('invalid', `cells/parameters.py has no ${name}`)
    source = source.replace(line, () => `${name} = ${literal(value)}`)
  }
  return source
}

/** A Python literal; control characters and everything beyond ASCII escaped, so that no text ends it. */
function literal(value: string | number | boolean): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  const escaped = value.replace(/[^ -~]|['\\]/gu, (character) => {
    if (character === "'" || character === '\\') return `\\${character}`
    return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`
  })
  return `'${escaped}'`
}

function fill(template: string, recipe: Recipe): string {
  const { uses, ...figures } = recipe.predictions
  const told = Object.entries(figures).flatMap(([name, { text, source }]) => [
    [name, text],
    [`${name}Source`, source],
  ])
  const values: Record<string, string> = {
    ...Object.fromEntries(told),
    uses,
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
  }
  return template.trimEnd().replace(/\{\{(\w+)\}\}/g, (_all, name: string) => {
    const value = values[name]
    if (value === undefined) throw new AppError('invalid', `cells/header.md asks for ${name}`)
    return value.replace(/[|\r\n<>]/g, ' ') // one cell of a table, and no markup of its own
  })
}

/** What becomes of a session that gets no GPU. */
function deviceOf({ engine, requireGpu }: Recipe): string {
  if (engine === 'dry') return 'No GPU is used.'
  return requireGpu || engine === 'unsloth'
    ? 'Without a GPU it ends at once.'
    : 'Without a GPU it trains on the CPU, which suits a tiny base alone.'
}

function textOf(templates: Templates, path: string): string {
  const text = templates.get(path)
  if (text === undefined) throw missing(path)
  return text
}

const missing = (path: string): AppError =>
  new AppError('invalid', `the template ${path} is missing`, { code: 'template_missing' })

const cellId = (tag: string, source: string): string => `${tag}-${sha256Hex(source).slice(0, 12)}`

/** nbformat's list of lines, each with its newline but the last. */
const lines = (source: string): string[] => source.split(/(?<=\n)/)
