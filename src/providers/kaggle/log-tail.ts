import type { Clock } from '../../lib/clock.ts'
import { LogEvent } from './answers.ts'

/** How long a live log may be silent, before its first words and later, until what came so far counts as its tail. */
const FIRST_WORD_MS = 1500
const QUIET_MS = 400
/** A session that never falls silent is listened to for so long: all that it said before comes first. */
const LONGEST_MS = 4000

/** The last characters of a log, in the order in which they were printed. */
export function createTail(maxChars: number) {
  let text = ''
  return {
    add: (data: string): void => {
      text = (text + data).slice(-maxChars)
    },
    text: (): string => text,
  }
}

type Tail = ReturnType<typeof createTail>

/** Reads a finished log: a JSON array of events, or in older answers plain lines. */
export function addFinishedLog(tail: Tail, body: string): void {
  let events: unknown
  try {
    events = JSON.parse(body)
  } catch {
    tail.add(body) // an unknown form is still worth reading
    return
  }
  for (const event of Array.isArray(events) ? events : [events]) {
    const parsed = LogEvent.safeParse(event)
    if (parsed.success) tail.add(parsed.data.data)
  }
}

/**
 * Reads a live log, which is told from its beginning and then goes on as the session prints, until it ends, falls silent
 * or the body is given up by its reader's own time limit.
 */
export async function addLiveLog(
  tail: Tail,
  body: ReadableStream<Uint8Array>,
  clock: Pick<Clock, 'monotonicMs'>,
): Promise<void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let pending = ''
  const end = clock.monotonicMs() + LONGEST_MS
  try {
    for (;;) {
      const patience = tail.text() === '' ? FIRST_WORD_MS : QUIET_MS
      const piece = await within(reader.read(), Math.min(patience, end - clock.monotonicMs()))
      if (piece === null || piece.done) return
      pending += decoder.decode(piece.value, { stream: true })
      const lines = pending.split('\n')
      pending = lines.pop() ?? ''
      for (const line of lines) if (addLine(tail, line)) return
    }
  } finally {
    await reader.cancel().catch(() => undefined) // the connection may be gone already
  }
}

/** True at the end of the log. */
function addLine(tail: Tail, line: string): boolean {
  if (!line.startsWith('data:')) return false
  const payload = line.slice('data:'.length).trim()
  if (payload === 'END_OF_LOG') return true
  addFinishedLog(tail, payload)
  return false
}

async function within<Value>(work: Promise<Value>, ms: number): Promise<Value | null> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
