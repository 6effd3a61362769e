import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { modelfile, ollamaFormatOf } from '../../src/artifacts/modelfile.ts'
import { startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { loraTensors, safetensors, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { execute, program, projectRoot } from '../e2e/service.ts'

/** Ollama's own parser and templates are a module of Go. */
const go = ['go', '/usr/local/go/bin/go'].find((name) => spawnSync(name, ['version']).status === 0)
if (go === undefined) {
  process.stderr.write('go is not on the path: what Ollama’s own parser says is not asked\n')
}
const python = join(projectRoot, '.venvs/clients/bin/python')

const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const conversations = [
  [user('Quanto é 2 mais 2?')],
  [{ role: 'system', content: 'Answer in one word.' }, user('And 3 plus 3?')],
  [
    { role: 'system', content: 'Seja breve.\nSempre.' },
    user('Olá "você" {{ .Content }}'),
    assistant('Olá!'),
    user('E\n\nagora?'),
  ],
]

let place: string
let reads: (path: string) => {
  readonly from: string
  readonly adapters: Readonly<Record<string, string>> | null
  readonly stop: readonly string[]
  readonly prompts: readonly string[]
}
let formats: Readonly<Record<string, { readonly template: string; readonly prompts: string[] }>>

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'rodizio-ollama-'))
  if (go === undefined) return
  const parser = join(place, 'read-modelfile')
  const built = spawnSync(go, ['build', '-mod=readonly', '-o', parser, '.'], {
    cwd: join(import.meta.dirname, 'modelfile'),
    encoding: 'utf8',
  })
  expect(built.stderr + built.stdout, 'go build').not.toContain('cannot')
  expect(built.status, built.stderr).toBe(0)
  reads = (path) => {
    const input = JSON.stringify({ modelfile: path, conversations })
    const ran = spawnSync(parser, [], { input, encoding: 'utf8' })
    expect(ran.stderr).toBe('')
    return JSON.parse(ran.stdout)
  }
  const script = join(import.meta.dirname, 'render_prompts.py')
  const ran = spawnSync(python, [script], {
    input: JSON.stringify(conversations),
    encoding: 'utf8',
  })
  expect(ran.status, ran.stderr).toBe(0)
  formats = JSON.parse(ran.stdout)
}, 240_000)
afterAll(() => rmSync(place, { recursive: true, force: true }))

it.runIf(go)(
  'Ollama’s own parser takes a pulled version, its weights under a name that it looks for',
  async () => {
    const weights = safetensors(loraTensors(), 5)
    const base = 'mistralai/Mistral-7B-Instruct-v0.3'
    const tokenizer = JSON.stringify({ chat_template: formats.Mistral?.template })
    const adapter = tinyAdapter('one', {
      base,
      files: {
        'adapter_model.safetensors': weights,
        'tokenizer_config.json': Buffer.from(tokenizer),
      },
    })
    const folder = join(place, 'models/ana/house')
    mkdirSync(folder, { recursive: true })
    for (const [name, bytes] of [...adapter.files, ['manifest.json', adapter.manifest] as const]) {
      writeFileSync(join(folder, name), bytes)
    }
    const hub = await startHubEmulator({
      stateDir: join(place, 'hub'),
      clock: systemClock,
      repositories: [{ id: 'ana/house', folder }],
    })
    try {
      const to = join(place, 'a box')
      const env = { PATH: process.env.PATH ?? '', HOME: place, RODIZIO_HUB_URL: hub.url }
      const args = ['pull', '--to', to, '--from', 'hub:ana/house', '--format', 'ollama']
      const { code, err } = await execute(process.execPath, [program, ...args], env)
      expect([code, err]).toEqual([0, ''])
      const { from, adapters, stop, prompts } = reads(join(to, 'current/ollama/Modelfile'))
      expect(from).toBe('mistral:7b-instruct')
      const digest = `sha256:${createHash('sha256').update(weights).digest('hex')}`
      const files = Object.entries(adapters ?? {}).map(([path, sum]) => [
        path.split('/').at(-1),
        sum,
      ])
      expect(files.toSorted()).toEqual([
        ['adapter_config.json', expect.stringMatching(/^sha256:/)],
        ['model.safetensors', digest],
      ])
      expect(stop).toEqual(['</s>'])
      expect(prompts).toEqual(formats.Mistral?.prompts)
      // The version is what it was: nothing is fetched again because of what was made of it.
      const again = await execute(process.execPath, [program, ...args], env)
      expect(again.out).toContain('is there already')
      expect(readFileSync(join(to, 'current/adapter_model.safetensors')).equals(weights)).toBe(true)
    } finally {
      await hub.close()
    }
  },
  60_000,
)

it.runIf(go)('Ollama renders each format as it was trained', () => {
  expect(Object.keys(formats).toSorted()).toEqual([
    'ChatML',
    'Gemma',
    'Llama 3',
    'Mistral',
    'Phi-3',
  ])
  for (const [name, { template, prompts }] of Object.entries(formats)) {
    const format = ollamaFormatOf(template) ?? null
    expect(format?.name).toBe(name)
    const path = join(place, `Modelfile-${name.replaceAll(' ', '-')}`)
    writeFileSync(join(place, 'adapter.gguf'), 'GGUF')
    const adapter = join(place, 'adapter.gguf')
    const given = { version: 'v1', base: 'x/y', from: 'some:model', adapter }
    writeFileSync(path, modelfile({ ...given, format }))
    const read = reads(path)
    expect(read.prompts, name).toEqual(prompts)
    expect(read.stop, name).toEqual([format?.stop])
  }
})
