import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { KaggleEmulator } from '../../src/emulators/kaggle/server.ts'
import type { RecordedRequest } from '../../src/emulators/requests.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { kaggleClient } from '../../src/providers/kaggle/client.ts'
import {
  FOREVER,
  freshEmulator,
  KEY,
  notebook,
  reaches,
  temporaryFolder,
  until,
} from '../emulators/kaggle-fixture.ts'

const program =
  process.env.RODIZIO_TEST_KAGGLE_CLI ??
  join(import.meta.dirname, '../../.venvs/clients/bin/kaggle')
const isThere = existsSync(program)
if (!isThere)
  process.stderr.write(
    `The official kaggle command line is not at ${program}: its tests are skipped. ` +
      'npm run setup:clients makes its environment; RODIZIO_TEST_KAGGLE_CLI names another program.\n',
  )

const USER = 'ana'
const TOKEN = 'KGAT_0123456789abcdef0123456789abcdef'
type Credentials = { KAGGLE_USERNAME: string; KAGGLE_KEY: string } | { KAGGLE_API_TOKEN: string }
const withKey: Credentials = { KAGGLE_USERNAME: USER, KAGGLE_KEY: KEY }

/** The command line with nothing in its environment but what points it at the emulator. */
function commandLine(emulator: KaggleEmulator, home: string, credentials: Credentials = withKey) {
  const env = {
    PATH: '/usr/bin:/bin',
    HOME: home,
    LANG: 'C.UTF-8',
    KAGGLE_API_ENVIRONMENT: 'LOCALHOST',
    http_proxy: emulator.url,
    no_proxy: '127.0.0.1',
    ...credentials,
  }
  return (...args: string[]): Promise<string> =>
    new Promise((resolve) => {
      execFile(program, args, { env, cwd: home }, (_error, stdout, stderr) => {
        resolve(`${stdout}${stderr}`)
      })
    })
}

const metadata = (slug: string, fields: Record<string, unknown> = {}) => ({
  id: `${USER}/${slug}`,
  title: slug,
  code_file: 'notebook.ipynb',
  language: 'python',
  kernel_type: 'notebook',
  is_private: true,
  enable_gpu: true,
  enable_tpu: false,
  enable_internet: true,
  machine_shape: 'NvidiaTeslaT4',
  dataset_sources: [],
  competition_sources: [],
  kernel_sources: [],
  model_sources: [],
  ...fields,
})

function folderOf(home: string, name: string, files: Record<string, string>): string {
  const folder = join(home, name)
  mkdirSync(folder)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  return folder
}

const kernelFolder = (
  home: string,
  slug: string,
  text: string,
  fields: Record<string, unknown> = {},
): string =>
  folderOf(home, slug, {
    'kernel-metadata.json': JSON.stringify(metadata(slug, fields)),
    'notebook.ipynb': text,
  })

async function bench(credentials?: Credentials) {
  const emulator = await freshEmulator()
  const folder = temporaryFolder()
  onTestFinished(async () => {
    await emulator[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })
  return { emulator, home: folder.path, kaggle: commandLine(emulator, folder.path, credentials) }
}

it.runIf(isThere)(
  'pushes a notebook that runs, follows it and fetches what it left',
  { timeout: 60_000 },
  async () => {
    const { emulator, home, kaggle } = await bench()
    const text = notebook(
      'import time\ntime.sleep(1)\nopen("result.txt", "w").write("42")',
      'print("olá")',
    )
    const folder = kernelFolder(home, 'hello-world', text)
    const pushed = await kaggle('kernels', 'push', '-p', folder, '-t', '600')
    expect(pushed).toContain('Kernel version 1 successfully pushed')
    expect(await kaggle('kernels', 'logs', '-f', 'ana/hello-world')).toBe('olá\n')
    await reaches(emulator, 'hello-world', 'COMPLETE')
    const status = await kaggle('kernels', 'status', 'ana/hello-world')
    expect(status).toContain('has status "KernelWorkerStatus.COMPLETE"')
    expect(await kaggle('kernels', 'logs', 'ana/hello-world')).toContain('"data":"olá\\n"')

    const output = await kaggle('kernels', 'output', 'ana/hello-world', '-p', join(home, 'out'))
    expect(output).toContain('Output file downloaded')
    expect(readFileSync(join(home, 'out', 'result.txt'), 'utf8')).toBe('42')
    expect(readFileSync(join(home, 'out', 'hello-world.log'), 'utf8')).toContain('olá')

    await kaggle('kernels', 'pull', '-m', 'ana/hello-world', '-p', join(home, 'pulled'))
    const pulled = readFileSync(join(home, 'pulled', 'hello-world.ipynb'), 'utf8')
    expect(JSON.parse(pulled)).toEqual(JSON.parse(text))
    const described = readFileSync(join(home, 'pulled', 'kernel-metadata.json'), 'utf8')
    expect(JSON.parse(described)).toMatchObject({
      id: 'ana/hello-world',
      machine_shape: 'NvidiaTeslaT4',
    })
    expect(await kaggle('quota')).toMatch(/GPU\s+0\.00h\s+30\.00h\s+30\.00h/)
  },
)

it.runIf(isThere)(
  'creates a data set, adds a version, and a pushed notebook reads it',
  { timeout: 60_000 },
  async () => {
    const { emulator, home, kaggle } = await bench()
    const described = { id: 'ana/some-rows', title: 'Some rows', licenses: [{ name: 'CC0-1.0' }] }
    const folder = folderOf(home, 'rows', {
      'dataset-metadata.json': JSON.stringify(described),
      'rows.csv': 'a,b\n',
    })
    expect(await kaggle('datasets', 'create', '-p', folder)).toContain('is being created')
    expect(await kaggle('datasets', 'create', '-p', folder)).toContain('already in use')
    writeFileSync(join(folder, 'rows.csv'), 'a,b\n1,2\n')
    const version = await kaggle('datasets', 'version', '-p', folder, '-m', 'two rows')
    expect(version).toContain('Dataset version is being created')
    await until('a data set that is ready', async () =>
      (await kaggle('datasets', 'status', 'ana/some-rows')).includes('ready'),
    )
    const source = 'assert open("../input/some-rows/rows.csv").read() == "a,b\\n1,2\\n"'
    const reads = { dataset_sources: ['ana/some-rows'] }
    const reader = kernelFolder(home, 'reads-rows', notebook(source), reads)
    await kaggle('kernels', 'push', '-p', reader)
    await reaches(emulator, 'reads-rows', 'COMPLETE')
  },
)

it.runIf(isThere)(
  'shows the troubles of the service as its own client shows them',
  { timeout: 60_000 },
  async () => {
    const { emulator, home, kaggle } = await bench()
    const folder = kernelFolder(home, 'occupied', notebook(FOREVER))
    await kaggle('kernels', 'push', '-p', folder)
    await kaggle('kernels', 'push', '-p', folder)
    const third = await kaggle('kernels', 'push', '-p', folder)
    expect(third).toContain('Kernel push error: Maximum batch GPU session count of 2 reached.')
    const unknown = await kaggle('kernels', 'status', 'ana/not-there')
    expect(unknown).toContain("Permission 'kernels.get' was denied")
    emulator.admin.addFaults({ kind: 'rate_limit', retryAfterSeconds: 1, rpc: 'SaveKernel' })
    expect(await kaggle('kernels', 'push', '-p', folder)).toContain('TooManyRequests')
    expect(await kaggle('kernels', 'delete', 'ana/occupied', '-y')).toContain('deleted')
  },
)

/** What of a request must not differ between two clients. The notebook is compared as a notebook, not as text. */
function essence({ target, method, headers, body }: RecordedRequest) {
  const fields = typeof body === 'object' && body !== null ? { ...body } : {}
  const text = 'text' in fields ? JSON.parse(String(fields.text)) : null
  return {
    method,
    path: new URL(target, 'http://localhost').pathname,
    authorization: headers.authorization,
    contentType: headers['content-type'],
    fields: { ...fields, text },
  }
}

it.runIf(isThere).each([
  ['a key', withKey, { kind: 'key', username: USER, key: KEY }],
  ['a token', { KAGGLE_API_TOKEN: TOKEN }, { kind: 'token', token: TOKEN }],
] as const)(
  'pushes with %s just as the product does: same path, same fields, same sign-in',
  { timeout: 60_000 },
  async (_why, environment, credentials) => {
    const { emulator, home, kaggle } = await bench(environment)
    const { url: baseUrl } = emulator
    const client = kaggleClient({ baseUrl, credentials, timeoutMs: 5_000, clock: systemClock })
    const userName = await client.whoAmI()
    const raw = JSON.parse(notebook('print("á")', 'x = 1'))
    raw.cells[0].source = ['# first\n', 'print("á")']
    raw.cells[0].outputs = [{ output_type: 'stream', name: 'stdout', text: ['á\n'] }]
    const text = JSON.stringify(raw)
    const fields = { id: `${userName}/same-push`, dataset_sources: [`${userName}/some-rows`] }
    const folder = kernelFolder(home, 'same-push', text, fields)
    const pushes = () => emulator.admin.requests().filter(({ rpc }) => rpc === 'SaveKernel')
    expect(await kaggle('kernels', 'push', '-p', folder, '-t', '600')).toContain('Kernel version 1')
    await client.push({
      userName,
      slug: 'same-push',
      title: 'same-push',
      notebook: text,
      machineShape: 'NvidiaTeslaT4',
      enableInternet: true,
      isPrivate: true,
      sessionTimeoutSeconds: 600,
      datasetSources: [`${userName}/some-rows`],
    })
    const [theirs, ours] = pushes().map(essence)
    expect(ours).toEqual(theirs)
    expect(theirs?.fields).toHaveProperty('machineShape', 'NvidiaTeslaT4')
  },
)
