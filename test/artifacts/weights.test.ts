import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkLora, type LoraConfig } from '../../src/artifacts/lora-shapes.ts'
import { inParts, joined, missingRanges } from '../../src/artifacts/missing-ranges.ts'
import { safetensorsHeader } from '../../src/artifacts/safetensors.ts'
import { loraTensors, safetensors } from './tiny-lora.ts'

const headerOf = (file: Buffer) =>
  safetensorsHeader(async (from, bytes) => file.subarray(from, from + bytes), file.length, 'w.bin')

/** The file with another header, its tensors' bytes as they were. */
function reheaded(change: (header: Record<string, { [key: string]: unknown }>) => void): Buffer {
  const file = safetensors(loraTensors())
  const length = Number(file.readBigUInt64LE())
  const header = JSON.parse(file.subarray(8, 8 + length).toString())
  change(header)
  const text = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([prefix, text, file.subarray(8 + length)])
}

const first = 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'

describe('a safetensors file', () => {
  it('is told by its header alone', async () => {
    const tensors = await headerOf(safetensors(loraTensors(4, 64)))
    expect(tensors).toHaveLength(8)
    expect(tensors[0]).toEqual({ name: first, dtype: 'F32', shape: [4, 64], from: 0, to: 1024 })
  })

  it.each([
    ['too few for a header', Buffer.alloc(4)],
    ['would have', Buffer.alloc(64, 0xff)],
    ['past its end', safetensors(loraTensors()).subarray(0, 40)],
    ['it holds', safetensors(loraTensors()).subarray(0, -1)],
    ['it holds', Buffer.concat([safetensors(loraTensors()), Buffer.alloc(1)])],
    ['no JSON', Buffer.concat([safetensors([]).subarray(0, 8), Buffer.alloc(64, 0x7b)])],
    [
      'not known here',
      reheaded((header) => Object.assign(header[first] ?? {}, { dtype: 'PICKLE' })),
    ],
    ['no shape', reheaded((header) => Object.assign(header[first] ?? {}, { shape: [-4, 64] }))],
    ['its shape', reheaded((header) => Object.assign(header[first] ?? {}, { shape: [4, 65] }))],
    ['do not follow', reheaded((header) => delete header[first])],
    [
      'do not follow',
      reheaded((header) => Object.assign(header[first] ?? {}, { data_offsets: [1024, 2048] })),
    ],
  ])('is refused where it is not whole: %s', async (words, file) => {
    await expect(headerOf(file)).rejects.toMatchObject({ code: 'safetensors_damaged' })
    await expect(headerOf(file)).rejects.toThrow(words)
  })
})

const config: LoraConfig = { peft_type: 'LORA', r: 4, target_modules: ['q_proj', 'v_proj'] }
const weights = async (tensors: { name: string; shape: number[] }[]) =>
  headerOf(safetensors(tensors))

describe('the weights of an adapter', () => {
  it('are those that its configuration speaks of', async () => {
    expect(checkLora(config, await weights(loraTensors()))).toEqual({
      rank: 4,
      pairs: 4,
      parameters: 8 * 4 * 64,
    })
  })

  it('have the parameters that a rank of 16 gives to the seven projections of Mistral-7B', () => {
    const sides = {
      q: [4096, 4096],
      k: [4096, 1024],
      v: [4096, 1024],
      o: [4096, 4096],
      gate: [4096, 14_336],
      up: [4096, 14_336],
      down: [14_336, 4096],
    }
    const tensors = Array.from({ length: 32 }, (_, layer) => layer).flatMap((layer) =>
      Object.entries(sides).flatMap(([name, [inputs = 0, outputs = 0]]) => [
        {
          name: `layers.${layer}.${name}_proj.lora_A.weight`,
          dtype: 'F16' as const,
          shape: [16, inputs],
          from: 0,
          to: 0,
        },
        {
          name: `layers.${layer}.${name}_proj.lora_B.weight`,
          dtype: 'F16' as const,
          shape: [outputs, 16],
          from: 0,
          to: 0,
        },
      ]),
    )
    const all = {
      ...config,
      r: 16,
      target_modules: Object.keys(sides).map((name) => `${name}_proj`),
    }
    expect(checkLora(all, tensors).parameters).toBe(41_943_040)
  })

  it.each([
    ['one matrix of two', loraTensors().slice(1), config],
    ['rank 4', loraTensors(), { ...config, r: 8 }],
    ['none of its target modules', loraTensors(), { ...config, target_modules: ['q_proj'] }],
    [
      'target module o_proj',
      loraTensors(),
      { ...config, target_modules: ['q_proj', 'v_proj', 'o_proj'] },
    ],
    [
      'no part of a LoRA adapter',
      [...loraTensors(), { name: 'model.embed.weight', shape: [2, 2] }],
      config,
    ],
    ['no weights', [], config],
  ])('are refused: %s', async (words, tensors, given) => {
    const read = await weights(tensors)
    expect(() => checkLora(given, read)).toThrow(words)
  })

  it('may have ranks of their own, and layers that were trained whole', async () => {
    const tensors = [...loraTensors(), { name: 'base_model.model.lm_head.weight', shape: [2, 2] }]
    const given = {
      ...config,
      r: 8,
      rank_pattern: { q_proj: 4, v_proj: 4 },
      modules_to_save: ['lm_head'],
    }
    expect(checkLora(given, await weights(tensors)).pairs).toBe(4)
  })
})

describe('what is missing of a file', () => {
  const ranges = fc.array(
    fc
      .tuple(fc.nat(100), fc.nat(100))
      .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
    { maxLength: 12 },
  )
  it('and what is there are the whole of it, without an overlap', () => {
    fc.assert(
      fc.property(ranges, fc.nat(100), fc.integer({ min: 1, max: 20 }), (held, bytes, most) => {
        const inside = held.map(({ from, to }) => ({
          from: Math.min(from, bytes),
          to: Math.min(to, bytes),
        }))
        const isHeld = (at: number) => inside.some(({ from, to }) => from <= at && at < to)
        const missing = inParts(missingRanges(bytes, inside), most)
        const counts = Array.from(
          { length: bytes },
          (_, at) => missing.filter(({ from, to }) => from <= at && at < to).length,
        )
        expect(counts).toEqual(Array.from({ length: bytes }, (_, at) => (isHeld(at) ? 0 : 1)))
        expect(missing.every(({ from, to }) => to > from && to - from <= most)).toBe(true)
        const once = joined(inside)
        expect(
          Array.from(
            { length: bytes },
            (_, at) => once.filter(({ from, to }) => from <= at && at < to).length,
          ),
        ).toEqual(Array.from({ length: bytes }, (_, at) => (isHeld(at) ? 1 : 0)))
      }),
    )
  })
})
