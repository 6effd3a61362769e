import { z } from 'zod'
import { cellTags } from './tags.ts'

/** Something wrong with a notebook: where, and what, for a person. */
export interface Problem {
  readonly cell: number | null // counted from 1; null: the notebook as a whole
  readonly message: string
}

const Cell = z.looseObject({
  cell_type: z.enum(['code', 'markdown', 'raw']),
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  metadata: z.looseObject({ tags: z.array(z.string()).optional() }),
  source: z.union([z.string(), z.array(z.string())]),
  outputs: z.array(z.unknown()).optional(),
  execution_count: z.number().nullable().optional(),
})
type Cell = z.infer<typeof Cell>

const Notebook = z.looseObject({
  nbformat: z.literal(4),
  nbformat_minor: z.int().min(5),
  metadata: z.looseObject({ kernelspec: z.looseObject({ name: z.string().min(1) }) }),
  cells: z.array(Cell),
})

// A `%` that goes on with an expression has a space or a bracket after it.
const magic =
  /^\s*(?:%%?[A-Za-z]|![\w./])|^\s*[A-Za-z_][\w.]*\s*=\s*(?:%[A-Za-z]|!)|\bget_ipython\b|\bgoogle\.colab\b/m
const embedded = /r'''[\s\S]*?'''/g // programs written to files: only the cell's own lines are at stake
const secret =
  /\b(?:hf_[A-Za-z0-9]{20,}|KGAT_\w{10,}|rzs_\w{10,}|rzk_[\w-]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,})|-----BEGIN [A-Z ]*PRIVATE KEY-----/
const ticket = /\brzt_[\w-]{10,}/

/** Whether a cell's own lines, not those of programs that it writes to files, need more than plain Python. */
export const usesMagic = (source: string): boolean => magic.test(source.replace(embedded, ''))

/**
 * What keeps the text from being a notebook that this product generates; empty when nothing does. The
 * ticket may stand in the parameters cell, and no other secret anywhere.
 */
export function checkNotebook(text: string): Problem[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return [{ cell: null, message: `it is no JSON: ${error.message}` }]
  }
  const parsed = Notebook.safeParse(json)
  if (!parsed.success) {
    return parsed.error.issues.map((issue) => ({
      cell: typeof issue.path[1] === 'number' ? issue.path[1] + 1 : null,
      message: `${issue.path.join('.')}: ${issue.message}`,
    }))
  }
  const { cells } = parsed.data
  return [...checkWhole(cells), ...cells.flatMap((cell, index) => checkCell(cell, index + 1))]
}

function checkWhole(cells: readonly Cell[]): Problem[] {
  const problems: Problem[] = []
  const tags = cells.filter((c) => c.cell_type === 'code').flatMap((c) => c.metadata.tags ?? [])
  if (!Object.values(cellTags).some((known) => known.join() === tags.join())) {
    problems.push({ cell: null, message: `the tags are ${tags.join(', ')}` })
  }
  if (cells[0]?.cell_type !== 'markdown') {
    problems.push({ cell: 1, message: 'the first cell does not say in Markdown what this is' })
  }
  if (new Set(cells.map((cell) => cell.id)).size !== cells.length) {
    problems.push({ cell: null, message: 'two cells have one id' })
  }
  return problems
}

function checkCell(cell: Cell, number: number): Problem[] {
  const source = typeof cell.source === 'string' ? cell.source : cell.source.join('')
  const isParameters = cell.metadata.tags?.includes('parameters') === true
  const found: [boolean, string][] = [
    [(cell.outputs ?? []).length > 0, 'it has outputs'],
    [(cell.execution_count ?? null) !== null, 'it has been executed'],
    [cell.cell_type === 'code' && usesMagic(source), 'it uses a magic or a shell of its own'],
    [secret.test(source), 'it holds what looks like a secret'],
    [!isParameters && ticket.test(source), 'it holds a ticket outside the parameters'],
    [isParameters && !source.split('\n').every(isLiteral), 'a parameter is no plain literal'],
  ]
  return found.filter(([wrong]) => wrong).map(([, message]) => ({ cell: number, message }))
}

const isLiteral = (line: string): boolean =>
  line.trim() === '' ||
  /^#|^[A-Z][A-Z0-9_]* = (?:'(?:[^'\\]|\\.)*'|-?\d+(?:\.\d+)?|None|True|False)(?: {2}#.*)?$/.test(
    line,
  )
