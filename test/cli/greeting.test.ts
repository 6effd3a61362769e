import { expect, it } from 'vitest'
import { greeting, whereNext } from '../../src/cli/greeting.ts'

const service = {
  url: 'http://127.0.0.1:1',
  dataDir: '/data',
  tunnel: undefined,
  token: { made: false, token: 'rz_x' },
  mailTo: null,
  emulated: true,
  withGoogle: true,
  real: undefined,
}
const pythons = { kaggle: '/k/python', colab: '/c/python', local: '/c/python' }
const real = { run: 'real', base: '/data/tiny-base', pythons, isThere: false, joins: false }
const said = (changes: Partial<typeof real>) =>
  greeting({ ...service, real: { ...real, ...changes } }).join('\n')

it('says of the rehearsal that it is one, and nothing of real training', () => {
  const text = greeting(service).join('\n')
  expect(text).toContain('engine "dry"')
  expect(text).toContain('no adapter')
  expect(text).not.toContain('LoRA')
})

it('says of real training what is real, and that the model is not', () => {
  const text = said({})
  expect(text).toMatch(/Real: .*"trl":\n.*4-bit LoRA by transformers, peft, trl and bitsandbytes/)
  expect(text).toMatch(/Not real: the model.*toy size.*\/data\/tiny-base/)
  expect(text).toContain('No GPU is needed')
  expect(text).toContain('those at Colab on the versions of Colab')
  expect(text).not.toContain('"dry"')
  const same = { ...pythons, kaggle: pythons.colab }
  expect(said({ pythons: same })).toContain('all sessions in /c/python')
})

it.each([
  [{}, 'The run "real" begins now: '],
  [{ joins: true }, 'The run "real" begins now, beside the runs that are there: '],
  [{ joins: true, isThere: true }, 'The run "real" is there already and nothing new is begun'],
])('says whether anything is begun: %j', (changes, words) => {
  expect(said(changes)).toContain(words)
})

it('names the run and what it was at the end of a sample', () => {
  expect(whereNext({ run: 'real', engine: 'trl' })).toMatch(/real 4-bit LoRA.*train show real /s)
  expect(whereNext({ run: 'sample', engine: 'dry' })).not.toContain('LoRA')
})
