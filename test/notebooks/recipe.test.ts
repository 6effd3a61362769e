import { describe, expect, it } from 'vitest'
import { kernelMetadata } from '../../src/notebooks/kernel-metadata.ts'
import { Plan, planFor } from '../../src/notebooks/plan.ts'
import { Recipe } from '../../src/notebooks/recipe.ts'
import { recipeOf } from './fixtures.ts'

const facts = { targetSteps: 120, seed: 7, dataSha256: 'ab'.repeat(32) }

describe('a plan', () => {
  it('has every field that a checkpoint must match, by the engine’s defaults', () => {
    expect(planFor('trl', {}, facts)).toMatchObject({
      quantization: 'nf4',
      loraRank: 16,
      loraAlpha: 32,
      batchSize: 2,
      accumulation: 16,
      learningRate: 2e-4,
      ...facts,
    })
    const begun = { ...facts, fromAdapter: 'a'.repeat(64) }
    expect(Object.keys(planFor('dry', {}, begun)).toSorted()).toEqual(
      Object.keys(Plan.shape).toSorted(),
    )
  })

  it('takes overrides and refuses what is out of range or unknown', () => {
    expect(planFor('dry', { learningRate: 0.1 }, facts).learningRate).toBe(0.1)
    expect(() => planFor('dry', { batchSize: 0 }, facts)).toThrow(/batchSize/)
    expect(() => planFor('dry', {}, { ...facts, targetSteps: 0 })).toThrow(/targetSteps/)
    expect(() => planFor('dry', JSON.parse('{"loraRnak": 8}'), facts)).toThrow(/loraRnak/)
  })
})

describe('a recipe', () => {
  it.each([
    ['a name that is no slug', { name: 'Not A Slug' }],
    ['a name too short for Kaggle', { name: 'abcd' }],
    ['an address that is none', { controlUrl: 'file:///etc' }],
    ['a plan of another engine', { plan: planFor('trl', {}, facts) }],
  ])('is refused for %s', (_why, change) => {
    expect(Recipe.safeParse({ ...recipeOf('dry'), ...change }).success).toBe(false)
  })
})

it('asks Kaggle for a private notebook with internet on the T4 machine, title and slug alike', () => {
  expect(kernelMetadata({ name: 'rodizio-run-g1' }, 'ana', 'notebook.ipynb')).toMatchObject({
    id: 'ana/rodizio-run-g1',
    title: 'rodizio-run-g1',
    is_private: true,
    enable_internet: true,
    machine_shape: 'NvidiaTeslaT4',
  })
})
