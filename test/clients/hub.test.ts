import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { freshHub } from '../emulators/hub-fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const python =
  process.env.RODIZIO_TEST_HUB_PYTHON ??
  join(import.meta.dirname, '../../.venvs/clients/bin/python')
const hasClient =
  existsSync(python) && spawnSync(python, ['-c', 'import huggingface_hub']).status === 0
if (!hasClient)
  process.stderr.write(
    `${python} has no huggingface_hub: its test is skipped. npm run setup:clients makes its environment; ` +
      'RODIZIO_TEST_HUB_PYTHON names another one.\n',
  )

const [token, stranger] = ['hf_ana', 'hf_bia']
const users = {
  [token]: { name: 'ana', accepted: [], role: 'write' },
  [stranger]: { name: 'bia', accepted: [], role: 'write' },
} as const
const weights = Buffer.alloc(50_000, 'weights')

it.runIf(hasClient).each([
  ['whole', 1_000_000, 1],
  ['in parts', 20_000, 3],
])(
  'huggingface_hub: creates, uploads %s, lists, tags and downloads',
  async (_how, partBytes, puts) => {
    await using hub = await freshHub({ users, partBytes })
    using place = temporaryFolder()
    const folder = join(place.path, 'adapter')
    mkdirSync(folder)
    writeFileSync(join(folder, 'adapter_model.safetensors'), weights)
    writeFileSync(join(folder, 'adapter_config.json'), '{"r": 4}\n')
    writeFileSync(join(folder, 'README.md'), '---\nlibrary_name: peft\n---\n# card\n')
    const order = {
      url: hub.url,
      token,
      stranger,
      repo: 'ana/house',
      folder,
      cache: join(place.path, 'cache'),
    }
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: place.path,
      HF_HUB_DISABLE_XET: '1', // what the emulator does not model
      HF_HUB_DISABLE_TELEMETRY: '1',
      NO_PROXY: '*',
    }
    const script = join(import.meta.dirname, 'hub_with_python.py')
    const said = await new Promise<string>((resolve, reject) => {
      const child = execFile(python, [script], { env, timeout: 60_000 }, (error, stdout, stderr) =>
        error ? reject(new Error(stderr || error.message)) : resolve(stdout),
      )
      child.stdin?.end(JSON.stringify(order))
    })
    expect(JSON.parse(said)).toEqual({
      again: 409,
      late: 412,
      taken: 409,
      tags: { v1: true },
      hidden: true,
      titles: ['the second', 'the first', 'initial commit'],
      files: ['.gitattributes', 'README.md', 'adapter_config.json', 'adapter_model.safetensors'],
      private: true,
      sha256: sha256Hex(weights),
      config: '{"r": 4}\n',
      tagsLeft: [],
    })
    const sent = hub.admin.requests().filter(({ rpc }) => rpc === 'lfs-put')
    expect(sent).toHaveLength(puts)
    expect(sent.some(({ headers }) => 'authorization' in headers)).toBe(false)
  },
)
