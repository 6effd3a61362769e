import { AppError } from '../lib/errors.ts'
import { Plan } from '../notebooks/plan.ts'
import type { ServePlan } from '../notebooks/serve-plan.ts'
import type { Run } from '../rotation/run.ts'
import type { AdapterRow } from './adapter-book.ts'
import { asTraining } from './run-or-policy.ts'

export interface ServedAdapterPorts {
  readonly runNamed: (idOrName: string) => Promise<Run | undefined>
  /** What a finished run has left, or undefined. */
  readonly artifact: (
    runId: string,
  ) => Promise<{ readonly label: string; readonly manifestSha256: string } | undefined>
  /** Where the artifact with that manifest stands, or undefined. */
  readonly artifactWith: (manifestSha256: string) => Promise<AdapterRow | undefined>
}

/**
 * The part of a serving plan that follows from an adapter: a completed run's, by the run's name or id or by its manifest's hash.
 * @throws AppError `not-found` (`run_unknown`, `run_is_policy`, `adapter_gone`), `invalid` (`no_adapter`)
 */
export async function servedAdapter(
  ports: ServedAdapterPorts,
  given: string,
): Promise<Pick<ServePlan, 'adapter' | 'base' | 'revision' | 'quantization'>> {
  const { run, label, sha256 } = await found(ports, given)
  if (label === undefined || label === 'dry' || sha256 === undefined) {
    const why =
      run.engine === 'dry'
        ? 'the engine dry rehearses, and makes no adapter'
        : `it is ${run.state}, and has left none`
    throw new AppError('invalid', `run ${run.name} has no adapter that could be served: ${why}`, {
      code: 'no_adapter',
      next: 'Name a completed run of another engine than dry with --adapter (rodizio train list)',
    })
  }
  const { base, revision, quantization } = Plan.parse(run.plan)
  return { adapter: sha256, base, revision, quantization }
}

async function found({ runNamed, artifact, artifactWith }: ServedAdapterPorts, given: string) {
  const row = /^[0-9a-f]{64}$/.test(given) ? await artifactWith(given) : undefined
  if (row) return { run: asTraining(await runNamed(row.runId), row.runId), ...row, sha256: given }
  const named = await runNamed(given)
  if (!named && /^[0-9a-f]{64}$/.test(given)) {
    throw new AppError('not-found', `the adapter ${given.slice(0, 12)} is not in the store`, {
      code: 'adapter_gone',
      next: 'Name the run that made it; rodizio train show RUN tells the hash of its artifact',
    })
  }
  const run = asTraining(named, given)
  const left = await artifact(run.id)
  return { run, label: left?.label, sha256: left?.manifestSha256 }
}
