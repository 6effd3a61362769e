import type { Config } from '../config/schema.ts'
import { mountedBase } from '../control/mounted-base.ts'
import { planDesk } from '../control/plan-desk.ts'
import { priorOf } from '../control/prior.ts'
import { heardTrouble } from '../rotation/heard-trouble.ts'
import type { TickPorts } from '../rotation/tick-ports.ts'
import type { Artifacts } from './artifacts.ts'
import type { Hub } from './hub.ts'
import type { Providers } from './providers.ts'
import type { Storage } from './storage.ts'

/** What a plan is made from beside the books: the tick's questions about runs, and the plan as people see it over their answers. */
export function openPlans(
  storage: Storage,
  providers: Providers,
  artifacts: Artifacts,
  hub: Hub,
  { config, now }: { readonly config: Config; readonly now: () => Date },
) {
  const { last, ...asks } = heardTrouble({
    storeTrouble: async (run) => {
      const why = await artifacts.trouble()
      if (why !== null || run.serving || providers.reach() !== 'sealed') return why
      return (await artifacts.direct?.data.missing(run.datasetVersion)) ?? null
    },
    baseTrouble: (run) => hub.bases.trouble(run.plan),
  })
  const shared = {
    providers: providers.byName,
    emulated: providers.emulators !== undefined,
    personSeconds: config.RODIZIO_PERSON_SECONDS,
    mountedBase,
    // What serves has no data.
    prior: async (run) =>
      priorOf(
        run,
        run.serving ? { rows: 0, bytes: 0 } : (await storage.mustHave(run.datasetVersion)).train,
      ),
    now,
    ...asks,
  } satisfies Partial<TickPorts>
  return {
    /** For the tick. */
    shared,
    desk: planDesk({ ...shared, state: storage.rotationState, lastTrouble: last }),
  }
}
