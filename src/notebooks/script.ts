import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { usesMagic } from './check.ts'

/** A notebook as one program, and the secret that it finds in its environment. */
export interface NotebookScript {
  readonly script: string
  /** What the script reads as `RODIZIO_TICKET`; it stands nowhere in the script. */
  readonly ticket: string
}

/** The variable by which a script gets its ticket. */
export const ticketVariable = 'RODIZIO_TICKET'

const Notebook = z.looseObject({
  cells: z.array(
    z.looseObject({
      cell_type: z.string(),
      metadata: z.looseObject({ tags: z.array(z.string()).optional() }),
      source: z.union([z.string(), z.array(z.string())]),
    }),
  ),
})

const ticketLine = /^TICKET = '([\w-]+)'.*$/m

/**
 * The code cells of a notebook that this product made, one after the other, for a machine that is sent one program. The
 * ticket is taken out of the parameters: it is read from the environment, and gone from there at once, so that no child
 * inherits it. Throws AppError `invalid` for a cell that is not plain Python, or a ticket that is not where it belongs.
 */
export function scriptOf(notebook: string): NotebookScript {
  const { cells } = Notebook.parse(JSON.parse(notebook))
  let ticket: string | undefined
  const parts = cells.flatMap((cell, index) => {
    if (cell.cell_type !== 'code') return []
    const source = typeof cell.source === 'string' ? cell.source : cell.source.join('')
    if (usesMagic(source)) {
      throw new AppError('invalid', `cell ${index + 1} uses a magic, which no script can`, {
        code: 'magic_in_script',
        next: 'Write it in plain Python',
      })
    }
    const tags = cell.metadata.tags ?? []
    if (!tags.includes('parameters')) return [`# ${tags.join(', ')}\n${source.trimEnd()}\n`]
    ticket = ticketLine.exec(source)?.[1]
    const read = `TICKET = os.environ.pop('${ticketVariable}', '')`
    return [`# parameters\nimport os\n\n${source.replace(ticketLine, () => read).trimEnd()}\n`]
  })
  const script = parts.join('\n\n')
  if (ticket === undefined || script.includes(ticket)) {
    throw new AppError('invalid', 'the ticket does not stand in the parameters, and there alone', {
      code: 'ticket_misplaced',
    })
  }
  return { script, ticket }
}
