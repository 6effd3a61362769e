import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { chooseBase } from '../notebooks/choose-base.ts'
import { type Engine, PlanOverrides, planFor } from '../notebooks/plan.ts'
import {
  defaultOptions,
  notBegun,
  type Run,
  type RunOptions,
  smokeOptions,
  smokeSteps,
} from '../rotation/run.ts'
import { refuseTakenName } from './run-or-policy.ts'
import { planFromAdapter, type StartAdapterPorts } from './start-adapter.ts'

export interface WantedRun {
  /** Made from the caller's Idempotency-Key: the same request twice is the same run. */
  readonly id?: string
  readonly name?: string | undefined
  readonly dataset: string
  readonly engine: Engine
  /** Optimizer steps; as many as `epochs` take when left out. */
  readonly steps?: number | undefined
  /** One when left out. */
  readonly epochs?: number | undefined
  readonly seed: number
  /** Greater is sooner; 0 when left out. */
  readonly priority?: number | undefined
  readonly plan: Readonly<Record<string, unknown>>
  readonly options: { readonly [K in keyof RunOptions]?: RunOptions[K] | undefined }
  /** A finished run, by name or id, whose adapter the first step begins with. */
  readonly fromAdapter?: string | undefined
  readonly sample?: boolean
  /** A trial of the whole way in two short sessions: it decides steps and sessions itself. */
  readonly smoke?: boolean
}

export interface StartPorts extends StartAdapterPorts {
  readonly dataset: (nameOrVersion: string) => Promise<
    | {
        readonly version: string
        readonly train: { readonly rows: number; readonly sha256: string }
      }
    | undefined
  >
  readonly insertRun: (run: Run) => Promise<void>
  readonly now: () => Date
  /** Whether the accounts in use are those of the emulators. */
  readonly emulated?: boolean
}

/**
 * Makes a run of what a person asked for; nothing is stored when anything about it is wrong.
 * @throws AppError `not-found` (`dataset_unknown`, `run_unknown`), `conflict` (`run_exists`, `policy_exists`), `invalid` (`no_gpu_here`, or one
 *   that names the field or the base)
 */
export async function startRun(
  ports: StartPorts,
  wanted: WantedRun,
  dryRun: boolean,
): Promise<Run> {
  refuseContradictions(wanted)
  if (ports.emulated && wanted.engine === 'unsloth' && !dryRun) {
    throw new AppError(
      'invalid',
      'the engine unsloth trains on a GPU alone, and the emulated accounts have none',
      {
        code: 'no_gpu_here',
        next: 'Ask what it would take with --dry-run, or lead over to real accounts: rodizio init',
      },
    )
  }
  const before = wanted.id === undefined ? undefined : await ports.runNamed(wanted.id)
  if (before) return before
  const dataset = await ports.dataset(wanted.dataset)
  if (!dataset) {
    throw new AppError('not-found', `there is no data set ${wanted.dataset}`, {
      code: 'dataset_unknown',
      next: 'Import one with: rodizio data import FILE --name NAME (rodizio data list shows all)',
    })
  }
  if (dataset.train.rows === 0) {
    throw new AppError('invalid', `data set ${wanted.dataset} has no training rows`, {
      code: 'dataset_empty',
      next: 'All its rows were held out for validation: import more conversations',
    })
  }
  const id = wanted.id ?? newId('run')
  const name = wanted.name ?? `${wanted.dataset}-${id.slice(-6)}`
  refuseTakenName(await ports.runNamed(name), name)
  const targetSteps = wanted.smoke
    ? smokeSteps
    : (wanted.steps ?? stepsOf(wanted, dataset.train.rows))
  const given = overridesOf(wanted)
  const { fromAdapter, ...overrides } =
    wanted.fromAdapter === undefined
      ? { ...given, fromAdapter: undefined }
      : await planFromAdapter(ports, wanted.engine, wanted.fromAdapter, given)
  const { sha256: dataSha256 } = dataset.train
  const facts = { targetSteps, seed: wanted.seed, dataSha256, fromAdapter }
  const plan = planFor(wanted.engine, overrides, facts)
  chooseBase(plan)
  const run: Run = {
    ...notBegun,
    id,
    name,
    engine: wanted.engine,
    datasetVersion: dataset.version,
    plan,
    options: optionsOf(wanted.smoke ? { ...wanted.options, ...smokeOptions } : wanted.options),
    serving: null,
    priority: wanted.priority ?? 0,
    targetSteps,
    sample: wanted.sample ?? false,
    createdAt: ports.now(),
  }
  if (!dryRun) await ports.insertRun(run)
  return run
}

/** What a smoke run decides itself, under the flags that a person knows. */
const decidedBySmoke: Readonly<Record<string, string>> = {
  steps: '--steps',
  epochs: '--epochs',
  saveSeconds: '--save-every',
  saveSteps: 'saveSteps',
  sessionSeconds: '--session-max',
  minSessionSeconds: 'minSessionSeconds',
}

function refuseContradictions({ smoke, steps, epochs, options }: WantedRun): void {
  if (!smoke) return
  const given = { steps, epochs, ...options }
  const against = Object.entries(given)
    .filter(([name, value]) => value !== undefined && name in decidedBySmoke)
    .map(([name]) => decidedBySmoke[name])
  if (against.length === 0) return
  throw new AppError(
    'invalid',
    `a smoke run has ${smokeSteps} steps in two sessions and does not go with ${against.join(', ')}`,
    { code: 'smoke_contradicted', next: 'Leave them out, or start a whole run without --smoke' },
  )
}

/** Steps of whole passes over the data, the last batch of each counted in full. */
function stepsOf(wanted: WantedRun, rows: number): number {
  const { batchSize, accumulation } = planFor(wanted.engine, overridesOf(wanted), {
    targetSteps: 1,
    seed: wanted.seed,
    dataSha256: '0'.repeat(64),
  })
  return Math.max(1, Math.ceil((rows * (wanted.epochs ?? 1)) / (batchSize * accumulation)))
}

function overridesOf(wanted: WantedRun): PlanOverrides {
  const overrides = PlanOverrides.strict().safeParse(wanted.plan)
  if (!overrides.success) {
    const [issue] = overrides.error.issues
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : undefined
    const what =
      unknown === undefined
        ? `the plan's ${issue?.path.join('.')}: ${issue?.message}`
        : `the plan has no field ${unknown}`
    throw new AppError('invalid', what, {
      code: 'invalid_plan',
      next: `Its fields: ${Object.keys(PlanOverrides.shape).join(', ')}`,
    })
  }
  return overrides.data
}

function optionsOf(given: WantedRun['options']): RunOptions {
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const options: RunOptions = { ...defaultOptions, ...set }
  // A run that asks for short sessions means it: they are worth their start-up by its own word.
  const { sessionSeconds, minSessionSeconds } = options
  return sessionSeconds !== null && sessionSeconds < minSessionSeconds
    ? { ...options, minSessionSeconds: sessionSeconds }
    : options
}
