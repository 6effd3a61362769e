import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { main } from '../../src/cli/program.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { checkNotebook } from '../../src/notebooks/check.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const root = new URL('../../', import.meta.url)

afterEach(() => vi.restoreAllMocks())

/** What a command line prints, and its exit status. */
async function run(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said.out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.err += String(text)
    return true
  })
  const place = { root, entry: 'rodizio' }
  const status = await main(['notebooks', 'serve', ...argv], place)
  vi.restoreAllMocks()
  return { status, ...said }
}

/** An adapter's folder as a session leaves it; the hash of its manifest. */
function writeAdapter(folder: string, changes: Record<string, unknown> = {}): string {
  const weights = 'weights'
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'adapter_model.safetensors'), weights)
  const name = 'adapter_model.safetensors'
  const manifest = JSON.stringify({
    format: 1,
    kind: 'artifact',
    run: 'run_7',
    session: 'ses_1',
    generation: 1,
    step: 60,
    targetSteps: 60,
    epoch: 1,
    engine: 'trl',
    label: 'candidate',
    plan: { base: 'unsloth/tiny', revision: 'c1', quantization: 'nf4', loraRank: 16 },
    env: {},
    metrics: {},
    files: [{ name, bytes: weights.length, sha256: sha256Hex(weights) }],
    ...changes,
  })
  writeFileSync(join(folder, 'manifest.json'), manifest)
  return sha256Hex(manifest)
}

const parameters = (folder: string): Record<string, string> => {
  const { cells } = JSON.parse(readFileSync(join(folder, 'notebook.ipynb'), 'utf8'))
  const lines: string = cells[1].source.join('')
  return Object.fromEntries(
    [...lines.matchAll(/^(\w+) = (?:'((?:[^'\\]|\\.)*)'|(\w+))/gm)].map(([, name, text, word]) => [
      name ?? '',
      text ?? word ?? '',
    ]),
  )
}

describe('rodizio notebooks serve', () => {
  it('writes a notebook for the adapter, and shows a key of 256 bits that stands nowhere', async () => {
    using folder = temporaryFolder()
    const [adapter, to] = [join(folder.path, 'adapter'), join(folder.path, 'out')]
    const sha256 = writeAdapter(adapter)
    const common = ['--provider', 'local', '--adapter-dir', adapter, '--to', to]
    const { status, out, err } = await run(...common, '--hours', '2')
    expect({ status, err }).toEqual({ status: 0, err: '' })
    const key = /shown this once: (rzk_[\w-]{43})\n/.exec(out)?.[1] ?? ''
    expect(Buffer.from(key.slice(4), 'base64url')).toHaveLength(32)
    expect(parameters(to)).toMatchObject({
      PROVIDER: 'local',
      ADAPTER_DIR: adapter,
      ADAPTER_SHA256: sha256,
      SECONDS: '7200',
      SERVE_KEY_SHA256: sha256Hex(key),
      TUNNEL: '',
    })
    const text = readFileSync(join(to, 'notebook.ipynb'), 'utf8')
    expect(text).not.toContain(key)
    expect(text).toContain('run_7, step 60')
    expect(checkNotebook(text)).toEqual([])
    const again = JSON.parse((await run(...common, '--json')).out)
    expect(again.key).not.toBe(key)
    expect(again).toMatchObject({ seconds: 43_200, adapter: { sha256, base: 'unsloth/tiny' } })
  })

  it('takes a key that is there, and does not repeat it', async () => {
    using folder = temporaryFolder()
    const [adapter, to] = [join(folder.path, 'adapter'), join(folder.path, 'out')]
    writeAdapter(adapter)
    const [good, short] = [join(folder.path, 'key'), join(folder.path, 'short')]
    writeFileSync(good, `${'k1'.repeat(32)}\n`)
    writeFileSync(short, 'k'.repeat(31))
    const common = ['--provider', 'local', '--adapter-dir', adapter, '--to', to, '--key-file']
    const { status, out } = await run(...common, good)
    expect(status).toBe(0)
    expect(out).not.toContain('k1k1')
    expect(parameters(to).SERVE_KEY_SHA256).toBe(sha256Hex('k1'.repeat(32)))
    const refused = await run(...common, short)
    expect(refused.status).toBe(2)
    expect(refused.err).toMatch(/fewer than 32 characters.*\n.*openssl rand -hex 32/)
    expect((await run(...common, join(folder.path, 'none'))).status).toBe(3)
  })

  it('shows the rules at Kaggle and Colab, and writes nothing before they are accepted', async () => {
    using folder = temporaryFolder()
    const [adapter, to] = [join(folder.path, 'adapter'), join(folder.path, 'out')]
    writeAdapter(adapter)
    const manifest = ['--manifest', join(adapter, 'manifest.json'), '--to', to]
    const kaggle = ['--provider', 'kaggle', '--adapter-dir', '/kaggle/input/a', ...manifest]
    const refused = await run(...kaggle)
    expect(refused.status).toBe(4)
    expect(refused.err).toMatch(/rules_not_accepted[\s\S]*no serving[\s\S]*--accept-rules/)
    expect(refused.out).toContain('every hour that the server waits')
    expect(readdirSync(folder.path)).toEqual(['adapter'])
    const user = ['--kaggle-user', 'maria', '--kaggle-dataset', 'maria/a']
    const { status, out } = await run(...kaggle, ...user, '--accept-rules')
    expect(status).toBe(0)
    expect(out).toContain('are reached through the service')
    expect(JSON.parse(readFileSync(join(to, 'kernel-metadata.json'), 'utf8'))).toMatchObject({
      id: expect.stringMatching(/^maria\/rodizio-serve-[0-9a-f]{12}$/),
      is_private: true,
      machine_shape: 'NvidiaTeslaT4',
      dataset_sources: ['maria/a'],
    })
    const colab = ['--provider', 'colab', '--adapter-dir', '/content/a', ...manifest]
    expect((await run(...colab)).err).toMatch(/FAQ forbids[\s\S]*remote proxies/)
    const tunnelled = await run(...colab, '--tunnel', 'cloudflared', '--accept-rules')
    expect(tunnelled.status).toBe(0)
    expect(parameters(to)).toMatchObject({ PROVIDER: 'colab', TUNNEL: 'cloudflared' })
  })

  it('takes files by their addresses, and repeats none of them when something is wrong', async () => {
    using folder = temporaryFolder()
    const [adapter, to] = [join(folder.path, 'adapter'), join(folder.path, 'out')]
    const sha256 = writeAdapter(adapter)
    const list = join(folder.path, 'files.json')
    const entry = { name: 'manifest.json', url: 'https://x.example/?sig=s3', bytes: 9, sha256 }
    const common = ['--provider', 'local', '--adapter-files', list, '--to', to]
    writeFileSync(list, JSON.stringify([entry]))
    expect((await run(...common)).status).toBe(0)
    expect(JSON.parse(parameters(to).ADAPTER_FILES ?? '')).toEqual([entry])
    expect(parameters(to)).toMatchObject({ ADAPTER_DIR: '', ADAPTER_SHA256: sha256 })
    for (const wrong of [[{ ...entry, bytes: -1 }], [{ ...entry, name: 'a' }], {}]) {
      writeFileSync(list, JSON.stringify(wrong))
      const { status, err } = await run(...common)
      expect(status).toBe(2)
      expect(err).toContain('adapter_refused')
      expect(err).not.toContain('s3')
    }
    writeFileSync(list, JSON.stringify([{ ...entry, sha256: 'a'.repeat(64) }]))
    const other = await run(...common, '--manifest', join(adapter, 'manifest.json'))
    expect(other.err).toContain('their hashes differ')
  })

  it.each([
    ['a checkpoint', { kind: 'checkpoint' }, /checkpoint of the engine trl, and no adapter/],
    ['a rehearsal', { engine: 'dry' }, /artifact of the engine dry, and no adapter/],
    ['a plan without a base', { plan: { revision: 'c' } }, /does not say base/],
    ['no files', { files: [] }, /files/],
  ])('refuses %s', async (_what, changes, sentence) => {
    using folder = temporaryFolder()
    writeAdapter(folder.path, changes)
    const to = join(folder.path, 'out')
    const { status, err } = await run(
      '--provider',
      'local',
      '--adapter-dir',
      folder.path,
      '--to',
      to,
    )
    expect(status).toBe(2)
    expect(err).toMatch(sentence)
  })

  it('refuses an adapter that is damaged, by the name of the file', async () => {
    using folder = temporaryFolder()
    writeAdapter(folder.path)
    writeFileSync(join(folder.path, 'adapter_model.safetensors'), 'others')
    const to = join(folder.path, 'out')
    const { status, err } = await run(
      '--provider',
      'local',
      '--adapter-dir',
      folder.path,
      '--to',
      to,
    )
    expect(status).toBe(2)
    expect(err).toMatch(/adapter_model\.safetensors is damaged/)
  })

  it.each([
    ['no adapter', ['--provider', 'local'], /either --adapter-dir or --adapter-files/],
    ['an unknown provider', ['--provider', 'aws', '--adapter-dir', '/a'], /kaggle, colab, local/],
    ['a path that is none at Kaggle', ['--provider', 'kaggle', '--adapter-dir', 'a'], /no path at/],
    ['an adapter elsewhere', ['--provider', 'kaggle', '--adapter-dir', '/k/a'], /with --manifest/],
  ])('says what to do about %s', async (_what, flags, sentence) => {
    const { status, err } = await run(...flags, '--to', '/nowhere')
    expect(status).toBe(2)
    expect(err).toMatch(sentence)
  })

  it.each([
    ['--hours', '10', /not from a minute to 8\.75 hours/],
    ['--hours', 'x', /not from a minute/],
    ['--tunnel', 'ngrok', /There is: cloudflared/],
  ])('refuses %s %s', async (flag, value, sentence) => {
    using folder = temporaryFolder()
    writeAdapter(folder.path)
    const manifest = join(folder.path, 'manifest.json')
    const kaggle = ['--provider', 'kaggle', '--adapter-dir', '/k/a', '--manifest', manifest]
    const { status, err } = await run(...kaggle, '--to', '/nowhere', '--accept-rules', flag, value)
    expect(status).toBe(2)
    expect(err).toMatch(sentence)
  })
})
