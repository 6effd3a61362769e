import type { RunFacts } from './engine/input.ts'
import type { Run } from './run.ts'
import type { Session } from './session.ts'
import type { TickPorts } from './tick-ports.ts'

/** Runs with a session that needs nobody any more. */
export const settledRuns = (open: readonly Session[]): ReadonlySet<string> =>
  new Set(open.filter(({ state }) => state !== 'awaiting_person').map(({ runId }) => runId))

/**
 * What is known of each run before its sessions are planned. A run of which that cannot be found out is told as trouble and
 * left out.
 * @param settled runs that want no session now: what stands in the way of one is not asked
 * @param troubleOf why no session of a run could be started; null when one could
 */
export async function runFacts(
  ports: Pick<TickPorts, 'mountedBase' | 'prior' | 'newSessionId' | 'trouble'>,
  runs: readonly Run[],
  settled: ReadonlySet<string>,
  troubleOf: (run: Run) => Promise<string | null>,
): Promise<ReadonlyMap<string, RunFacts>> {
  const facts = new Map<string, RunFacts>()
  for (const run of runs) {
    try {
      const trouble = run.stopAsked || settled.has(run.id) ? null : await troubleOf(run)
      const only = ports.mountedBase(run)?.provider ?? null
      const prior = await ports.prior(run)
      facts.set(run.id, { trouble, only, prior, sessionId: ports.newSessionId() })
    } catch (error) {
      ports.trouble(error, { runId: run.id })
    }
  }
  return facts
}
