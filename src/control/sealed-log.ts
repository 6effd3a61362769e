import { z } from 'zod'
import { Beat, SessionReport } from './session-words.ts'

/** No store that is used here has more room in one account: a figure beyond it is none. */
const mostBytes = 2 ** 50

const line = { n: z.number().int().min(1), filled: z.array(z.number().int().min(0)).max(200) }

/** What a sealed session says, one line of its log each. `n` grows by one; `filled` are the slots that hold something whole. */
const SealedLine = z.discriminatedUnion('kind', [
  Beat.extend({ ...line, kind: z.literal('beat'), secondsLeft: z.number() }),
  z.object({ ...line, kind: z.literal('slot') }),
  z.object({ ...line, kind: z.literal('full'), bytes: z.number().min(0).max(mostBytes) }),
  SessionReport.extend({ ...line, kind: z.literal('report') }),
])
export type SealedLine = z.infer<typeof SealedLine>

const mark = 'RODIZIO_SEALED '

/** The sealed lines of a log, or of its end, in the order in which they were said; what is cut or out of shape is left out. */
export function readSealedLog(log: string): SealedLine[] {
  const lines = log.split('\n').flatMap((text) => {
    if (!text.startsWith(mark)) return []
    const parsed = SealedLine.safeParse(parseJson(text.slice(mark.length)))
    return parsed.success ? [parsed.data] : []
  })
  return lines.toSorted((a, b) => a.n - b.n)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the line was cut by the end of the log
  }
}
