import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { catalogue } from '../../src/notebooks/catalogue.ts'
import { checkNotebook } from '../../src/notebooks/check.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { predictEvaluation } from '../../src/notebooks/predict-evaluation.ts'
import { predictServing } from '../../src/notebooks/predict-serving.ts'
import { Recipe } from '../../src/notebooks/recipe.ts'
import { cellTags } from '../../src/notebooks/tags.ts'
import { evaluatingOf, sourcesOf, templates } from './fixtures.ts'

const rendered = (...of: Parameters<typeof evaluatingOf>) =>
  sourcesOf(renderNotebook(evaluatingOf(...of), templates))
const headerOf = (...of: Parameters<typeof evaluatingOf>) => rendered(...of)[0]?.source ?? ''

/** What Python makes of the parameters cell. */
function parametersOf(...of: Parameters<typeof evaluatingOf>): Record<string, unknown> {
  const cell = rendered(...of).find(({ tags }) => tags.includes('parameters'))
  const python =
    'import json,sys\nmade = {}\nexec(sys.stdin.read(), {}, made)\nprint(json.dumps(made))'
  return JSON.parse(
    spawnSync('python3', ['-c', python], { input: cell?.source ?? '' }).stdout.toString(),
  )
}

const file = {
  name: 'held-out.jsonl',
  url: 'https://x.example/h',
  bytes: 9,
  sha256: 'b'.repeat(64),
}
const adapterFile = { ...file, name: 'manifest.json' }
const facts = {
  run: 'run_1',
  step: 60,
  base: catalogue.trl[0].id,
  revision: 'c1',
  quantization: 'nf4' as const,
  loraRank: 16,
}

describe('an evaluating recipe', () => {
  it.each([
    ['data that is nowhere', { data: { kind: 'file', path: '', sha256: null } }],
    ['two files of data', { data: { kind: 'files', files: [file, file] } }],
    ['a current adapter without a hash', { current: { source: { kind: 'folder', path: '/a' } } }],
    ['no time at all', { seconds: 1 }],
    ['what belongs to serving', { tunnel: '' }],
  ])('is refused for %s', (_why, change) => {
    expect(Recipe.safeParse(evaluatingOf('local')).success).toBe(true)
    expect(Recipe.safeParse({ ...evaluatingOf('local'), ...change }).success).toBe(false)
  })
})

describe('an evaluating notebook', () => {
  it('has its own tags in their order, and passes its own check', () => {
    for (const provider of ['kaggle', 'colab', 'local'] as const) {
      expect(rendered(provider).flatMap(({ tags }) => tags)).toEqual([...cellTags.evaluate])
      expect(checkNotebook(renderNotebook(evaluatingOf(provider), templates))).toEqual([])
    }
  })

  it('gives Python the parameters of its recipe', () => {
    expect(parametersOf('kaggle')).toEqual({
      PROVIDER: 'kaggle',
      CANDIDATE_DIR: '/kaggle/input/rodizio-candidate',
      CANDIDATE_FILES: '',
      CANDIDATE_SHA256: '0'.repeat(64),
      CURRENT_DIR: '/kaggle/input/rodizio-current',
      CURRENT_FILES: '',
      CURRENT_SHA256: '0'.repeat(64),
      DATA: '/kaggle/input/rodizio-held-out/held-out.jsonl',
      DATA_FILES: '',
      DATA_SHA256: '',
      ROWS: 64,
      BASE_MODEL: '',
      SECONDS: 7200,
      REQUIRE_GPU: true,
    })
    const fetched = parametersOf('local', {
      candidate: {
        source: { kind: 'files', files: [adapterFile] },
        sha256: 'b'.repeat(64),
        facts: null,
      },
      current: null,
      data: { kind: 'files', files: [file] },
    })
    expect(fetched).toMatchObject({ CANDIDATE_DIR: '', CURRENT_SHA256: '', REQUIRE_GPU: false })
    expect(JSON.parse(String(fetched.CANDIDATE_FILES))).toEqual([adapterFile])
    expect(JSON.parse(String(fetched.DATA_FILES))).toEqual([file])
    const known = { kind: 'file' as const, path: 'a', sha256: 'c'.repeat(64) }
    expect(parametersOf('local', { data: known }).DATA_SHA256).toBe('c'.repeat(64))
  })

  it('carries the very parts by which a training judges, and what serving finds adapters with', () => {
    const all = rendered('local')
      .map(({ source }) => source)
      .join('\n')
    const carried = [...templates].filter(([path]) =>
      /^(?:evaluating\/|engines\/trl\/program\/)/.test(path),
    )
    expect(carried.length).toBeGreaterThan(15)
    const more = ['engines/harness.py', 'engines/trl/judge.py', 'serving/adapter_source.py']
    for (const path of [...carried.map(([name]) => name), ...more]) {
      const text = templates.get(path)?.replace(/ {2}# noqa: [A-Z0-9]+$/gm, '') ?? 'missing'
      expect(all.includes(text), path).toBe(true)
    }
    expect(all).not.toContain(templates.get('serving/server.py'))
  })

  it('says what it compares, from where, and that no GPU has seen it', () => {
    const header = headerOf('kaggle')
    expect(header).toMatch(/candidate \*\*run_example, step 500.*current adapter \*\*run_example/)
    expect(header).toContain('/kaggle/input/rodizio-candidate and in /kaggle/input/rodizio-current')
    expect(header).toContain('never been executed on a GPU')
    expect(header).toContain('Without a GPU it ends at once.')
    expect(header).toContain('2 h at the most')
    const alone = headerOf('local', { current: null, data: { kind: 'files', files: [file] } })
    expect(alone).toContain('with its base alone')
    expect(alone).toContain('fetched by their address')
    expect(alone).not.toContain('https://')
  })
})

describe('what a comparison will take', () => {
  it('is what serving does, with eight prompts at once and another adapter', () => {
    const served = predictServing(facts, 60).memory
    const [one, two] = ([1, 2] as const).map((n) => predictEvaluation(facts, n, 3600).memory)
    expect((one?.likely ?? 0) - (served.likely ?? 0)).toBeCloseTo(0.87, 0) // 6656 tokens more
    expect(one).toMatchObject({ low: 5.8, likely: 6.6, high: 7.8 })
    expect(two?.likely).toBe(6.8)
    expect(two?.high).toBeLessThan(15.8)
  })

  it('has no number for a base that nobody has looked at, and never one for how long it takes', () => {
    const { memory, hours } = predictEvaluation({ ...facts, base: '/models/tiny' }, 1, 3600)
    expect(memory).toMatchObject({ likely: null, source: expect.stringContaining('none') })
    expect(hours).toMatchObject({ likely: null, high: 1 })
  })
})
