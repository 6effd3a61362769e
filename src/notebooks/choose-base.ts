import { AppError } from '../lib/errors.ts'
import { type Base, baseNamed, catalogue, isFolder } from './catalogue.ts'
import type { Plan } from './plan.ts'
import { targetsOf, usualTargets } from './targets.ts'

/**
 * The base of a plan; undefined for one that is not in the catalogue, a folder of the session's machine among them: nothing is
 * known of it but the layers that a person has named.
 * @throws AppError `invalid`: `unknown_base` that names the known ones, `refused_base` for one that cannot be trained so
 */
export function chooseBase(plan: Plan): Base | undefined {
  const base = catalogue[plan.engine].find(({ id }) => id === plan.base)
  if (!base) {
    if (plan.engine !== 'dry' && plan.targets.length > 0) return undefined
    if (plan.engine !== 'dry' && isFolder(plan.base)) throw targetsMissing(plan)
    const known = catalogue[plan.engine].map(({ id }) => id).join(', ')
    throw new AppError('invalid', `the engine ${plan.engine} knows no base ${plan.base}`, {
      code: 'unknown_base',
      next: `Known are: ${known}${plan.engine === 'dry' ? '' : `; for another one, or a folder on the session’s machine, name its layers with --targets: ${usualTargets}`}`,
    })
  }
  if (base.stored === 'nf4' && plan.quantization !== 'nf4') {
    throw new AppError(
      'invalid',
      `the plan's quantization: ${base.id} is stored in nf4 and cannot be trained as ${plan.quantization}`,
      { code: 'refused_base', next: 'Leave quantization out, or choose a base in 16 bit' },
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

const targetsMissing = (plan: Plan): AppError =>
  new AppError(
    'invalid',
    `the base ${plan.base} is not in the catalogue, so the layers to train are not known`,
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

/** What a person should know of a plan's base before hours are spent on it; one sentence each. */
export function baseWarnings(plan: Plan): string[] {
  const base = baseNamed(plan.base)
  if (!base) {
    const known = Object.keys(targetsOf).join(', ')
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
    ...(pinned
      ? []
      : [atMain(base.id)]),
    ...(base.gated
      ? [
          `the base ${base.id} asks for an accepted licence and a token, and none is handed to sessions: each must have HF_TOKEN already`,
        ]
      : []),
  ]
}

const atMain = (id: string): string =>
  `the base ${id} is taken at main, which may be another model tomorrow: pin a commit with --set revision=COMMIT`
