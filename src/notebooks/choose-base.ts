import { AppError } from '../lib/errors.ts'
import { type Base, baseNamed, catalogue, isFolder, mountedModel } from './catalogue.ts'
import type { Plan } from './plan.ts'
import { targetsOf, usualTargets } from './targets.ts'

/**
 * The base of a plan; undefined for one that is not in the catalogue, such as a folder of the session's machine or a model that the
 * platform mounts: nothing is known of it but the layers that a person has named.
 * @throws AppError `invalid`: `unknown_base` that names the known ones, `refused_base` for one that cannot be trained so
 */
export function chooseBase(plan: Plan): Base | undefined {
  const base = catalogue[plan.engine].find(({ id }) => id === plan.base)
  if (!base) {
    const byPath = isFolder(plan.base) || mountedModel(plan.base) !== undefined
    const mayBe = byPath || (isRepository(plan.base) && !baseNamed(plan.base))
    if (plan.engine !== 'dry' && mayBe && plan.targets.length > 0) return undefined
    if (plan.engine !== 'dry' && byPath) throw targetsMissing(plan)
    const known = catalogue[plan.engine].map(({ id }) => id).join(', ')
    const others = `; for another one, a folder on the session’s machine, or a model of Kaggle’s own (kaggle:OWNER/MODEL/FRAMEWORK/VARIATION/VERSION), name its layers with --targets: ${usualTargets}`
    throw new AppError('invalid', `the engine ${plan.engine} knows no base ${plan.base}`, {
      code: 'unknown_base',
      next: `Known are: ${known}${plan.engine === 'dry' ? '' : others}`,
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
  refuseTargets(plan, base)
  const context = base.model?.context ?? Number.POSITIVE_INFINITY
  if (plan.maxLength > context) {
    throw new AppError(
      'invalid',
      `the plan's maxLength: ${base.id} reads ${context} tokens at the most, and not ${plan.maxLength}`,
      { code: 'refused_base', next: `Give at the most: --set maxLength=${context}` },
    )
  }
  return base
}

/** Whether a name is of the form that a hub's repositories have. */
const isRepository = (id: string): boolean => /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(id)

const targetsMissing = (plan: Plan): AppError =>
  new AppError(
    'invalid',
    `the plan's targets: the base ${plan.base} is not in the catalogue, so the layers to train are not known`,
    { code: 'no_targets', next: `Name its linear layers with --targets, usually ${usualTargets}` },
  )

function refuseTargets(plan: Plan, base: Base): void {
  if (base.model === null) return
  const own = [...base.targets, 'lm_head']
  const absent = plan.targets.filter((target) => !own.includes(target.split('.').at(-1) ?? ''))
  if (absent.length === 0 && plan.targets.length > 0) return
  const what = absent.length > 0 ? `no layer ${absent.join(', ')}` : 'nothing to train without any'
  throw new AppError('invalid', `the plan's targets: ${base.id} has ${what}`, {
    code: 'refused_base',
    next: `Leave targets out, or choose of: ${own.join(',')}`,
  })
}

/**
 * What a person should know of a plan's base before hours are spent on it; one sentence each.
 * @param trouble why no session could have it now, where the service has to fetch it
 */
export function baseWarnings(plan: Plan, trouble: string | null): string[] {
  const base = baseNamed(plan.base)
  const known = Object.keys(targetsOf).join(', ')
  if (mountedModel(plan.base)) {
    return [
      `nothing is known about the base ${plan.base}: it must be of one of the architectures ${known}; only sessions at Kaggle have it, and the account must have accepted its licence there`,
    ]
  }
  if (!base) {
    if (isFolder(plan.base)) {
      return [
        `nothing is known about the base in ${plan.base}: it must be there in every session, the same each time, of one of the architectures ${known}`,
      ]
    }
    return [
      `nothing is known about the base ${plan.base}, neither its licence nor its size: it must be one that anybody may fetch, of one of the architectures ${known}`,
      ...(plan.revision === 'main' ? [atMain(plan.base)] : []),
    ]
  }
  const pinned = plan.revision !== 'main'
  return [
    ...(pinned ? [] : [atMain(base.id)]),
    ...(trouble === null ? [] : [`it would wait: ${trouble}`]),
    ...(base.gated && base.sizeBytes !== null
      ? [
          `each session first downloads ${(base.sizeBytes / 1e9).toFixed(1)} GB of the base ${base.id}, which counts as its time`,
        ]
      : []),
  ]
}

const atMain = (id: string): string =>
  `the base ${id} is taken at main, which may be another model tomorrow: pin a commit with --set revision=COMMIT`
