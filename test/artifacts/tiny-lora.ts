import { createHash } from 'node:crypto'
import type { Tensor } from '../../src/artifacts/safetensors.ts'

/** A safetensors file with these tensors, of zeros but for the first byte, which is `mark`. */
export function safetensors(tensors: readonly Pick<Tensor, 'name' | 'shape'>[], mark = 0): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let at = 0
  for (const { name, shape } of tensors) {
    const bytes = 4 * shape.reduce((product, side) => product * side, 1)
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + bytes] }
    at += bytes
  }
  const text = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([prefix, text, Buffer.alloc(at).fill(mark, 0, Math.min(1, at))])
}

export const loraTensors = (
  rank = 4,
  hidden = 64,
  layers = 2,
): { name: string; shape: number[] }[] =>
  Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) =>
    ['q_proj', 'v_proj'].flatMap((target) => {
      const module = `base_model.model.model.layers.${layer}.self_attn.${target}`
      return [
        { name: `${module}.lora_A.weight`, shape: [rank, hidden] },
        { name: `${module}.lora_B.weight`, shape: [hidden, rank] },
      ]
    }),
  )

export interface TinyAdapter {
  readonly version: string
  readonly manifest: string
  readonly manifestSha256: string
  readonly files: ReadonlyMap<string, Buffer>
}

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

/** A whole adapter of tiny weights; `changes` go into the files before they are hashed. */
export function tinyAdapter(
  version: string,
  {
    mark = 1,
    hidden = 64,
    base = 'tiny',
    files: changes = {},
  }: {
    readonly mark?: number
    readonly hidden?: number
    /** As its plan names it. */
    readonly base?: string
    readonly files?: Readonly<Record<string, Buffer>>
  } = {},
): TinyAdapter {
  const files = new Map<string, Buffer>([
    ['adapter_model.safetensors', safetensors(loraTensors(4, hidden), mark)],
    [
      'adapter_config.json',
      Buffer.from(
        JSON.stringify({ peft_type: 'LORA', r: 4, target_modules: ['q_proj', 'v_proj'] }),
      ),
    ],
    ['tokenizer_config.json', Buffer.from('{}')],
    ['README.md', Buffer.from(`# ${version}\n`)],
    ...Object.entries(changes),
  ])
  const manifest = JSON.stringify({
    format: 1,
    kind: 'artifact',
    run: 'run_1',
    session: 'ses_1',
    generation: 1,
    step: mark,
    targetSteps: 10,
    epoch: 1,
    engine: 'trl',
    label: 'candidate',
    plan: { base, revision: 'main', quantization: 'nf4', loraRank: 4 },
    env: {},
    metrics: {},
    files: [...files].map(([name, bytes]) => ({
      name,
      bytes: bytes.length,
      sha256: sha256(bytes),
    })),
  })
  return { version, manifest, manifestSha256: sha256(manifest), files }
}
