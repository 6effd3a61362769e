import type * as wire from '../api/serving-schemas.ts'
import type { Policy } from '../control/run-or-policy.ts'
import type { ServingOutlook, Training } from '../control/serving-outlook.ts'
import { ServePlan } from '../notebooks/serve-plan.ts'
import { isOpen } from '../rotation/run.ts'
import { toFinish } from './views.ts'

/** What is shown of a policy beside itself. */
export interface PolicyParts {
  readonly sessions: number
  /** Those that have not ended. */
  readonly live: number
  /** The run that made its adapter. */
  readonly run: string | null
  readonly nodeAddress: (policy: string) => string
}

export function toPolicySummary(policy: Policy, parts: PolicyParts): wire.PolicySummary {
  const plan = ServePlan.parse(policy.plan)
  const { windows, overlapSeconds } = policy.serving
  const open = policy.stopAsked ? 'stopping' : 'open'
  return {
    id: policy.id,
    name: policy.name,
    state: isOpen(policy) ? open : 'stopped',
    adapter: { sha256: plan.adapter, run: parts.run },
    base: plan.base,
    revision: plan.revision,
    quantization: plan.quantization,
    windows:
      windows === 'always'
        ? windows
        : windows.map(({ weekdays, ...window }) => ({ ...window, weekdays: [...weekdays] })),
    overlapSeconds,
    sessionSeconds: policy.options.sessionSeconds,
    maxTokens: plan.maxTokens,
    reach: plan.reach,
    address: plan.reach === null || plan.reach === 'relay' ? parts.nodeAddress(policy.name) : null,
    priority: policy.priority,
    keySha256: plan.keySha256,
    sessions: parts.sessions,
    live: parts.live,
    waiting: policy.waiting,
    createdAt: policy.createdAt.toISOString(),
    endedAt: policy.endedAt?.toISOString() ?? null,
  }
}

const hours = (seconds: number): number => seconds / 3600
const iso = ({ from, to }: { readonly from: Date; readonly to: Date }) => ({
  from: from.toISOString(),
  to: to.toISOString(),
})

export const toOutlook = ({ training, ...outlook }: ServingOutlook): wire.ServingOutlook => ({
  from: outlook.from.toISOString(),
  until: outlook.until.toISOString(),
  wantedHours: hours(outlook.wantedSeconds),
  servedHours: hours(outlook.servedSeconds),
  served: outlook.served.map(({ account, isLive, ...span }) => ({
    account,
    live: isLive,
    ...iso(span),
  })),
  gaps: outlook.gaps.map(({ why, ...span }) => ({ ...iso(span), why: [...why] })),
  training: {
    without: toTraining(training.without),
    with: toTraining(training.with),
    moved: training.moved.map(({ run, without, with: after }) => ({
      run,
      without: without && toFinish(without),
      with: after && toFinish(after),
    })),
  },
})

const toTraining = ({ seconds, steps }: Training) => ({ hours: hours(seconds), steps })
