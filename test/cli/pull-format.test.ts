import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type HubEmulator, startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { tinyAdapter } from '../artifacts/tiny-lora.ts'
import type { RunningService } from '../http/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { commandLine } from './command-line.ts'

const bases = {
  mistral: ['mistralai/Mistral-7B-Instruct-v0.3', '[INST]'],
  qwen: ['Qwen/Qwen2.5-7B-Instruct', '<|im_start|>'],
  own: ['ana/base', '[INST]'],
} as const

let place: ReturnType<typeof temporaryFolder>
let hub: HubEmulator
let box: string
let count = 0

beforeAll(async () => {
  place = temporaryFolder()
  const repositories = Object.entries(bases).map(([name, [base, mark]]) => {
    const adapter = tinyAdapter(name, {
      base,
      files: { 'chat_template.jinja': Buffer.from(`{{ '${mark}' }}`) },
    })
    const folder = join(place.path, 'models', name)
    mkdirSync(folder, { recursive: true })
    for (const [file, bytes] of [...adapter.files, ['manifest.json', adapter.manifest] as const]) {
      writeFileSync(join(folder, file), bytes)
    }
    return { id: `ana/${name}`, folder }
  })
  hub = await startHubEmulator({
    stateDir: join(place.path, 'state'),
    clock: systemClock,
    repositories,
  })
})
afterAll(async () => {
  await hub.close()
  place[Symbol.dispose]()
})
beforeEach(() => {
  count += 1
  box = join(place.path, `box-${count}`)
})

const nowhere = { url: 'http://127.0.0.1:1', adminToken: 'rz_none', folder: '/nowhere' }
const { run } = commandLine(() => nowhere as RunningService)
const pull = (name: keyof typeof bases, ...more: string[]) => {
  vi.stubEnv('RODIZIO_HUB_URL', hub.url)
  return run('pull', '--to', box, '--from', `hub:ana/${name}`, ...more)
}
const made = (path: string) => readFileSync(join(box, 'current', path), 'utf8')

/** A program in the place of llama.cpp's converter, so that what it is told is seen: no weights are converted. */
function converter(body: string): string {
  const folder = join(place.path, `llama-${count}`)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'convert_lora_to_gguf.py')
  writeFileSync(
    path,
    `import sys\nargs = sys.argv[1:]\nout = args[args.index('--outfile') + 1]\n${body}`,
  )
  chmodSync(path, 0o644)
  return folder
}

describe('a pull for Ollama', () => {
  it('writes a Modelfile beside the version before current leads to it', async () => {
    const log = join(place.path, 'log')
    const exec = `cp "$RODIZIO_VERSION_DIR/ollama/Modelfile" ${log}`
    const { err, status } = await pull('mistral', '--format', 'ollama', '--exec', exec)
    expect([status, err]).toEqual([0, ''])
    expect(readFileSync(log, 'utf8')).toMatch(
      /^# Adapter [0-9a-f]{12}, trained on mistralai\/Mistral-7B-Instruct-v0\.3\.\nFROM mistral:7b-instruct\nADAPTER "\/.*\/versions\/[0-9a-f]{12}\/ollama\/adapter"\nTEMPLATE """.*"""\nPARAMETER stop "<\/s>"\n$/,
    )
    expect((await pull('mistral')).out).toContain('is there already')
  })

  it('adds it to a version that is there already', async () => {
    await pull('mistral')
    expect(existsSync(join(box, 'current/ollama'))).toBe(false)
    expect((await pull('mistral', '--format', 'ollama')).out).toContain('is there already')
    expect(made('ollama/Modelfile')).toContain('FROM mistral')
  })

  it('builds upon what a person names, and wants it for a base that the library is not known to have', async () => {
    const { err, status } = await pull('own', '--format', 'ollama')
    expect(status).not.toBe(0)
    expect(err).toContain('under what name Ollama has the base ana/base is not known')
    expect(err).toContain('--ollama-from NAME')
    expect(existsSync(join(box, 'current'))).toBe(false)
    await pull('own', '--format', 'ollama', '--ollama-from', '/models/base.gguf')
    expect(made('ollama/Modelfile')).toContain('\nFROM /models/base.gguf\n')
    const odd = await pull('own', '--format', 'ollama', '--ollama-from', 'x\nSYSTEM y')
    expect(odd.err).toContain('is no name of a model')
  })

  it('says what to do where Ollama reads no such adapter', async () => {
    const { err } = await pull('qwen', '--format', 'ollama')
    expect(err).toContain('Ollama reads no adapter of a model of the format ChatML')
    expect(err).toContain('--format gguf')
  })
})

describe('a pull for llama.cpp', () => {
  it('has the converter make one file, once, and a Modelfile for it', async () => {
    const body = `open(out, 'wb').write(b'GGUF' + ' '.join(args).encode())`
    const from = ['--format', 'gguf', '--llama-cpp', converter(body)]
    const { err, status } = await pull('qwen', ...from)
    expect([status, err]).toEqual([0, ''])
    const told = made('gguf/adapter.gguf')
    expect(told).toMatch(
      /^GGUF--outtype f16 --outfile .*\/\.fetching\/.* --base-model-id Qwen\/Qwen2\.5-7B-Instruct /,
    )
    expect(told).toContain(`/versions/${readlinkSync(join(box, 'current')).split('/')[1]}`)
    expect(made('gguf/Modelfile')).toMatch(/ADAPTER ".*\/gguf\/adapter\.gguf"\nTEMPLATE/)
    await pull('qwen', ...from)
    expect(made('gguf/adapter.gguf')).toBe(told)
  })

  it('reads the base from a folder where it is told one', async () => {
    const body = `open(out, 'wb').write(b'GGUF' + ' '.join(args).encode())`
    await pull(
      'own',
      '--format',
      'gguf',
      '--llama-cpp',
      converter(body),
      '--base-folder',
      '/models/base',
    )
    expect(made('gguf/adapter.gguf')).toContain('--base /models/base')
    expect(existsSync(join(box, 'current/gguf/Modelfile'))).toBe(false)
  })

  it.each([
    ['fails', `sys.exit('no such architecture')`, 'no such architecture'],
    ['leaves something else', `open(out, 'w').write('html')`, 'is no GGUF file'],
  ])('goes on serving what it had when the converter %s', async (_how, body, words) => {
    const { err, status } = await pull(
      'mistral',
      '--format',
      'gguf',
      '--llama-cpp',
      converter(body),
    )
    expect(status).not.toBe(0)
    expect(err).toContain(words)
    expect(existsSync(join(box, 'current'))).toBe(false)
    expect((await pull('mistral')).status).toBe(0)
    expect(existsSync(join(box, 'current/gguf'))).toBe(false)
  })

  it('says what is missing where there is no converter', async () => {
    const { err } = await pull('mistral', '--format', 'gguf', '--llama-cpp', '/nowhere')
    expect(err).toContain("llama.cpp's convert_lora_to_gguf.py is not in /nowhere")
    expect((await pull('mistral', '--format', 'onnx')).err).toContain('--format onnx is none')
  })
})
