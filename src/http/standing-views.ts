import type * as wire from '../api/standing-schemas.ts'
import type { Finish } from '../control/plan-view.ts'
import type { StandingView } from '../control/standing-desk.ts'
import type { Run } from '../rotation/run.ts'
import { lossSummary, toFinish, toRunSummary } from './views.ts'

type SessionsOf = (run: Run) => Promise<number>

/** A standing run as the API tells it, with its last run. */
export async function toStanding(
  view: StandingView,
  sessionsOf: SessionsOf,
): Promise<wire.StandingRun> {
  const { standing, runs, openRun } = view
  const { request } = standing
  const last = runs.find(({ run }) => run.id === standing.lastRunId)?.run
  return {
    id: standing.id,
    name: standing.name,
    state: standing.state,
    stoppedWhy: standing.stoppedWhy,
    dataset: request.dataset,
    engine: request.engine,
    everySeconds: standing.everySeconds,
    whenNew: standing.whenNew,
    request: { ...request },
    count: standing.count,
    last: last ? toRunSummary(last, await sessionsOf(last)) : null,
    openRun: openRun?.name ?? null,
    newExamples: view.newExamples,
    missing: view.missing,
    nextAt: view.nextAt?.toISOString() ?? null,
    waiting: standing.waiting?.why ?? null,
    createdAt: standing.createdAt.toISOString(),
    lastOpenedAt: standing.lastOpenedAt?.toISOString() ?? null,
  }
}

/** What is shown of one standing run beside itself. */
export interface StandingParts {
  /** Of each of its runs by its id, in the order of their steps. */
  readonly losses: ReadonlyMap<string, readonly number[]>
  /** Name of the run whose adapter the next one begins with. */
  readonly fromAdapter: string | null
  /** Of its open run. */
  readonly finish: Finish | null
}

/** A standing run with those of its runs that the view has. */
export async function toStandingDetails(
  view: StandingView,
  sessionsOf: SessionsOf,
  { losses, fromAdapter, finish }: StandingParts,
): Promise<wire.StandingRunDetails> {
  const runs: wire.StandingRunDetails['runs'] = []
  for (const { run, number, because, openedAt, rows, label } of view.runs) {
    runs.push({
      ...toRunSummary(run, await sessionsOf(run)),
      number,
      because,
      openedAt: openedAt.toISOString(),
      examples: rows,
      loss: lossSummary(losses.get(run.id) ?? []),
      artifact: label,
    })
  }
  return {
    ...(await toStanding(view, sessionsOf)),
    runs,
    fromAdapter,
    finish: finish && toFinish(finish),
  }
}
