import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import type { Tensor } from './safetensors.ts'

/** What of an `adapter_config.json` its weights must agree with (peft, `LoraConfig`). */
export const LoraConfig = z.object({
  peft_type: z.literal('LORA'),
  r: z.number().int().min(1).max(4096),
  target_modules: z.union([z.array(z.string()).min(1), z.string()]),
  base_model_name_or_path: z.string().nullish(),
  rank_pattern: z.record(z.string(), z.number().int().min(1)).nullish(),
  modules_to_save: z.array(z.string()).nullish(),
})
export type LoraConfig = z.infer<typeof LoraConfig>

/** What the weights of an adapter are. */
export interface LoraWeights {
  readonly rank: number
  /** Layers that are adapted, each a pair of matrices. */
  readonly pairs: number
  readonly parameters: number
}

const halfOf = /^(?<module>.+)\.lora_(?<half>[AB])(?:\.[^.]+)?\.weight$/

/**
 * Whether the weights are those that the configuration speaks of: for each adapted module one matrix A of `r` rows and one matrix B of
 * `r` columns, every target there at least once, nothing that no target explains. A text as `target_modules` is a pattern of peft's, of
 * which only the pairs are checked.
 * @throws AppError `invalid` (`adapter_shapes`) that names the tensor or the target
 */
export function checkLora(config: LoraConfig, tensors: readonly Tensor[]): LoraWeights {
  const targets = typeof config.target_modules === 'string' ? null : config.target_modules
  const saved = config.modules_to_save ?? []
  const modules = new Map<string, { A?: Tensor; B?: Tensor }>()
  for (const tensor of tensors) {
    const { module, half } = halfOf.exec(tensor.name)?.groups ?? {}
    if (module === undefined) {
      if (saved.some((name) => `.${tensor.name}`.includes(`.${name}.`))) continue
      throw refused(`${tensor.name} is no part of a LoRA adapter`)
    }
    if (targets && !targets.some((target) => isOf(module, target))) {
      throw refused(`${module} is adapted, and is none of its target modules`)
    }
    const pair = modules.get(module) ?? {}
    modules.set(module, { ...pair, [half as 'A' | 'B']: tensor }) // the pattern's two letters
  }
  if (modules.size === 0) throw refused('it has no weights')
  for (const [module, { A, B }] of modules) {
    if (!A || !B) throw refused(`${module} has one matrix of two`)
    const rank = rankOf(config, module)
    const [rows, inputs] = A.shape
    const [outputs, columns] = B.shape
    if (A.shape.length !== 2 || B.shape.length !== 2 || !inputs || !outputs) {
      throw refused(`${module} has matrices of ${A.shape.join('×')} and ${B.shape.join('×')}`)
    }
    if (rows !== rank || columns !== rank) {
      throw refused(
        `${module} has rank ${rows} and ${columns}, where adapter_config.json says ${rank}`,
      )
    }
    if (A.dtype !== B.dtype) throw refused(`${module} has matrices of two types`)
  }
  const missing = targets?.find((target) => ![...modules.keys()].some((name) => isOf(name, target)))
  if (missing !== undefined) throw refused(`no layer has its target module ${missing}`)
  const sizeOf = ({ shape }: Tensor) => shape.reduce((product, side) => product * side, 1)
  return {
    rank: config.r,
    pairs: modules.size,
    parameters: tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0),
  }
}

const isOf = (module: string, target: string): boolean =>
  module === target || module.endsWith(`.${target}`)

/** As peft finds it: a pattern's key is a module's own name, or the end of it. */
function rankOf(config: LoraConfig, module: string): number {
  const named = Object.entries(config.rank_pattern ?? {}).find(([key]) => isOf(module, key))
  return named?.[1] ?? config.r
}

const refused = (why: string): AppError =>
  new AppError('invalid', `the adapter's weights are refused: ${why}`, {
    code: 'adapter_shapes',
    next: 'Pull another version, or cut the adapter anew from its run',
  })
