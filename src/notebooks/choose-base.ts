import { AppError } from '../lib/errors.ts'
import { type Base, baseNamed, catalogue, isFolder, mountedModel } from './catalogue.ts'
import type { Plan } from './plan.ts'

/**
 * The base of a plan; undefined for a folder of the session's machine and for a model that the platform mounts, of which nothing
 * is known.
 * @throws AppError `invalid`: `unknown_base` that names the known ones, `refused_base` for one that cannot be trained so
 */
export function chooseBase(plan: Plan): Base | undefined {
  const base = catalogue[plan.engine].find(({ id }) => id === plan.base)
  if (!base) {
    if (plan.engine !== 'dry' && (isFolder(plan.base) || mountedModel(plan.base))) return undefined
    const known = catalogue[plan.engine].map(({ id }) => id).join(', ')
    throw new AppError('invalid', `the engine ${plan.engine} knows no base ${plan.base}`, {
      code: 'unknown_base',
      next: `Known are: ${known}${plan.engine === 'dry' ? '' : '; or the path of a folder on the session’s machine, or a model of Kaggle’s own: kaggle:OWNER/MODEL/FRAMEWORK/VARIATION/VERSION'}`,
    })
  }
  if (base.stored === 'nf4' && plan.quantization !== 'nf4') {
    throw new AppError(
      'invalid',
      `the plan's quantization: ${base.id} is stored in nf4 and cannot be trained as ${plan.quantization}`,
      { code: 'refused_base', next: 'Leave quantization out, or choose a base in 16 bit' },
    )
  }
  if (base.gated && !/^[0-9a-f]{40}$/.test(plan.revision)) {
    throw new AppError(
      'invalid',
      `the plan's revision: ${base.id} is fetched through this service, by a commit, and ${plan.revision} is none`,
      { code: 'refused_base', next: 'Leave revision out, or give the forty digits of a commit' },
    )
  }
  return base
}

/**
 * What a person should know of a plan's base before hours are spent on it; one sentence each.
 * @param trouble why no session could have it now, where the service has to fetch it
 */
export function baseWarnings(plan: Plan, trouble: string | null): string[] {
  const base = baseNamed(plan.base)
  if (mountedModel(plan.base)) {
    return [
      `nothing is known about the base ${plan.base}: it must be of the architecture mistral; only sessions at Kaggle have it, and the account must have accepted its licence there`,
    ]
  }
  if (!base) {
    return [
      `nothing is known about the base in ${plan.base}: it must be there in every session, the same each time, of the architecture mistral`,
    ]
  }
  const pinned = plan.revision !== 'main'
  return [
    ...(pinned
      ? []
      : [
          `the base ${base.id} is taken at main, which may be another model tomorrow: pin a commit with --set revision=COMMIT`,
        ]),
    ...(trouble === null ? [] : [`it would wait: ${trouble}`]),
    ...(base.gated && base.sizeBytes !== null
      ? [
          `each session first downloads ${(base.sizeBytes / 1e9).toFixed(1)} GB of the base ${base.id}, which counts as its time`,
        ]
      : []),
  ]
}
