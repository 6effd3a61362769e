import type { Command } from 'commander'
import { type Base, catalogue } from '../notebooks/catalogue.ts'
import { leastGpuGb } from '../notebooks/predict.ts'
import { weightsOf } from '../notebooks/shape.ts'
import { usualTargets } from '../notebooks/targets.ts'
import type { Context } from './context.ts'
import { table } from './table.ts'

/** A base as this command tells it; sizes in bytes, the least GPU in GB. */
export interface ListedBase {
  readonly id: string
  readonly model: string
  readonly from: string
  readonly revision: string
  readonly architecture: string
  readonly template: string
  readonly stored: string
  readonly licence: string
  readonly gated: boolean
  readonly context: number
  readonly weights: number
  readonly sizeBytes: number | null
  readonly leastGpuGb: number | null
  readonly targets: readonly string[]
}

/** The bases of the engines `trl` and `unsloth`, the one that a run takes by itself first. */
export const listedBases = (): ListedBase[] => catalogue.trl.flatMap(listed)

function listed(base: Base): ListedBase[] {
  const { id, from, revision, architecture, stored, licence, gated, sizeBytes, targets } = base
  if (base.model === null) return []
  const { name, template, context, shape } = base.model
  const { linear, kept } = weightsOf(shape)
  const own = { id, model: name, from, revision, architecture, template, stored, licence, gated }
  const figures = { context, weights: linear + kept, sizeBytes, leastGpuGb: leastGpuGb(base) }
  return [{ ...own, ...figures, targets }]
}

/** `rodizio bases`: the models that adapters can be trained for. */
export function basesCommand(program: Command, context: Context): void {
  program
    .command('bases')
    .description('the models that adapters are trained for: size, context, licence, least GPU')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio bases\n  rodizio train start --data pira --engine trl --set base=Qwen/Qwen2.5-7B-Instruct --dry-run',
    )
    .action(() => {
      const bases = listedBases()
      context.answer({ items: bases, next: null }, () => described(bases))
    })
}

function described(bases: readonly ListedBase[]): string {
  const rows = bases.map((base) => [
    base.id,
    base.stored,
    base.sizeBytes === null ? '' : `${(base.sizeBytes / 1e9).toFixed(1)} GB`,
    String(base.context),
    base.leastGpuGb === null ? '' : `${base.leastGpuGb} GB`,
    base.gated ? 'gated' : '',
    base.revision === 'main' ? 'main' : base.revision.slice(0, 8),
    base.licence,
  ])
  return [
    table(
      ['BASE', 'STORED', 'DOWNLOAD', 'CONTEXT', 'LEAST GPU', 'GATED', 'COMMIT', 'LICENCE'],
      rows,
    ),
    '',
    'The first is taken unless a run says otherwise: train start --engine trl --set base=NAME. Context is in tokens.',
    'Least GPU: an estimate for nf4, rank 16 and rows of 2048 tokens, one at once; a T4 has 15.8 GB. Sizes are counted.',
    `Another base of these architectures, or a folder, wants --targets, usually ${usualTargets}.`,
  ].join('\n')
}
