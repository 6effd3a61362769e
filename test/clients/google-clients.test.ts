import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { GoogleEmulator } from '../../src/emulators/google/server.ts'
import { CLIENT, freshGoogle, pattern, SECRET } from '../emulators/google-fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { tlsFront } from './tls-front.ts'

const say = (text: string) => void process.stderr.write(`${text}\n`)

const python =
  process.env.RODIZIO_TEST_GOOGLE_PYTHON ??
  join(import.meta.dirname, '../../.venvs/clients/bin/python')
const hasPython =
  existsSync(python) && spawnSync(python, ['-c', 'import googleapiclient']).status === 0
if (!hasPython)
  say(
    `${python} has no google-api-python-client: its test is skipped. ` +
      'npm run setup:clients makes its environment; RODIZIO_TEST_GOOGLE_PYTHON names another one.',
  )

/** A file from which `@googleapis/drive` is found: ours, or one beside the node_modules that the setting names. */
const nodeModule = [
  join(import.meta.dirname, 'google-clients.test.ts'),
  join(process.env.RODIZIO_TEST_GOOGLEAPIS ?? import.meta.dirname, 'package.json'),
].find((from) => {
  try {
    return createRequire(from).resolve('@googleapis/drive') !== ''
  } catch {
    return false // not installed there
  }
})
if (nodeModule === undefined)
  say(
    '@googleapis/drive is not installed: its test is skipped. ' +
      'RODIZIO_TEST_GOOGLEAPIS names a folder with a node_modules that has it.',
  )

const rclone = process.env.RODIZIO_TEST_RCLONE ?? 'rclone'
const rcloneVersion = /v[\d.]+/.exec(
  spawnSync(rclone, ['version'], { encoding: 'utf8' }).stdout ?? '',
)?.[0]
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (rcloneVersion === undefined || !hasOpenssl)
  say(
    'rclone or openssl is not on the path: the test of rclone is skipped. ' +
      'Debian has both as packages; RODIZIO_TEST_RCLONE names another rclone.',
  )

const content = pattern(5 * 256 * 1024 + 321)
const sha256 = createHash('sha256').update(content).digest('hex')

async function bench() {
  const google = await freshGoogle()
  const folder = temporaryFolder()
  onTestFinished(async () => {
    await google[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })
  const path = join(folder.path, 'checkpoint.bin')
  writeFileSync(path, content)
  return { google, home: folder.path, path }
}

const credentialsFor = (google: GoogleEmulator) => ({
  client_id: CLIENT,
  client_secret: SECRET,
  refresh_token: google.admin.grant({ clientId: CLIENT }).refreshToken,
  token_uri: google.tokenUrl,
})

/** Runs a program with nothing of our environment. Its output, and what it complained of when it failed. */
function run(
  program: string,
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly input?: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', ...options.env }
    const child = execFile(program, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} failed: ${stderr || error.message}`))
      else resolve(stdout)
    })
    child.stdin?.end(options.input)
  })
}

it.runIf(hasPython)(
  'google-api-python-client: resumes a cut upload and downloads by ranges',
  async () => {
    const { google, path } = await bench()
    google.admin.addFaults({ rpc: 'upload.chunk', kind: 'cut', afterBytes: 100_000 })
    const order = { drive: google.url, credentials: credentialsFor(google), path }
    const script = join(import.meta.dirname, 'drive_with_python.py')
    const answer = await run(python, [script], { input: JSON.stringify(order) })
    expect(JSON.parse(answer)).toEqual({
      made: { id: expect.any(String), size: String(content.length), sha256Checksum: sha256 },
      cuts: 1,
      sha256,
      parts: 6,
      listed: true,
      renamed: { name: 'kept' },
      afterDeletion: '404 notFound',
    })
    expect(google.admin.state().uploads).toMatchObject([{ state: 'done' }])
  },
)

it.runIf(nodeModule !== undefined)(
  '@googleapis/drive: lists, creates, gets, updates, deletes, media both ways',
  async () => {
    const { google, path } = await bench()
    const order = {
      drive: google.url,
      credentials: credentialsFor(google),
      path,
      module: nodeModule,
    }
    const script = join(import.meta.dirname, 'drive-with-node.mjs')
    const answer = await run(process.execPath, [script], { input: JSON.stringify(order) })
    expect(JSON.parse(answer)).toEqual({
      made: { id: expect.any(String), size: String(content.length), sha256Checksum: sha256 },
      listed: true,
      sha256,
      part: Buffer.from(content.subarray(10, 20)).toString('hex'),
      partStatus: 206,
      replaced: { size: '3' },
      usage: '3',
      afterDeletion: '404 notFound',
    })
  },
)

it.runIf(rcloneVersion !== undefined && hasOpenssl)(
  `rclone ${rcloneVersion ?? '(not there)'}: copies there and back in chunks, lists, sums, tells the room`,
  async () => {
    const { google, home, path } = await bench()
    await using front = await tlsFront(google.url, home)
    const { refresh_token } = credentialsFor(google)
    const token = { access_token: 'old', refresh_token, expiry: '2020-01-01T00:00:00Z' }
    const config = join(home, 'rclone.conf')
    const lines = [
      '[gd]',
      'type = drive',
      `client_id = ${CLIENT}`,
      `client_secret = ${SECRET}`,
      'scope = drive.file',
      `token = ${JSON.stringify(token)}`,
      'chunk_size = 256k',
      'upload_cutoff = 256k',
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const env = { HOME: home, HTTPS_PROXY: front.url, SSL_CERT_FILE: front.certificate }
    const call = (...args: string[]) =>
      run(rclone, ['--config', config, '--retries', '1', ...args], { env })

    google.admin.addFaults({ rpc: 'upload.chunk', kind: 'status', status: 503 })
    await call('copy', path, 'gd:runs/run_1')
    expect(google.admin.state().files).toMatchObject([
      { name: 'runs', bytes: null },
      { name: 'run_1', bytes: null },
      { name: 'checkpoint.bin', sha256 },
    ])
    const chunks = google.admin.requests().filter(({ rpc }) => rpc === 'upload.chunk')
    expect(chunks.length).toBeGreaterThanOrEqual(7)
    expect(await call('lsf', '-R', '--format', 'ps', 'gd:')).toBe(
      `runs/;-1\nruns/run_1/;-1\nruns/run_1/checkpoint.bin;${content.length}\n`,
    )
    const md5 = createHash('md5').update(content).digest('hex')
    expect(await call('md5sum', 'gd:runs')).toBe(`${md5}  run_1/checkpoint.bin\n`)
    await call('copy', 'gd:runs/run_1', join(home, 'back'))
    expect(readFileSync(join(home, 'back/checkpoint.bin')).equals(content)).toBe(true)
    const about: unknown = JSON.parse(await call('about', '--json', 'gd:'))
    expect(about).toMatchObject({ total: 15 * 1024 ** 3, used: content.length })
    await call('deletefile', '--drive-use-trash=false', 'gd:runs/run_1/checkpoint.bin')
    expect(google.admin.state().files).toHaveLength(2)
  },
)
