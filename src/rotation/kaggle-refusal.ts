/**
 * Why Kaggle did not start a session, and so what to wait for: a free `slot` (minutes), the `projection` of what runs now
 * (until a run ends), or the `week` (until the refresh of the quota). With `unknown` only the text says it.
 */
export interface KaggleRefusal {
  readonly reason: 'slot' | 'projection' | 'week' | 'unknown'
  readonly text: string
}

/** The numbers in these texts float, and old accounts have other limits; some clients saw a prefix. Read 2026-11. */
const TEXTS: readonly (readonly [RegExp, KaggleRefusal['reason']])[] = [
  [/projected to exceed maximum weekly (?:GPU|TPU) quota/i, 'projection'],
  [/maximum weekly (?:GPU|TPU) quota of [\d.,]+ hours reached/i, 'week'],
  [/maximum batch (?:GPU|TPU|CPU) session count of \d+ reached/i, 'slot'],
]

/** Reads the `error` of a push. Any text means that nothing was started. */
export function readRefusal(text: string): KaggleRefusal {
  const known = TEXTS.find(([pattern]) => pattern.test(text))
  return { reason: known?.[1] ?? 'unknown', text }
}

const minute = 60

/** How long each refusal is waited out, in seconds, where Kaggle names no time. */
const waits: Readonly<Record<KaggleRefusal['reason'], number>> = {
  slot: 5 * minute,
  projection: 10 * minute,
  week: 6 * 60 * minute,
  unknown: 15 * minute,
}

/**
 * When a refused push is worth repeating. The end of a week is Kaggle's own.
 * @param refreshesAt when its quota is refreshed; null where that cannot be read, or is not the reason
 */
export function retryTime(refusal: KaggleRefusal, refreshesAt: Date | null, now: Date): Date {
  if (refusal.reason === 'week' && refreshesAt && refreshesAt > now) return refreshesAt
  return new Date(now.getTime() + waits[refusal.reason] * 1000)
}
