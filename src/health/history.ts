import { added, type Latencies, percentile } from './latencies.ts'

/** Looks of a span of time, counted. */
export interface Totals {
  readonly up: number
  readonly bad: number
  /** While our own network was down: neither up nor down. */
  readonly unknown: number
  readonly latencies: Latencies
  /** Counts by kind of cause. */
  readonly causes: Readonly<Record<string, number>>
}

export interface Uptime {
  /** The share of probes that found it up, in percent; null without probes that learned anything. */
  readonly percent: number | null
  readonly probes: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
}

export function uptimeOf(spans: readonly Totals[]): Uptime {
  const up = spans.reduce((sum, span) => sum + span.up, 0)
  const bad = spans.reduce((sum, span) => sum + span.bad, 0)
  const latencies = added(spans.map((span) => span.latencies))
  return {
    percent: up + bad === 0 ? null : (100 * up) / (up + bad),
    probes: up + bad,
    p50Ms: percentile(latencies, 0.5),
    p95Ms: percentile(latencies, 0.95),
  }
}

export const addedTotals = (spans: readonly Totals[]): Totals => ({
  up: spans.reduce((sum, span) => sum + span.up, 0),
  bad: spans.reduce((sum, span) => sum + span.bad, 0),
  unknown: spans.reduce((sum, span) => sum + span.unknown, 0),
  latencies: added(spans.map((span) => span.latencies)),
  causes: added(spans.map((span) => span.causes)),
})

/** Looks themselves are kept so long; after that, only what the hours and the days add up to. */
export const keepProbesHours = 48
export const keepHoursDays = 90
