import type { RotationState } from '../rotation/engine/state.ts'
import { isOpen, type Run } from '../rotation/run.ts'
import { runFacts, settledRuns } from '../rotation/run-facts.ts'
import { surroundings } from '../rotation/surroundings.ts'
import type { TickPorts } from '../rotation/tick-ports.ts'
import { type Finish, type PlanFacts, type PlanView, viewFinishes, viewPlan } from './plan-view.ts'
import type { Policy } from './run-or-policy.ts'
import { type ServingOutlook, servingOutlook } from './serving-outlook.ts'

export interface PlanDeskPorts
  extends Pick<
    TickPorts,
    'providers' | 'emulated' | 'personSeconds' | 'prior' | 'mountedBase' | 'now'
  > {
  /** All that is open, of one moment. */
  readonly state: () => Promise<RotationState>
  /** Why no session of the run could be started when the tick last asked. */
  readonly lastTrouble: (run: Run) => string | null
}

/**
 * The plan as it stands now: from the same state and the same facts as the next tick's, without changing anything and without
 * asking a provider, the store of checkpoints or the hub.
 */
export function planDesk(ports: PlanDeskPorts) {
  const facts = async (more: readonly Run[] = []): Promise<PlanFacts> => {
    const state = await ports.state()
    const sessions = [...state.sessions.values()].filter(({ endedAt }) => endedAt === null)
    const runs = await runFacts(
      {
        mountedBase: ports.mountedBase,
        prior: ports.prior,
        newSessionId: () => '', // nothing is booked
        trouble: () => undefined, // the tick meets it too, and tells it
      },
      [
        ...[...state.runs.values()].filter(({ id }) => !more.some((run) => run.id === id)),
        ...more,
      ].filter(isOpen),
      settledRuns(sessions),
      async (run) => ports.lastTrouble(run),
    )
    const around = surroundings(ports, [...state.accounts.values()])
    return { state, around, runs, now: ports.now() }
  }
  return {
    view: async (withReasons: boolean): Promise<PlanView> => viewPlan(await facts(), withReasons),
    /** When the run will be done; null of one that is over, serves, or of which nothing is planned. */
    finish: async (run: Run): Promise<Finish | null> =>
      isOpen(run) && run.serving === null
        ? (viewFinishes(await facts()).get(run.id) ?? null)
        : null,
    /** What the plan makes of an open policy, which need not be stored; null of one that is over or being stopped. */
    servingOutlook: async (policy: Policy): Promise<ServingOutlook | null> =>
      isOpen(policy) && !policy.stopAsked ? servingOutlook(await facts([policy]), policy) : null,
  }
}

export type PlanDesk = ReturnType<typeof planDesk>
