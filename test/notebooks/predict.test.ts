import { describe, expect, it } from 'vitest'
import { catalogue } from '../../src/notebooks/catalogue.ts'
import { tokensPerRow } from '../../src/notebooks/figures.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { type PlanOverrides, planFor } from '../../src/notebooks/plan.ts'
import { leastGpuGb, predict } from '../../src/notebooks/predict.ts'
import { recipeOf, sourcesOf, templates } from './fixtures.ts'

const facts = { targetSteps: 500, seed: 7, dataSha256: 'ab'.repeat(32) }
const work = { row: { tokens: 300, source: 'counted' }, sessionHours: 8.5, sessionSteps: null }
const trl = (overrides: PlanOverrides = {}) => predict(planFor('trl', overrides, facts), work)

describe('predictions', () => {
  it('tell the hours of the reference: 500 steps of 300 tokens a row are 8.9 h, two sessions', () => {
    expect(trl()).toMatchObject({
      speed: { low: 75, likely: 150, high: 225, unit: 'tokens/s' },
      hours: { likely: 8.89, unit: 'h', text: '8.9 h for 500 steps (5.9 h to 18 h)' },
      sessions: { low: 1, likely: 2, high: 3, text: '2 of 8.5 h (1 to 3)' },
    })
  })

  it('tell minutes where hours are few, and at least the sessions that hand over', () => {
    const plan = planFor('trl', {}, { ...facts, targetSteps: 5 })
    const smoke = { ...work, sessionHours: 0.5, sessionSteps: 3 }
    expect(predict(plan, smoke)).toMatchObject({
      hours: { likely: 0.09, text: '6 min for 5 steps (4 min to 11 min)' },
      sessions: { low: 2, likely: 2, high: 2, text: '2 of 30 min (2 to 2)' },
    })
  })

  it.each([
    ['as the reference has it', {}, 8.1, 9.5],
    ['with the batch', { batchSize: 4 }, 11.2, 13.1], // about 12 GB there
    ['not with the accumulation', { accumulation: 64 }, 8.1, 9.5],
    ['with the rank', { loraRank: 64 }, 9.4, 10.9],
    ['with weights in 16 bit', { quantization: 'none' as const }, 18.5, 21.6],
  ])('tell memory %s', (_why, overrides, low, high) => {
    expect(trl(overrides).memory).toMatchObject({ low, high, unit: 'GB' })
  })

  // The least is what is counted and what the logits take: 14 bytes for each token and piece of the vocabulary.
  it.each([
    ['unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit', 2, 15, 17.5, 142],
    ['unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit', 1, 10.7, 12.6, 142],
    ['unsloth/Qwen2.5-7B-Instruct-bnb-4bit', 1, 11.1, 13, 151],
    ['microsoft/Phi-3-mini-4k-instruct', 2, 5.6, 6.5, 287],
    ['unsloth/gemma-7b-it-bnb-4bit', 1, 14.2, 16.6, 125],
  ])(
    'tell memory and speed of %s by its own shapes, at batch %i',
    (base, batch, low, high, speed) => {
      const told = trl({ base, batchSize: batch })
      expect(told.memory).toMatchObject({ low, high })
      expect(told.speed).toMatchObject({
        likely: speed,
        source: expect.stringMatching(/of Mistral 7B/),
      })
    },
  )

  it('tell the least GPU of a base, in whatever form it is stored', () => {
    const least = catalogue.trl.map((base) => [base.model?.name.split(' ')[0], leastGpuGb(base)])
    expect(Object.fromEntries(least)).toEqual({
      Mistral: 8,
      Llama: 13,
      'Qwen2.5': 13,
      'Phi-3': 5,
      Gemma: 17,
    })
    expect(new Set(least.map((pair) => pair.join(' '))).size).toBe(5)
    expect(leastGpuGb(catalogue.dry[0])).toBeNull()
  })

  it('tell of unsloth what the reference has: 280 tokens a second, 6 to 6.5 GB', () => {
    const unsloth = predict(planFor('unsloth', {}, facts), work)
    expect(unsloth).toMatchObject({
      speed: { low: 140, likely: 280, high: 420 },
      memory: { low: 6, high: 6.5 },
      hours: { likely: 4.76, text: '4.8 h for 500 steps (3.2 h to 9.5 h)' },
    })
    for (const { source } of [unsloth.speed, unsloth.memory]) expect(source).toMatch(/estimate/)
  })

  it('name a source for every figure', () => {
    const { uses, ...figures } = trl()
    expect(uses).toContain('nf4')
    for (const { source } of Object.values(figures)) expect(source.length).toBeGreaterThan(20)
    expect(figures.hours.source).toContain('counted')
  })

  it.each([
    ['the engine dry', predict(planFor('dry', {}, facts), work)],
    ['a base that nobody has looked at', trl({ base: '/models/tiny' })],
  ])('have no number for %s, and say so', (_why, { memory, speed, hours, sessions }) => {
    for (const figure of [memory, speed, hours, sessions]) {
      expect(figure).toMatchObject({ low: null, likely: null, high: null })
      expect(figure.source).toContain('none')
    }
  })

  it('stand in the first cell, each with its source', () => {
    const recipe = recipeOf('trl')
    const [header] = sourcesOf(renderNotebook(recipe, templates))
    const { uses, ...figures } = recipe.predictions
    expect(header?.source).toContain(uses)
    for (const { text, source } of Object.values(figures)) {
      expect(header?.source).toContain(`| ${text} | ${source} |`)
    }
  })
})

describe('tokens of a row', () => {
  it('follow from bytes a row, and are never more than maxLength nor less than one', () => {
    const rows = 10
    expect(tokensPerRow({ rows, bytes: rows * (80 + 350) }, 2048)).toMatchObject({ tokens: 100 })
    expect(tokensPerRow({ rows, bytes: 1e6 }, 2048)).toMatchObject({ tokens: 2048 })
    expect(tokensPerRow({ rows, bytes: 10 }, 2048)).toMatchObject({ tokens: 1 })
    expect(tokensPerRow({ rows: 0, bytes: 0 }, 2048)).toMatchObject({ tokens: 1 })
  })
})
