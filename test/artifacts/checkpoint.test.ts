import { describe, expect, it } from 'vitest'
import { FileName, readManifest } from '../../src/artifacts/checkpoint.ts'
import { sha256Hex } from '../../src/lib/random.ts'

const file = { name: 'weights.bin', bytes: 3, sha256: 'a'.repeat(64) }
const expected = {
  kind: 'checkpoint',
  runId: 'run_one',
  sessionId: 'ses_1',
  generation: 2,
  step: 40,
  plan: { engine: 'dry', seed: 7, targets: ['a', 'b'], nested: { x: 1, y: 2 } },
  files: [file, { ...file, name: 'rng.json' }],
} as const

const manifest = {
  format: 1,
  kind: 'checkpoint',
  run: 'run_one',
  session: 'ses_1',
  generation: 2,
  step: 40,
  targetSteps: 100,
  epoch: 0.4,
  engine: 'dry',
  label: 'dry',
  plan: { seed: 7, engine: 'dry', nested: { y: 2, x: 1 }, targets: ['a', 'b'], more: true },
  env: {},
  metrics: { loss: 2.5 },
  files: [{ ...file, name: 'rng.json' }, file],
}
const read = (changes: object) => {
  const text = `${JSON.stringify({ ...manifest, ...changes })}\n`
  return readManifest(text, sha256Hex(text), expected)
}

describe('a manifest', () => {
  it('is accepted when it says what was announced, in any order of keys and files', () => {
    expect(read({})).toMatchObject({ step: 40, metrics: { loss: 2.5 } })
  })

  it.each([
    ['another kind', { kind: 'artifact' }, 'kind is artifact, not checkpoint'],
    ['another run', { run: 'run_two' }, 'run is run_two, not run_one'],
    ['another session', { session: 'ses_9' }, 'session is ses_9, not ses_1'],
    ['a stale generation', { generation: 1 }, 'generation is 1, not 2'],
    ['another step', { step: 41 }, 'step is 41, not 40'],
    ['another format', { format: 2 }, 'format'],
    ['another plan', { plan: { ...manifest.plan, seed: 8 } }, "plan.seed differs from the run's"],
    ['a plan with a field missing', { plan: { engine: 'dry' } }, 'plan.seed differs'],
    [
      'another order in a list',
      { plan: { ...manifest.plan, targets: ['b', 'a'] } },
      'plan.targets',
    ],
    ['a file missing', { files: [file] }, 'its files are not those'],
    ['a file of another size', { files: [manifest.files[0], { ...file, bytes: 4 }] }, 'its files'],
    ['no files', { files: [] }, 'files'],
    ['a file that leaves its folder', { files: [{ ...file, name: '../x' }] }, 'files.0.name'],
    ['no metrics', { metrics: undefined }, 'metrics'],
  ])('is refused with %s, and the refusal names it', (_why, changes, message) => {
    expect(() => read(changes)).toThrow(message)
    expect(() => read(changes)).toThrow('the manifest was refused')
  })

  it('is refused when its text is not the announced one, or no JSON', () => {
    expect(() => readManifest('{}', sha256Hex('{} '), expected)).toThrow('announced hash')
    expect(() => readManifest('{', sha256Hex('{'), expected)).toThrow('not JSON')
  })
})

it.each([
  ['weights.bin', true],
  ['a', true],
  ['a'.repeat(100), true],
  ['a'.repeat(101), false],
  ['manifest.json', false],
  ['', false],
  ['.hidden', false],
  ['..', false],
  ['a/b', false],
  ['a\\b', false],
  ['ü', false],
  ['a\n', false],
])('a session may name a file %j: %s', (name, allowed) => {
  expect(FileName.safeParse(name).success).toBe(allowed)
})
