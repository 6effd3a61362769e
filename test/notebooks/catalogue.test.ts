import { describe, expect, it } from 'vitest'
import { baseNamed, catalogue, mountedModel } from '../../src/notebooks/catalogue.ts'
import { baseWarnings, chooseBase } from '../../src/notebooks/choose-base.ts'
import { type PlanOverrides, planFor } from '../../src/notebooks/plan.ts'
import { targetsOf } from '../../src/notebooks/targets.ts'
import { templates } from './fixtures.ts'

const facts = { targetSteps: 120, seed: 7, dataSha256: 'ab'.repeat(32) }
const trl = (overrides: PlanOverrides = {}) => planFor('trl', overrides, facts)
const official = 'mistralai/Mistral-7B-Instruct-v0.3'

describe('the catalogue of bases', () => {
  it('has for every download its licence and size, and its whole commit but for two that warn', () => {
    const unpinned = catalogue.trl.filter(({ revision }) => !/^[0-9a-f]{40}$/.test(revision))
    expect(unpinned.map(({ id }) => id)).toEqual([
      'unsloth/Phi-3-mini-4k-instruct-bnb-4bit',
      'unsloth/gemma-7b-it-bnb-4bit',
    ])
    for (const { id } of unpinned) {
      expect(baseWarnings(trl({ base: id }), null)).toEqual([expect.stringMatching(/at main/)])
    }
    for (const base of catalogue.trl) {
      expect(base.licence).not.toBe('')
      expect(base.sizeBytes).toBeGreaterThan(1e9)
    }
  })

  it('has a model once with an open copy in nf4, and then once as its makers gave it out', () => {
    const forms = Map.groupBy(catalogue.trl, ({ model }) => model?.name)
    expect([...forms.values()].map((bases) => bases.map(({ stored }) => stored))).toEqual(
      Array.from({ length: 5 }, () => ['nf4', '16-bit']),
    )
    for (const [copy] of forms.values()) expect(copy?.gated).toBe(false)
  })

  it('knows the architectures and formats of the training program, no more and no less', () => {
    const program = templates.get('engines/trl/program/chat_templates.py') ?? ''
    const [, formats = ''] = /^FORMATS = \{(.*)\}$/m.exec(program) ?? []
    const architectures = [...formats.matchAll(/'(\w+)': /g)].map(([, name]) => name)
    expect(architectures.toSorted()).toEqual(Object.keys(targetsOf).toSorted())
    for (const { model } of catalogue.trl) {
      expect(program).toContain(` = Format('${model?.template}', `)
    }
  })

  it('trains the layers that a base has: those of Phi-3 are fused, in its open copy they are not', () => {
    const fused = ['qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj']
    expect(trl({ base: 'microsoft/Phi-3-mini-4k-instruct' }).targets).toEqual(fused)
    for (const { id, architecture } of catalogue.trl) {
      const { targets } = trl({ base: id })
      expect(targets.includes('q_proj')).toBe(architecture !== 'phi3')
      expect(chooseBase(trl({ base: id, targets: [...targets, 'lm_head'] }))?.id).toBe(id)
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
    ['of another engine', trl({ base: 'dry/character-trigram', targets: ['q_proj'] })],
    ['whose name no repository has', trl({ base: 'llama', targets: ['q_proj'] })],
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

  it('is not trained on layers that it does not have, nor on none', () => {
    for (const [base, targets, told] of [
      ['microsoft/Phi-3-mini-4k-instruct', ['q_proj', 'o_proj'], /no layer q_proj$/],
      ['unsloth/Phi-3-mini-4k-instruct-bnb-4bit', ['qkv_proj'], /no layer qkv_proj$/],
      [official, [], /nothing to train/],
    ] as const) {
      const plan = trl({ base, targets: [...targets] })
      expect(() => chooseBase(plan)).toThrowError(
        expect.objectContaining({ code: 'refused_base', message: expect.stringMatching(told) }),
      )
    }
  })

  it('is not given more than it reads', () => {
    const base = 'microsoft/Phi-3-mini-4k-instruct'
    expect(chooseBase(trl({ base, maxLength: 4096 }))?.id).toBe(base)
    expect(() => chooseBase(trl({ base, maxLength: 4097 }))).toThrowError(
      expect.objectContaining({
        message: expect.stringMatching(/maxLength.*4096 tokens/),
        next: expect.stringContaining('maxLength=4096'),
      }),
    )
  })

  it.each(['/models/mine', 'kaggle:mistral-ai/mistral/pytorch/7b-instruct-v0.1-hf/1'])(
    'that the catalogue does not have, such as %s, wants its layers named',
    (base) => {
      expect(() => chooseBase(trl({ base }))).toThrowError(
        expect.objectContaining({
          code: 'no_targets',
          next: expect.stringMatching(/--targets.*q_proj,k_proj.*qkv_proj/),
        }),
      )
      expect(chooseBase(trl({ base, targets: ['q_proj'] }))).toBeUndefined()
    },
  )

  it('may be a repository that nobody has looked at, with warnings', () => {
    const plan = trl({ base: 'someone/else-7b', targets: ['q_proj'] })
    expect(chooseBase(plan)).toBeUndefined()
    expect(baseWarnings(plan, null)).toEqual([
      expect.stringMatching(/nothing is known.*licence.*gemma/),
      expect.stringMatching(/at main/),
    ])
  })

  it('may be a folder of the session’s machine, with a warning', () => {
    const plan = trl({ base: '/kaggle/input/mistral', targets: ['q_proj'] })
    expect(chooseBase(plan)).toBeUndefined()
    expect(baseWarnings(plan, null)).toEqual([
      expect.stringMatching(/nothing is known.*architecture/),
    ])
  })

  it('may be a model that Kaggle mounts, its version in its name, with a warning', () => {
    const base = 'kaggle:mistral-ai/mistral/pytorch/7b-instruct-v0.1-hf/1'
    const plan = trl({ base, targets: ['q_proj'] })
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
    expect(() => chooseBase(trl({ base, targets: ['q_proj'] }))).toThrowError(
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
