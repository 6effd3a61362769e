import { addSeconds } from '../lib/clock.ts'
import type { RunState } from './run.ts'

/** What makes a standing run open its next run; at least one of them is not null. */
export interface Rhythm {
  /** A period, from one opening to the earliest next one. */
  readonly everySeconds: number | null
  /** So many training examples more than the last run's data had. */
  readonly whenNew: number | null
}

/** What one look at an open standing run has to know. */
export interface StandingFacts extends Rhythm {
  readonly lastOpenedAt: Date | null
  /** Training examples that the last run's data had. */
  readonly rowsThen: number
  /** Those of its data set now; null while there is none of that name. */
  readonly rowsNow: number | null
  /** Its runs by their states, the newest first; those that were removed are left out. */
  readonly runs: readonly RunState[]
}

export type Because = 'first' | 'period' | 'examples'

export type Verdict =
  | { readonly kind: 'open'; readonly because: Because }
  | {
      readonly kind: 'wait'
      /** A run of it is open; its period is not over; too few examples are new; its data set is not there. */
      readonly for: 'run' | 'period' | 'examples' | 'data'
      /** The earliest moment at which time alone opens the next run, null where time never does. */
      readonly until: Date | null
      /** Examples that are still missing; null where examples do not open the next run. */
      readonly missing: number | null
    }
  | { readonly kind: 'stop'; readonly failed: number }

/** So many failed runs in a row stop a standing run. */
export const mostFailures = 3

const openStates: ReadonlySet<RunState> = new Set(['queued', 'training', 'stopping'])

/** Failed runs in a row, up to the newest. */
export function failedInRow(runs: readonly RunState[]): number {
  const first = runs.findIndex((state) => state !== 'failed')
  return first < 0 ? runs.length : first
}

/** Training examples that are new since the last run; fewer than before counts as none. */
export const newExamples = ({
  rowsThen,
  rowsNow,
}: Pick<StandingFacts, 'rowsThen' | 'rowsNow'>): number => Math.max(0, (rowsNow ?? 0) - rowsThen)

/** When the period since the last opening is over; null without a period or an opening. */
export const periodEnds = ({
  everySeconds,
  lastOpenedAt,
}: Pick<StandingFacts, 'everySeconds' | 'lastOpenedAt'>): Date | null =>
  everySeconds === null || lastOpenedAt === null ? null : addSeconds(lastOpenedAt, everySeconds)

/**
 * Training examples that are missing before they open the next run; null where they do not: not asked for, or a run has failed
 * and there is a period to wait for.
 */
export function missingExamples(facts: StandingFacts): number | null {
  const { whenNew, runs } = facts
  if (whenNew === null || (failedInRow(runs) > 0 && periodEnds(facts) !== null)) return null
  return Math.max(0, whenNew - newExamples(facts))
}

/**
 * Whether a standing run opens its next run now. Never while one of its runs is open. A period counts from the last opening, so
 * that one run makes up for all that were missed, and a clock that goes back opens nothing twice. After a failed run examples do
 * not hurry the next one, where there is a period; after three in a row there is none.
 */
export function decideStanding(facts: StandingFacts, now: Date): Verdict {
  const { lastOpenedAt, rowsNow, runs } = facts
  const [newest] = runs
  const until = periodEnds(facts)
  const failed = failedInRow(runs)
  const missing = missingExamples(facts)
  const wait = (what: 'run' | 'period' | 'examples' | 'data'): Verdict => ({
    kind: 'wait',
    for: what,
    until,
    missing,
  })
  if (newest !== undefined && openStates.has(newest)) return wait('run')
  if (failed >= mostFailures) return { kind: 'stop', failed }
  if (rowsNow === null) return wait('data')
  if (lastOpenedAt === null) return { kind: 'open', because: 'first' }
  if (until !== null && now >= until) return { kind: 'open', because: 'period' }
  if (missing === 0) return { kind: 'open', because: 'examples' }
  return wait(until === null ? 'examples' : 'period')
}
