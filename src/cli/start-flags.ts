import type { NewRun } from '../api/schemas.ts'
import { AppError } from '../lib/errors.ts'
import type { Engine } from '../notebooks/plan.ts'
import { durationOf, numberOf } from './flag-values.ts'

/** What `train start` is given on the command line. */
export interface StartFlags {
  data: string
  name?: string
  engine?: Engine
  steps?: string
  epochs?: string
  seed?: string
  priority?: string
  set?: string[]
  targets?: string
  fromAdapter?: string
  sessionMax?: string
  saveEvery?: string
  heartbeat?: string
  stepPace?: string
  every?: string
  whenNew?: string
  smoke?: boolean
  dryRun?: boolean
  watch?: boolean
}

/** `learningRate=0.001` and the like, values read as JSON where they are. */
function planOf(pairs: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) {
        throw new AppError('invalid', `--set ${pair}: expected FIELD=VALUE`, {
          next: 'For example: --set learningRate=0.0001',
        })
      }
      const text = pair.slice(at + 1)
      try {
        return [pair.slice(0, at), JSON.parse(text) as unknown]
      } catch {
        return [pair.slice(0, at), text] // a plain word
      }
    }),
  )
}

/** The plan that the flags ask for. @throws AppError `invalid` that names a flag */
function wantedPlan({ set, targets }: StartFlags): Record<string, unknown> {
  const plan = planOf(set)
  if (targets === undefined) return plan
  const names = targets
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (names.length === 0 || 'targets' in plan) {
    throw new AppError(
      'invalid',
      names.length === 0
        ? '--targets names no layer'
        : '--targets and --set targets=… are the same',
      { next: 'For example: --targets q_proj,v_proj' },
    )
  }
  return { ...plan, targets: names }
}

/** The request that the flags make. @throws AppError `invalid` that names a flag */
export function wantedRun(flags: StartFlags): NewRun {
  const options = {
    sessionSeconds: durationOf('--session-max', flags.sessionMax),
    saveSeconds: durationOf('--save-every', flags.saveEvery),
    heartbeatSeconds: durationOf('--heartbeat', flags.heartbeat),
    stepSeconds: durationOf('--step-pace', flags.stepPace),
  }
  const set = Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined))
  const optional = {
    name: flags.name,
    engine: flags.engine,
    steps: numberOf('--steps', flags.steps),
    epochs: numberOf('--epochs', flags.epochs),
    seed: numberOf('--seed', flags.seed),
    priority: numberOf('--priority', flags.priority),
    fromAdapter: flags.fromAdapter,
  }
  const given = Object.fromEntries(Object.entries(optional).filter(([, v]) => v !== undefined))
  return {
    dataset: flags.data,
    plan: wantedPlan(flags),
    options: set,
    smoke: flags.smoke ?? false,
    dryRun: flags.dryRun ?? false,
    ...given,
  }
}
