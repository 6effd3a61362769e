import { z } from 'zod'
import { Engine } from './plan.ts'

/** What a notebook's program is: an engine that trains, or the server. */
export const NotebookEngine = z.enum([...Engine.options, 'serve'])
export type NotebookEngine = z.infer<typeof NotebookEngine>

const Notebook = z.looseObject({
  cells: z.array(
    z.looseObject({
      metadata: z.looseObject({ tags: z.array(z.string()).optional() }).optional(),
      source: z.union([z.string(), z.array(z.string())]),
    }),
  ),
})

const engineLine = /^ENGINE = '(\w+)'$/m

/** The engine that a notebook of this product says it holds, in its parameters; undefined for any other text. */
export function engineOf(notebook: string): NotebookEngine | undefined {
  let json: unknown
  try {
    json = JSON.parse(notebook)
  } catch {
    return undefined // a script, or nothing of ours
  }
  const cells = Notebook.safeParse(json).data?.cells ?? []
  const parameters = cells.find(({ metadata }) => metadata?.tags?.includes('parameters'))?.source
  const text = typeof parameters === 'string' ? parameters : parameters?.join('')
  return NotebookEngine.safeParse(engineLine.exec(text ?? '')?.[1]).data
}
