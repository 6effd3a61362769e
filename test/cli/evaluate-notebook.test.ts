import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
  const status = await main(['notebooks', 'evaluate', ...argv], { root, entry: 'rodizio' })
  vi.restoreAllMocks()
  return { status, ...said }
}

/** An adapter's folder as a session leaves it; the hash of its manifest. */
function writeAdapter(folder: string, plan: Record<string, unknown> = {}): string {
  mkdirSync(folder, { recursive: true })
  const name = 'adapter_model.safetensors'
  writeFileSync(join(folder, name), folder)
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
    plan: { base: 'org/tiny', revision: 'c1', quantization: 'nf4', loraRank: 16, ...plan },
    env: {},
    metrics: {},
    files: [{ name, bytes: folder.length, sha256: sha256Hex(folder) }],
  })
  writeFileSync(join(folder, 'manifest.json'), manifest)
  return sha256Hex(manifest)
}

const notebookIn = (folder: string) => readFileSync(join(folder, 'notebook.ipynb'), 'utf8')

const parameters = (folder: string): Record<string, string> =>
  Object.fromEntries(
    [
      ...JSON.parse(notebookIn(folder))
        .cells[1].source.join('')
        .matchAll(/^(\w+) = (?:'((?:[^'\\]|\\.)*)'|(\w+))/gm),
    ].map(([, name, text, word]) => [name, text ?? word]),
  )

describe('rodizio notebooks evaluate', () => {
  it('writes a notebook that knows both adapters and the data by their hashes', async () => {
    using folder = temporaryFolder()
    const at = (name: string) => join(folder.path, name)
    const [candidate, current] = [writeAdapter(at('new')), writeAdapter(at('old'))]
    writeFileSync(at('data.jsonl'), '{}\n')
    const local = ['--provider', 'local', '--candidate-dir', at('new'), '--data', at('data.jsonl')]
    const both = [...local, '--current-dir', at('old'), '--to', at('out')]
    const { status, out, err } = await run(...both, '--hours', '0.5')
    expect({ status, err }).toEqual({ status: 0, err: '' })
    expect(out).toContain('RODIZIO_EVALUATION')
    expect(parameters(at('out'))).toMatchObject({
      CANDIDATE_DIR: at('new'),
      CANDIDATE_SHA256: candidate,
      CURRENT_DIR: at('old'),
      CURRENT_SHA256: current,
      DATA: at('data.jsonl'),
      DATA_SHA256: sha256Hex('{}\n'),
      SECONDS: '1800',
    })
    expect(checkNotebook(notebookIn(at('out')))).toEqual([])
    const alone = JSON.parse((await run(...local, '--to', at('out'), '--json')).out)
    expect(alone).toMatchObject({ seconds: 7200, current: null, candidate: { base: 'org/tiny' } })
    expect(parameters(at('out'))).toMatchObject({ CURRENT_DIR: '', CURRENT_SHA256: '' })
  })

  it('writes for Kaggle what stands there, with the data sets that hold it', async () => {
    using folder = temporaryFolder()
    const at = (name: string) => join(folder.path, name)
    const sha256 = writeAdapter(at('new'))
    const kaggle = ['--provider', 'kaggle', '--to', at('out')]
    const there = ['--candidate-dir', '/kaggle/input/new', '--data', '/kaggle/input/d/a.jsonl']
    const known = ['--candidate-manifest', join(at('new'), 'manifest.json')]
    const user = ['--kaggle-user', 'maria', '--kaggle-dataset', 'maria/new', 'maria/d']
    expect((await run(...kaggle, ...there, ...known, ...user)).status).toBe(0)
    expect(parameters(at('out'))).toMatchObject({ CANDIDATE_SHA256: sha256, DATA_SHA256: '' })
    expect(JSON.parse(readFileSync(join(at('out'), 'kernel-metadata.json'), 'utf8'))).toMatchObject(
      {
        id: `maria/rodizio-evaluate-${sha256.slice(0, 12)}`,
        dataset_sources: ['maria/new', 'maria/d'],
      },
    )
    const unknown = await run(...kaggle, ...there)
    expect(unknown.err).toMatch(/is not on this machine[\s\S]*--candidate-manifest/)
  })

  it('takes adapters and data by their addresses, and repeats none when something is wrong', async () => {
    using folder = temporaryFolder()
    const at = (name: string) => join(folder.path, name)
    const entry = { name: 'manifest.json', url: 'https://x.example/?sig=s3cr3t', bytes: 9 }
    const files = [{ ...entry, sha256: 'a'.repeat(64) }]
    writeFileSync(at('new.json'), JSON.stringify(files))
    const common = ['--provider', 'colab', '--candidate-files', at('new.json'), '--to', at('out')]
    expect((await run(...common, '--data-files', at('new.json'))).status).toBe(0)
    expect(JSON.parse(parameters(at('out')).DATA_FILES ?? '')).toEqual(files)
    writeFileSync(at('two.json'), JSON.stringify([...files, ...files]))
    const { status, err } = await run(...common, '--data-files', at('two.json'))
    expect(status).toBe(2)
    expect(err).toMatch(/data_refused[\s\S]*list of one/)
    expect(err).not.toContain('s3cr3t')
  })

  it('refuses two bases before a notebook is made', async () => {
    using folder = temporaryFolder()
    const at = (name: string) => join(folder.path, name)
    writeAdapter(at('new'))
    writeAdapter(at('old'), { revision: 'c2' })
    const flags = ['--candidate-dir', at('new'), '--current-dir', at('old'), '--data', '/d']
    const { status, err } = await run('--provider', 'local', ...flags, '--to', at('out'))
    expect(status).toBe(2)
    expect(err).toMatch(/org\/tiny at c1 .* org\/tiny at c2[\s\S]*one base/)
  })

  it.each([
    ['no candidate', [], /either --candidate-dir or --candidate-files/],
    ['a manifest alone', ['--current-manifest', 'm', 'x'], /--current-dir or --current-files/],
    ['no data', ['x'], /either --data or --data-files/],
    ['data that is not there', ['--data', '/nowhere.jsonl', 'x'], /JSONL file of conversations/],
  ])('says what to do about %s', async (_what, given, sentence) => {
    using folder = temporaryFolder()
    writeAdapter(folder.path)
    const flags = given.flatMap((flag) => (flag === 'x' ? ['--candidate-dir', folder.path] : flag))
    const { status, err } = await run('--provider', 'local', '--to', '/nowhere', ...flags)
    expect(status).toBeGreaterThan(1)
    expect(err).toMatch(sentence)
  })
})
