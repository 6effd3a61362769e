import type { PlanAccount, Span } from './plan-input.ts'
import { wallSpans, without } from './wall-hours.ts'

/**
 * When an account may be told to begin a session, hours and slots apart: after its hold, and where a person is needed, within
 * the waking hours and not while away. In order; a span that reaches the plan's end may go on beyond it.
 */
export function launchSpans(account: PlanAccount, fromMs: number, untilMs: number): Span[] {
  const openMs = Math.max(fromMs, account.holdUntilMs ?? fromMs)
  if (openMs >= untilMs) return []
  const awake = account.waking
    ? wallSpans(account.waking, null, openMs, untilMs)
    : [{ fromMs: openMs, toMs: untilMs }]
  return account.away.length > 0 ? without(awake, account.away) : awake
}

/** Where one more session would find a slot: spans in order, the last of them without end. */
export function freeSpans(taken: readonly Span[], slots: number, fromMs: number): Span[] {
  const edges: { atMs: number; by: number }[] = []
  for (const span of taken) {
    if (span.toMs <= fromMs || span.toMs <= span.fromMs) continue
    edges.push({ atMs: span.fromMs, by: 1 }, { atMs: span.toMs, by: -1 })
  }
  // What ends gives its slot to what begins at the same moment.
  edges.sort((a, b) => a.atMs - b.atMs || a.by - b.by)
  const free: Span[] = []
  let busy = 0
  let openMs: number | null = slots > 0 ? fromMs : null
  for (const { atMs, by } of edges) {
    busy += by
    if (busy >= slots && openMs !== null) {
      if (atMs > openMs) free.push({ fromMs: openMs, toMs: atMs })
      openMs = null
    } else if (busy < slots && openMs === null) openMs = Math.max(atMs, fromMs)
  }
  if (openMs !== null) free.push({ fromMs: openMs, toMs: Number.POSITIVE_INFINITY })
  return free
}
