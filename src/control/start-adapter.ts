import { AppError } from '../lib/errors.ts'
import type { PlanOverrides } from '../notebooks/plan.ts'
import { Plan } from '../notebooks/plan.ts'
import type { Run } from '../rotation/run.ts'
import { asTraining } from './run-or-policy.ts'

export interface StartAdapterPorts {
  readonly runNamed: (idOrName: string) => Promise<Run | undefined>
  /** What a finished run has left, or undefined. */
  readonly artifact: (
    runId: string,
  ) => Promise<{ readonly label: string; readonly manifestSha256: string } | undefined>
}

/** What an adapter and what goes on from it must have in common: its weights fit nothing else. */
const inCommon = [
  'base',
  'revision',
  'quantization',
  'loraRank',
  'loraAlpha',
  'targets',
] as const satisfies readonly (keyof PlanOverrides)[]

/**
 * The part of a plan that follows from going on from the adapter of a finished run, a run's name or id given.
 * @throws AppError `not-found` (`run_unknown`, `run_is_policy`), `invalid` (`no_adapter`) for a run without one, or that names the field
 *   in which `given` disagrees
 */
export async function planFromAdapter(
  ports: StartAdapterPorts,
  engine: string,
  from: string,
  given: PlanOverrides,
): Promise<PlanOverrides & Pick<Plan, 'fromAdapter'>> {
  const run = asTraining(await ports.runNamed(from), from)
  const artifact = await ports.artifact(run.id)
  if (!artifact || artifact.label === 'dry' || engine === 'dry') {
    const dry = engine === 'dry' || artifact?.label === 'dry'
    const why = dry ? 'the engine dry makes and takes no adapter' : `it is ${run.state}`
    throw new AppError('invalid', `no adapter of the run ${run.name} can be gone on from: ${why}`, {
      code: 'no_adapter',
      next: 'Name a completed run of another engine than dry',
    })
  }
  const before = Plan.parse(run.plan)
  for (const field of inCommon) {
    const wanted = given[field]
    if (wanted === undefined || JSON.stringify(wanted) === JSON.stringify(before[field])) continue
    throw new AppError(
      'invalid',
      `the plan's ${field}: the adapter of ${run.name} was made with ${JSON.stringify(before[field])}, not with ${JSON.stringify(wanted)}`,
      { code: 'other_adapter', next: `Leave ${field} out, or begin without --from-adapter` },
    )
  }
  const { base, revision, quantization, loraRank, loraAlpha, targets } = before
  const same = { base, revision, quantization, loraRank, loraAlpha, targets }
  return { ...given, ...same, fromAdapter: artifact.manifestSha256 }
}
