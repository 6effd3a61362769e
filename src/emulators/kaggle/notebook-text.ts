import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Kernel } from './state.ts'

const Notebook = z.looseObject({
  cells: z.array(z.looseObject({ source: z.union([z.string(), z.array(z.string())]) })),
  metadata: z.looseObject({
    kernelspec: z.looseObject({ name: z.string().optional() }).optional(),
  }),
})

export type PushedText = 'fine' | 'not-a-notebook' | 'source-is-a-list'

/** What the service makes of a pushed notebook's text before it runs. */
export function judgeNotebook(text: string): PushedText {
  const notebook = parse(text)
  if (!notebook) return 'not-a-notebook'
  return notebook.cells.every(({ source }) => typeof source === 'string')
    ? 'fine'
    : 'source-is-a-list'
}

export type Runnable =
  | { readonly kind: 'notebook'; readonly text: string }
  | { readonly kind: 'broken'; readonly reason: string }

/** The notebook to execute for a saved version: a script becomes a notebook of one cell. */
export function toRunnable(path: string, kernel: Kernel): Runnable {
  const text = readFileSync(path, 'utf8')
  if (kernel.language !== 'python')
    return { kind: 'broken', reason: `This emulator runs python, not ${kernel.language}.` }
  if (kernel.kernelType !== 'notebook') return { kind: 'notebook', text: ofOneCell(text) }
  const name = parse(text)?.metadata.kernelspec?.name
  if (name) return { kind: 'notebook', text }
  // The words of papermill, which runs notebooks there: https://github.com/Kaggle/kaggle-cli/issues/689 (read 2026-11)
  const reason = 'ValueError: No kernel name found in notebook and no override provided.'
  return { kind: 'broken', reason }
}

function parse(text: string): z.infer<typeof Notebook> | undefined {
  try {
    const parsed = Notebook.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined // not JSON at all
  }
}

const ofOneCell = (source: string): string =>
  JSON.stringify({
    cells: [
      { cell_type: 'code', execution_count: null, id: 'script', metadata: {}, outputs: [], source },
    ],
    metadata: { kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' } },
    nbformat: 4,
    nbformat_minor: 5,
  })
