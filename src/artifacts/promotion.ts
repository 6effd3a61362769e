/** What the last phase of a run has found of its candidate, on conversations that nothing was trained on. */
export interface Judged {
  /** SHA-256 of those conversations: losses compare on the same ones alone. */
  readonly split: string
  readonly rows: number
  /** Mean loss per answer token, in nats; NaN where there is none. */
  readonly loss: number
  /** Of the adapter that the training began with, on the same conversations; null where there was none. */
  readonly current: { readonly sha256: string; readonly loss: number } | null
}

/** An adapter that is or was served, with what it was found worth. */
export interface Promoted {
  readonly sha256: string
  readonly version: string
  readonly judged: Judged
  /** Its loss as it would be on the conversations of the first one of its line. */
  readonly score: number
}

export type Decision =
  | { readonly kind: 'promote'; readonly score: number; readonly why: string }
  | { readonly kind: 'reject'; readonly score: number | null; readonly why: string }
  /** A person has to say: nothing here compares. */
  | { readonly kind: 'ask'; readonly why: string }

/** A candidate may be so much worse than the best one before it: what evaluation itself is off by. */
export const tolerance = 0.01
/** Fewer conversations say too little. */
export const leastRows = 50

/**
 * Whether a candidate takes the place of the one that serves. It is held against the best one that was ever promoted, never against the
 * last: what gets a little worse each time does not creep through. Between two sets of conversations losses are carried over by an
 * adapter that was judged on both. Pure.
 * @param promoted all that were ever promoted in its line, in any order
 */
export function judge(candidate: Judged, promoted: readonly Promoted[]): Decision {
  if (!Number.isFinite(candidate.loss) || candidate.loss <= 0) {
    return { kind: 'reject', score: null, why: 'its held-out loss is no number' }
  }
  if (candidate.rows < leastRows) {
    return {
      kind: 'ask',
      why: `it was judged on ${candidate.rows} held-out rows, and ${leastRows} are needed to say anything`,
    }
  }
  const [first] = promoted
  if (!first) {
    return { kind: 'promote', score: candidate.loss, why: 'it is the first of its line' }
  }
  const score = scoreOf(candidate, promoted)
  if (score === null) {
    return {
      kind: 'ask',
      why: 'it was judged on other held-out rows than any promoted one, and began with none of them',
    }
  }
  const best = promoted.reduce((least, one) => (one.score < least.score ? one : least), first)
  const change = score / best.score - 1
  const words = `its held-out loss is ${percent(Math.abs(change))} ${change > 0 ? 'above' : 'below'} that of ${best.version}, the best so far`
  return change <= tolerance
    ? { kind: 'promote', score, why: words }
    : { kind: 'reject', score, why: `${words}; at most ${percent(tolerance)} above is let through` }
}

/** The loss as it would be on the conversations of the line's first; null where nothing leads there. */
function scoreOf(candidate: Judged, promoted: readonly Promoted[]): number | null {
  const alike = promoted.find(({ judged }) => judged.split === candidate.split)
  if (alike) return (candidate.loss * alike.score) / alike.judged.loss
  const { current } = candidate
  const before = promoted.find(({ sha256 }) => sha256 === current?.sha256)
  if (!before || !current || !(current.loss > 0)) return null
  return (before.score * candidate.loss) / current.loss
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`
