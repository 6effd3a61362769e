import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { type Reach, ServePlan } from '../notebooks/serve-plan.ts'
import { tunnelRule } from '../notebooks/serving-rules.ts'
import {
  defaultOptions,
  leastServingSeconds,
  notBegun,
  type Run,
  type ServingPolicy,
} from '../rotation/run.ts'
import { checkZone } from './people.ts'
import { asPolicy, type Policy, refuseTakenName } from './run-or-policy.ts'
import { type ServedAdapterPorts, servedAdapter } from './served-adapter.ts'

export interface WantedPolicy {
  /** Made from the caller's Idempotency-Key: the same request twice is the same policy. */
  readonly id?: string
  readonly name: string
  /** A completed run by name or id, or the hash of its adapter's manifest. */
  readonly adapter: string
  readonly windows: ServingPolicy['windows']
  /** Greater is sooner. */
  readonly priority: number
  readonly overlapSeconds: number
  /** The longest session; the account's own limit when left out. */
  readonly sessionSeconds?: number | undefined
  readonly maxTokens: number
  /** How its nodes are reached; left out, as is usual where each runs. */
  readonly reach?: Reach | undefined
  /** That the tunnel's rule has been read and is accepted. */
  readonly acceptTunnel: boolean
  /** Of the bearer key, which whoever asks has made and keeps. */
  readonly keySha256: string
}

/** What of an open policy can be another; a part that is left out stays. */
export interface PolicyChange {
  readonly adapter?: string | undefined
  readonly windows?: ServingPolicy['windows'] | undefined
  readonly priority?: number | undefined
  readonly keySha256?: string | undefined
}

export interface PolicyPorts extends ServedAdapterPorts {
  /** @throws AppError `conflict` (`run_exists`, `policy_exists`, `adapter_removing`) */
  readonly insert: (policy: Policy) => Promise<void>
  /** @throws AppError `not-found` (`policy_unknown`), `conflict` (`policy_over`, `adapter_removing`) */
  readonly change: (
    idOrName: string,
    change: {
      /** Fields of its plan; the others stay. */
      readonly plan: Partial<ServePlan>
      readonly windows?: ServingPolicy['windows'] | undefined
      readonly priority?: number | undefined
    },
  ) => Promise<Policy>
  readonly now: () => Date
}

/**
 * Makes a serving policy of what a person asked for; nothing is stored when anything about it is wrong.
 * @throws AppError `not-found` (`run_unknown`, `adapter_gone`), `conflict` (`run_exists`, `policy_exists`), `not-allowed`
 *   (`rules_not_accepted`), `invalid` (`no_adapter`, `zone_unknown`, `session_too_short`)
 */
export async function addPolicy(
  ports: PolicyPorts,
  wanted: WantedPolicy,
  dryRun: boolean,
): Promise<Policy> {
  const { name, overlapSeconds, sessionSeconds = null, windows } = wanted
  checkWindows(windows)
  const least = leastServingSeconds(overlapSeconds)
  if (sessionSeconds !== null && sessionSeconds < least) {
    throw new AppError(
      'invalid',
      `sessions of ${inMinutes(sessionSeconds)} are too short for an overlap of ${inMinutes(overlapSeconds)}`,
      {
        code: 'session_too_short',
        next: `Make --session-max ${inMinutes(least)} or more, or --overlap shorter`,
      },
    )
  }
  if (wanted.reach === 'tunnel' && !wanted.acceptTunnel && !dryRun) {
    throw new AppError('not-allowed', 'the rule of the tunnel has not been accepted', {
      code: 'rules_not_accepted',
      next: `${tunnelRule} Accept it with --accept-rules`,
    })
  }
  const before = wanted.id === undefined ? undefined : await ports.runNamed(wanted.id)
  if (before) return asPolicy(before, name)
  refuseTakenName(await ports.runNamed(name), name)
  const plan = ServePlan.parse({
    engine: 'serve',
    ...(await servedAdapter(ports, wanted.adapter)),
    keySha256: wanted.keySha256,
    reach: wanted.reach ?? null,
    maxTokens: wanted.maxTokens,
  })
  const { minSessionSeconds } = defaultOptions
  const policy = {
    ...notBegun,
    id: wanted.id ?? newId('pol'),
    name,
    engine: plan.engine,
    datasetVersion: 'none',
    plan,
    options: {
      ...defaultOptions,
      sessionSeconds,
      minSessionSeconds: Math.min(minSessionSeconds, sessionSeconds ?? minSessionSeconds),
    },
    serving: { windows, overlapSeconds },
    priority: wanted.priority,
    targetSteps: 0,
    createdAt: ports.now(),
  } satisfies Run
  if (!dryRun) await ports.insert(policy)
  return policy
}

/**
 * Changes an open policy; sessions that have begun go on as they are, and the next one is another.
 * @throws AppError as `addPolicy`, and `not-found` (`policy_unknown`), `conflict` (`policy_over`)
 */
export async function changePolicy(
  ports: PolicyPorts,
  idOrName: string,
  { adapter, windows, priority, keySha256 }: PolicyChange,
): Promise<Policy> {
  const policy = asPolicy(await ports.runNamed(idOrName), idOrName)
  if (windows !== undefined) checkWindows(windows)
  const plan = {
    ...(adapter === undefined ? {} : await servedAdapter(ports, adapter)),
    ...(keySha256 === undefined ? {} : { keySha256 }),
  }
  return ports.change(policy.id, { plan, windows, priority })
}

function checkWindows(windows: ServingPolicy['windows']): void {
  if (windows === 'always') return
  for (const { zone } of windows) checkZone(zone)
}

const inMinutes = (seconds: number): string => `${Math.ceil(seconds / 60)}m`
