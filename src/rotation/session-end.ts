import type { Run, RunOptions, RunState } from './run.ts'
import type { Outcome, Session } from './session.ts'

/** What a failed session says of itself; a table of causes and what each leads to stands in docs/failures.md. */
export interface Failure {
  readonly class:
    | 'bad_dataset'
    | 'out_of_memory'
    | 'no_gpu'
    | 'dead_gpu'
    | 'refused_plan'
    | 'damaged_checkpoint'
    | 'access_expired'
    | 'notebook_bug'
  readonly message: string
  readonly line: number | null
  /** Where memory ran out: how many rows went through the model at once then; null where that is not known. */
  readonly rowsAtOnce?: number | null
}

export interface SessionEnd {
  readonly outcome: Outcome
  readonly reason: string
  readonly failure: Failure | null
  readonly logTail: string | null
  /** The account gets no new session before this time. */
  readonly holdUntil: Date | null
}

/** An end without failure, log or hold, but for what is given. */
export const endOf = (
  outcome: Outcome,
  reason: string,
  more: Partial<SessionEnd> = {},
): SessionEnd => ({
  outcome,
  reason,
  failure: null,
  logTail: null,
  holdUntil: null,
  ...more,
})

export interface RunChange {
  readonly state: RunState
  readonly failures: number
  readonly failure: string | null
  /** What its next sessions do otherwise. */
  readonly options?: RunOptions
}

/** The account's trouble, not the run's: another account may do better. */
const withoutGpu = (failure: Failure | null): boolean =>
  failure?.class === 'no_gpu' || failure?.class === 'dead_gpu'

/** A run gives up after so many sessions in a row whose notebook failed. */
const maxFailedInARow = 2
/** … and after so many in a row that ended, for whatever cause, without a new checkpoint. */
const maxFruitlessInARow = 5

/** Half the rows at once, for a run that ran out of memory and has not been given fewer before; null where that is no way out. */
function fewerRows({ options }: Run, failure: Failure | null): RunOptions | null {
  const rows = failure?.class === 'out_of_memory' ? (failure.rowsAtOnce ?? 1) : 1
  return rows > 1 && options.rowsAtOnce === null
    ? { ...options, rowsAtOnce: Math.floor(rows / 2) }
    : null
}

/**
 * What becomes of the run when one of its sessions ends. Pure.
 * @param progressed whether the session committed a checkpoint beyond where it began
 * @param artifactCommitted whether the finished artifact is in the store
 */
export function afterSession(
  run: Run,
  session: Session,
  end: SessionEnd,
  progressed: boolean,
  artifactCommitted: boolean,
): RunChange {
  if (artifactCommitted) return { state: 'completed', failures: 0, failure: null }
  // A policy has no end of its own: its next window comes, and other sessions of it may be up.
  if (run.serving) {
    const failed = end.outcome === 'failed' ? run.failures + 1 : 0
    return { state: run.stopAsked ? 'stopping' : 'training', failures: failed, failure: null }
  }
  // A session that never started says nothing about the run.
  const neverRan =
    end.outcome === 'cancelled' ||
    end.outcome === 'expired' ||
    end.outcome === 'superseded' ||
    end.failure?.class === 'access_expired'
  const failures = neverRan ? run.failures : progressed ? 0 : run.failures + 1
  if (run.stopAsked) return { state: 'stopped', failures, failure: null }
  const fatal =
    end.failure && (end.failure.class === 'bad_dataset' || end.failure.class === 'refused_plan')
  const fewer = fewerRows(run, end.failure)
  const worn =
    (end.outcome === 'failed' &&
      fewer === null &&
      !withoutGpu(end.failure) &&
      !neverRan &&
      failures >= maxFailedInARow) ||
    failures >= maxFruitlessInARow
  if (fatal || worn) {
    const tail = end.logTail ? `\n${end.logTail.trim().split('\n').slice(-8).join('\n')}` : ''
    const why = end.failure?.message ?? end.reason
    const count = fatal ? '' : ` (${failures} sessions in a row without a new checkpoint)`
    return {
      state: 'failed',
      failures,
      failure: `${why}${count}; session ${session.generation}${tail}`,
    }
  }
  return { state: 'training', failures, failure: null, ...(fewer && { options: fewer }) }
}
