import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { catalogue } from '../../src/notebooks/catalogue.ts'
import { checkNotebook } from '../../src/notebooks/check.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { predictServing } from '../../src/notebooks/predict-serving.ts'
import { Recipe } from '../../src/notebooks/recipe.ts'
import { mostSeconds, usualSeconds } from '../../src/notebooks/serving-time.ts'
import { cellTags } from '../../src/notebooks/tags.ts'
import { servingOf, sourcesOf, templates } from './fixtures.ts'

const file = {
  name: 'manifest.json',
  url: 'https://files.example/m',
  bytes: 9,
  sha256: 'a'.repeat(64),
}
const facts = {
  run: 'run_1',
  step: 60,
  base: catalogue.trl[0].id,
  revision: 'c1',
  quantization: 'nf4' as const,
  loraRank: 16,
}
const rendered = (...of: Parameters<typeof servingOf>) =>
  sourcesOf(renderNotebook(servingOf(...of), templates))
const headerOf = (...of: Parameters<typeof servingOf>) => rendered(...of)[0]?.source ?? ''

/** What Python makes of the parameters cell. */
function parametersOf(...of: Parameters<typeof servingOf>): Record<string, unknown> {
  const cell = rendered(...of).find(({ tags }) => tags.includes('parameters'))
  const python =
    'import json,sys\nmade = {}\nexec(sys.stdin.read(), {}, made)\nprint(json.dumps(made))'
  return JSON.parse(
    spawnSync('python3', ['-c', python], { input: cell?.source ?? '' }).stdout.toString(),
  )
}

describe('a serving recipe', () => {
  it.each([
    ['a hash that is none', { adapterSha256: 'A'.repeat(64) }],
    ['the key in place of its hash', { keySha256: `rzk_${'k'.repeat(43)}` }],
    ['a tunnel that nobody knows', { tunnel: 'ngrok' }],
    ['no time at all', { seconds: 1 }],
    ['files without a manifest', { source: { kind: 'files', files: [{ ...file, name: 'a' }] } }],
    ['two files of one name', { source: { kind: 'files', files: [file, file] } }],
    [
      'a file outside its folder',
      { source: { kind: 'files', files: [{ ...file, name: '../m' }] } },
    ],
    [
      'an address that is none',
      { source: { kind: 'files', files: [{ ...file, url: 'file:///m' }] } },
    ],
    ['what belongs to training', { ticket: 'rzt_x' }],
  ])('is refused for %s', (_why, change) => {
    expect(Recipe.safeParse(servingOf('local')).success).toBe(true)
    expect(Recipe.safeParse({ ...servingOf('local'), ...change }).success).toBe(false)
  })

  it('ends below the limit of its provider', () => {
    expect(usualSeconds.kaggle).toBeLessThan(9 * 3600)
    expect(usualSeconds.colab).toBeLessThan(12 * 3600)
    for (const provider of ['kaggle', 'colab', 'local'] as const) {
      expect(usualSeconds[provider]).toBeLessThanOrEqual(mostSeconds[provider])
    }
  })
})

describe('a serving notebook', () => {
  it('has its own tags in their order, and those of training are not its', () => {
    expect(rendered('kaggle').flatMap(({ tags }) => tags)).toEqual([...cellTags.serve])
    const text = renderNotebook(servingOf('kaggle'), templates)
    const moved = JSON.parse(text)
    moved.cells.push(...moved.cells.splice(3, 1))
    for (const broken of [JSON.stringify(moved), text.replaceAll('"tunnel"', '"train"')]) {
      expect(checkNotebook(broken)).toContainEqual(
        expect.objectContaining({ message: expect.stringContaining('the tags are') }),
      )
    }
  })

  it('gives Python the parameters of its recipe', () => {
    expect(parametersOf('kaggle')).toMatchObject({
      PROVIDER: 'kaggle',
      ADAPTER_DIR: '/kaggle/input/rodizio-adapter',
      ADAPTER_FILES: '',
      SECONDS: 30_600,
      TUNNEL: '',
      REQUIRE_GPU: true,
    })
    const nasty = { ...file, url: "https://files.example/a'b\\u0041?x=%27é" }
    const given = parametersOf('local', { source: { kind: 'files', files: [nasty] } })
    expect(JSON.parse(String(given.ADAPTER_FILES))).toEqual([nasty])
    expect(given).toMatchObject({ ADAPTER_DIR: '', REQUIRE_GPU: false })
  })

  it('refuses a CPU at Kaggle and at Colab alone', () => {
    expect(parametersOf('colab').REQUIRE_GPU).toBe(true)
    expect(parametersOf('local').REQUIRE_GPU).toBe(false)
  })

  it('carries the server and its own programs as they are in their templates', () => {
    const install = rendered('local').find(({ tags }) => tags.includes('install'))?.source ?? ''
    const carried = [...templates].filter(([path]) => /^serv(?:e|ing)\//.test(path))
    expect(carried.length).toBeGreaterThan(18)
    for (const [path, text] of carried) expect(install.includes(text), path).toBe(true)
    for (const path of ['session/wire.py', 'session/downloads.py']) {
      expect(install.includes(templates.get(path) ?? 'missing'), path).toBe(true)
    }
    expect(install).not.toContain('session/agent.py')
  })

  it('says what it serves, what that takes, and that no GPU has seen it', () => {
    const header = headerOf('kaggle')
    expect(header).toContain(catalogue.trl[0].id)
    expect(header).toContain('run_example, step 500')
    expect(header).toContain('never been executed on a GPU')
    expect(header).toContain('about 5.8 GB')
    expect(header).toContain('8.5 h, then it ends by itself')
    expect(header).toContain('reached through the service instead')
    expect(headerOf('local', { facts: null })).toContain('(its manifest says which)')
  })

  it('states the rules on serving where it runs, with the source that has them', () => {
    expect(headerOf('colab')).toMatch(/FAQ forbids.*web services.*remote proxies.*faq\.html/)
    expect(headerOf('colab')).toContain('Choose another place')
    expect(headerOf('kaggle')).toContain('GPU hour')
    expect(headerOf('local')).toContain('nobody’s rules')
  })

  it('is on the open net only when asked', () => {
    expect(headerOf('local')).toContain('127.0.0.1')
    expect(headerOf('local', { tunnel: 'cloudflared' })).toContain('on the open net')
  })

  it('is found out when a key stands in it', () => {
    const text = renderNotebook(servingOf('local'), templates)
    const leaked = text.replace(
      /SERVE_KEY_SHA256 = '0+'/,
      `SERVE_KEY_SHA256 = 'rzk_${'a'.repeat(43)}'`,
    )
    expect(checkNotebook(text)).toEqual([])
    expect(checkNotebook(leaked).map(({ message }) => message)).toEqual([
      'it holds what looks like a secret',
    ])
  })
})

describe('what serving will take', () => {
  it('is for a 7B base in nf4 about 5.5 GB, and 0.131 MB more a token', () => {
    const { memory, start, hours } = predictServing(facts, 7200)
    expect(memory).toMatchObject({ low: 5, likely: 5.8, high: 6.7, unit: 'GB' })
    expect(memory.text).toContain('0.131 MB more for each further token')
    expect(start).toMatchObject({ low: 180, likely: 300, high: 600, unit: 's' })
    expect(hours).toMatchObject({ high: 2, text: expect.stringContaining('2 h') })
  })

  it('grows with weights in 16 bit beyond a T4, and a little with the rank', () => {
    const whole = predictServing({ ...facts, quantization: 'none' }, 60).memory
    expect(whole.high).toBeGreaterThan(15.8)
    expect(predictServing({ ...facts, loraRank: 64 }, 60).memory.likely).toBe(6.3)
  })

  it.each([
    ['a base that nobody has looked at', { ...facts, base: '/models/tiny' }, /catalogue/],
    ['a manifest that is elsewhere', null, /not at hand/],
  ])('has no number for %s, and says so', (_why, known, source) => {
    const { memory, start } = predictServing(known, 60)
    expect(memory).toMatchObject({ likely: null, source: expect.stringMatching(source) })
    expect(start.likely).toBeNull()
  })
})
