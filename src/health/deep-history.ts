import { added, counted, type Latencies, percentile } from './latencies.ts'

/** A deep probe as it stands in the record; times in milliseconds. */
export interface KeptDeepProbe {
  readonly at: Date
  readonly tokenMs: number | null
  readonly endMs: number | null
  readonly found: string
}

/** Deep probes of a span of time, counted. */
export interface DeepTotals {
  /** Those that learned whether it generates. */
  readonly asked: number
  readonly good: number
  /** To the first token. */
  readonly tokens: Latencies
}

export interface TokenTimes {
  readonly asked: number
  readonly good: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
}

/** What they come to: how many brought a token, and how soon. */
export function tokenTimes(spans: readonly DeepTotals[]): TokenTimes {
  const tokens = added(spans.map((span) => span.tokens))
  return {
    asked: spans.reduce((sum, { asked }) => sum + asked, 0),
    good: spans.reduce((sum, { good }) => sum + good, 0),
    p50Ms: percentile(tokens, 0.5),
    p95Ms: percentile(tokens, 0.95),
  }
}

export function deepTotalsOf(probes: readonly KeptDeepProbe[]): DeepTotals {
  const learned = probes.filter(({ found }) => learning.has(found))
  return {
    asked: learned.length,
    good: learned.filter(({ found }) => found === 'good').length,
    tokens: counted(learned.flatMap(({ tokenMs }) => (tokenMs === null ? [] : [tokenMs]))),
  }
}

/** What of all that a deep probe may find tells whether a node generates. */
export const learning: ReadonlySet<string> = new Set(['good', 'no-token', 'asked-wrong'])
