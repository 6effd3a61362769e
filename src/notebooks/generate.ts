import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { evaluateCells } from './evaluate-cells.ts'
import type { KindCells } from './kind-cells.ts'
import { literal, writeFileCode } from './python-text.ts'
import type { Recipe } from './recipe.ts'
import { serveCells } from './serve-cells.ts'
import { serveSessionCells } from './serve-session-cells.ts'
import { cellTags } from './tags.ts'
import type { Templates } from './templates.ts'
import { trainCells } from './train-cells.ts'

/**
 * The text of the notebook (nbformat 4.5, one newline at the end): the same bytes for the same recipe
 * and templates. Throws AppError `invalid` when a template is missing or cannot stand in a cell.
 */
export function renderNotebook(recipe: Recipe, templates: Templates): string {
  switch (recipe.kind) {
    case 'train':
      return render(recipe, trainCells, templates)
    case 'serve':
      return render(recipe, serveCells, templates)
    case 'serve-session':
      return render(recipe, serveSessionCells, templates)
    case 'evaluate':
      return render(recipe, evaluateCells, templates)
  }
}

function render<R extends Recipe>(recipe: R, kind: KindCells<R>, templates: Templates): string {
  const header = fill(recipe, kind, templates)
  const cells = [
    { cell_type: 'markdown', id: cellId('header', header), metadata: {}, source: lines(header) },
    ...cellTags[recipe.kind].map((tag) => {
      const source = sourceOf(tag, recipe, kind, templates)
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

function sourceOf<R extends Recipe>(
  tag: string,
  recipe: R,
  kind: KindCells<R>,
  templates: Templates,
): string {
  const path = kind.templatePath(recipe, tag)
  const template = textOf(templates, path)
  if (tag === 'parameters') return withParameters(path, template, recipe, kind)
  return template
    .replace(/^# include: (\S+)$/gm, (_line, source: string) => textOf(templates, source).trimEnd())
    .replace(/^# write: (\S+) = (\S+)$/gm, (_line, target: string, source: string) =>
      filesOf(templates, kind.sourcePath(recipe, source), target)
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

function withParameters<R extends Recipe>(
  path: string,
  template: string,
  recipe: R,
  kind: KindCells<R>,
): string {
  let source = template.trimEnd()
  for (const [name, value] of Object.entries(kind.parameters(recipe))) {
    const line = new RegExp(`^${name} = (?:''|0|False|True)(?=\\s|$)`, 'm')
    if (!line.test(source)) throw new AppError('invalid', `${path} has no ${name}`)
    source = source.replace(line, () => `${name} = ${literal(value)}`)
  }
  return source
}

function fill<R extends Recipe>(recipe: R, kind: KindCells<R>, templates: Templates): string {
  const told = Object.entries(kind.figures(recipe)).flatMap(([name, { text, source }]) => [
    [name, text],
    [`${name}Source`, source],
  ])
  const values: Record<string, string> = { ...Object.fromEntries(told), ...kind.words(recipe) }
  const template = textOf(templates, kind.headerPath)
  return template.trimEnd().replace(/\{\{(\w+)\}\}/g, (_all, name: string) => {
    const value = values[name]
    if (value === undefined) throw new AppError('invalid', `${kind.headerPath} asks for ${name}`)
    return value.replace(/[|\r\n<>]/g, ' ') // one cell of a table, and no markup of its own
  })
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
