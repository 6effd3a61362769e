import { describe, expect, it } from 'vitest'
import { baseNamed, catalogue, mountedModel } from '../../src/notebooks/catalogue.ts'
import { baseWarnings, chooseBase } from '../../src/notebooks/choose-base.ts'
import { type PlanOverrides, planFor } from '../../src/notebooks/plan.ts'

const facts = { targetSteps: 120, seed: 7, dataSha256: 'ab'.repeat(32) }
const trl = (overrides: PlanOverrides = {}) => planFor('trl', overrides, facts)
const official = 'mistralai/Mistral-7B-Instruct-v0.3'

describe('the catalogue of bases', () => {
  it('has for every download its whole commit, its licence and its size', () => {
    for (const base of catalogue.trl) {
      expect(base.revision).toMatch(/^[0-9a-f]{40}$/)
      expect(base.licence).not.toBe('')
      expect(base.sizeBytes).toBeGreaterThan(1e9)
    }
  })

  it('offers an open copy in nf4 first, and no warning stands against it', () => {
    expect(chooseBase(trl())).toMatchObject({ stored: 'nf4', gated: false })
    expect(baseWarnings(trl(), null)).toEqual([])
  })

  it('and the plan are the same for unsloth as for trl, but for the engine', () => {
    const plan = planFor('unsloth', {}, facts)
    expect({ ...plan, engine: 'trl' }).toEqual(trl())
    expect(chooseBase(plan)).toBe(chooseBase(trl()))
  })

  it('lends a plan the commit of its own base, another one only when told', () => {
    expect(trl().revision).toBe(catalogue.trl[0].revision)
    expect(trl({ base: official }).revision).toBe(baseNamed(official)?.revision)
    expect(trl({ base: official, revision: 'v1' }).revision).toBe('v1')
    expect(trl({ base: '/kaggle/input/mistral' }).revision).toBe('main')
    expect(planFor('dry', {}, facts).revision).toBe('1')
  })
})

describe('a base', () => {
  it.each([
    ['that nobody has looked at', trl({ base: 'meta-llama/Llama-3.1-8B' })],
    ['of another engine', trl({ base: 'dry/character-trigram' })],
    ['that is a folder, for the engine dry', planFor('dry', { base: '/models/x' }, facts)],
  ])('%s is refused, the known ones named', (_why, plan) => {
    expect(() => chooseBase(plan)).toThrowError(
      expect.objectContaining({
        kind: 'invalid',
        code: 'unknown_base',
        message: expect.stringContaining(plan.base),
        next: expect.stringContaining(catalogue[plan.engine][0].id),
      }),
    )
  })

  it('stored in nf4 is not trained in another form; the official one is in either', () => {
    expect(() => chooseBase(trl({ quantization: 'none' }))).toThrowError(
      expect.objectContaining({
        code: 'refused_base',
        message: expect.stringContaining('quantization'),
      }),
    )
    expect(chooseBase(trl({ base: official, quantization: 'none' }))?.id).toBe(official)
  })

  it('may be a folder of the session’s machine, with a warning', () => {
    const plan = trl({ base: '/kaggle/input/mistral' })
    expect(chooseBase(plan)).toBeUndefined()
    expect(baseWarnings(plan, null)).toEqual([
      expect.stringMatching(/nothing is known.*architecture/),
    ])
  })

  it('may be a model that Kaggle mounts, its version in its name, with a warning', () => {
    const plan = trl({ base: 'kaggle:mistral-ai/mistral/pytorch/7b-instruct-v0.1-hf/1' })
    expect(mountedModel(plan.base)).toEqual({
      platform: 'kaggle',
      source: 'mistral-ai/mistral/pytorch/7b-instruct-v0.1-hf/1',
      version: '1',
    })
    expect(plan.revision).toBe('1')
    expect(chooseBase(plan)).toBeUndefined()
    expect(baseWarnings(plan, null)).toEqual([expect.stringMatching(/only sessions at Kaggle/)])
  })

  it.each([
    'kaggle:mistral-ai/mistral/pytorch/7b-instruct-v0.1-hf', // without a version it is another model tomorrow
    'kaggle:mistral-ai/mistral',
    'kaggle:a/b/c/../1',
    'kaggle:a/b/c/d/1/e',
  ])('named %s is none that Kaggle could mount', (base) => {
    expect(mountedModel(base)).toBeUndefined()
    expect(() => chooseBase(trl({ base }))).toThrowError(
      expect.objectContaining({ next: expect.stringContaining('kaggle:OWNER/MODEL') }),
    )
  })

  it('taken at main is warned of', () => {
    expect(baseWarnings(trl({ revision: 'main' }), null)).toEqual([
      expect.stringMatching(/at main.*revision=COMMIT/),
    ])
  })

  it('behind a gate tells what each session downloads, and first why the run would wait', () => {
    const plan = trl({ base: official })
    const download = expect.stringMatching(/downloads 14\.5 GB/)
    expect(baseWarnings(plan, null)).toEqual([download])
    expect(baseWarnings(plan, 'no licence')).toEqual([
      expect.stringContaining('no licence'),
      download,
    ])
  })

  it('behind a gate is refused without a whole commit', () => {
    for (const revision of ['main', 'v1', 'c170c70'])
      expect(() => chooseBase(trl({ base: official, revision }))).toThrowError(
        expect.objectContaining({
          code: 'refused_base',
          message: expect.stringContaining(revision),
        }),
      )
  })
})
