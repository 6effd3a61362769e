import { mountedModel } from '../notebooks/catalogue.ts'
import type { Run } from '../rotation/run.ts'
import type { MountedBase } from '../rotation/tick-ports.ts'

/** Where alone the base of a run's plan is; null where any session can have it. */
export function mountedBase({ plan }: Pick<Run, 'plan'>): MountedBase | null {
  const model = typeof plan.base === 'string' ? mountedModel(plan.base) : undefined
  return model ? { provider: model.platform, models: [model.source] } : null
}
