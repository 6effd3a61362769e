import { expect, it } from 'vitest'
import { gemma7b, llama8b, mistral7b, phi3Mini, qwen7b } from '../../src/notebooks/models.ts'
import {
  cacheBytesPerToken,
  loraWeightsPerRank,
  weightBytes,
  weightsOf,
} from '../../src/notebooks/shape.ts'
import { targetsOf } from '../../src/notebooks/targets.ts'

// As their makers give the number of weights; the bytes of Mistral's cache are those of the reference.
it.each([
  [mistral7b, 7_248_023_552, 131_072],
  [llama8b, 8_030_261_248, 131_072],
  [qwen7b, 7_615_616_512, 57_344],
  [phi3Mini, 3_821_079_552, 393_216],
  [gemma7b, 8_537_680_896, 458_752],
])('the shapes of $name count its published weights', (model, weights, cache) => {
  const { linear, kept } = weightsOf(model.shape)
  expect(linear + kept).toBe(weights)
  expect(weightBytes(model.shape, 'none')).toBe(2 * weights)
  expect(cacheBytesPerToken(model.shape)).toBe(cache)
})

// The downloads that public programs show of the open copies.
it.each([
  [mistral7b, 4_138_270_819],
  [qwen7b, 5_547_254_622],
])('nf4 of $name takes the bytes of its file, within a thousandth', (model, bytes) => {
  expect(Math.abs(weightBytes(model.shape, 'nf4') / bytes - 1)).toBeLessThan(1e-3)
})

it('an adapter has the weights of its targets: fused layers share what they read', () => {
  expect(loraWeightsPerRank(mistral7b.shape, targetsOf.mistral) * 16).toBe(41_943_040)
  const [apart, fused] = [targetsOf.mistral, targetsOf.phi3].map((targets) =>
    loraWeightsPerRank(phi3Mini.shape, targets),
  )
  expect((apart ?? 0) - (fused ?? 0)).toBe(32 * 3 * 3072) // three inputs of a block are read once less
  expect(loraWeightsPerRank(mistral7b.shape, ['self_attn.q_proj'])).toBe(32 * 8192)
  expect(loraWeightsPerRank(mistral7b.shape, ['something'])).toBe(0)
})
