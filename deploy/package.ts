import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { launcher } from './launcher.ts'
import { notices } from './notices.ts'

const usage = `Usage: npm run package -- [--platform linux-x64|linux-arm64] [--to FOLDER] [--level 1..9]

Makes the one file that an installation takes, with its SHA-256 beside it: dist/rodizio-VERSION-PLATFORM.tar.gz.
The same sources give the same bytes.

Examples:
  npm run package
  npm run package -- --platform linux-arm64 --to /tmp
`

const root = fileURLToPath(new URL('../', import.meta.url))
const json = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), 'utf8')) as T

class Refusal extends Error {
  readonly next: string
  constructor(message: string, next: string) {
    super(message)
    this.next = next
  }
}

/** The Node that an artifact brings: the one that the tests run on, by a checksum for each platform. */
const runtimes = json<{ version: string; sha256: Readonly<Record<string, string>> }>(
  'deploy/runtimes.json',
)

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Refusal(
    `${command} ${args[0]} failed: ${error?.message ?? stderr.trim()}`,
    'Packaging wants GNU tar, and npm with its registry for another platform than this one',
  )
}

/** Node for that platform, as `npm ci` has brought it or from the registry; checked before a byte of it is used. */
async function runtime(platform: string, scratch: string): Promise<string> {
  const wanted = runtimes.sha256[platform]
  if (wanted === undefined) {
    const known = Object.keys(runtimes.sha256).join(' or ')
    throw new Refusal(`there is no artifact for ${platform}`, `--platform takes ${known}`)
  }
  const { devDependencies } = json<{ devDependencies: { node: string } }>('package.json')
  if (devDependencies.node !== runtimes.version) {
    throw new Refusal(
      `package.json wants Node ${devDependencies.node}, deploy/runtimes.json has ${runtimes.version}`,
      'Bring deploy/runtimes.json to the same version, with the SHA-256 of bin/node of each platform',
    )
  }
  let folder = join(root, 'node_modules/node/node_modules', `node-${platform}`)
  if (!existsSync(join(folder, 'bin/node'))) {
    const spec = `node-${platform}@${runtimes.version}`
    const name = run('npm', ['pack', spec, '--silent', '--pack-destination', scratch], root).trim()
    run('tar', ['-xzf', name, 'package/bin/node', 'package/LICENSE'], scratch)
    folder = join(scratch, 'package')
  }
  const found = await sha256Of(join(folder, 'bin/node'))
  if (found === wanted) return folder
  throw new Refusal(
    `Node ${runtimes.version} for ${platform} has SHA-256 ${found}, not ${wanted}`,
    `Remove ${folder} and run npm ci again; if it stays so, do not use it`,
  )
}

/** All that is read at run time, in a folder as it will stand on the machine that it is for. */
function assemble(folder: string, platform: string, node: string): void {
  const from = (path: string) => join(root, path)
  const to = (path: string) => join(folder, path)
  const project = json<Record<string, unknown> & { scripts: { start: string } }>('package.json')
  const programs = existsSync(from('dist'))
    ? readdirSync(from('dist')).filter((name) => name.endsWith('.js'))
    : []
  if (!programs.includes('rodizio.js')) {
    throw new Refusal('there is no dist/rodizio.js', 'Build it first: npm run build')
  }
  for (const name of programs) cpSync(from(`dist/${name}`), to(`dist/${name}`))
  const isCode = (path: string) => !path.includes('__pycache__')
  for (const part of ['migrations', 'templates']) {
    cpSync(from(part), to(part), { recursive: true, filter: isCode })
  }
  for (const part of ['deploy/vm', 'docs/install-vm.md', 'LICENSE']) {
    cpSync(from(part), to(part), { recursive: true })
  }
  const sqlite = 'node_modules/better-sqlite3'
  for (const part of ['package.json', 'LICENSE', 'lib', `prebuilds/${platform}.node`]) {
    cpSync(from(`${sqlite}/${part}`), to(`${sqlite}/${part}`), { recursive: true })
  }
  cpSync(join(node, 'bin/node'), to('runtime/node'))
  cpSync(join(node, 'LICENSE'), to('runtime/LICENSE'))
  const { name, version, description, license, type } = project
  write(to('package.json'), `${JSON.stringify({ name, version, description, license, type })}\n`)
  write(to('NOTICES'), notices(root))
  mkdirSync(to('bin'))
  write(to('bin/rodizio'), launcher(project.scripts.start), 0o755)
}

const write = (file: string, text: string, mode = 0o644) => writeFileSync(file, text, { mode })

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .toSorted()

async function checksums(folder: string): Promise<string> {
  const lines: string[] = []
  for (const name of filesBelow(folder)) {
    lines.push(`${await sha256Of(join(folder, name))}  ${name}\n`)
  }
  return lines.join('')
}

/** Owners, modes, times and order are the same wherever it is packed. */
const sameEverywhere = [
  '--format=ustar',
  '--sort=name',
  '--mtime=@0',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--mode=u=rwX,go=rX',
]

async function pack(above: string, name: string, file: string, level: number): Promise<void> {
  const tar = spawn('tar', [...sameEverywhere, '-cf', '-', name], {
    cwd: above,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((end) => {
    tar.on('error', () => end(null)).on('close', end)
  })
  const partial = `${file}.partial`
  await pipeline(tar.stdout, createGzip({ level }), createWriteStream(partial))
  if ((await ended) !== 0) {
    rmSync(partial, { force: true })
    throw new Refusal('tar failed', 'Packaging wants GNU tar')
  }
  renameSync(partial, file)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string', default: `${process.platform}-${process.arch}` },
      to: { type: 'string', default: join(root, 'dist') },
      level: { type: 'string', default: '9' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return void process.stdout.write(usage)
  const scratch = mkdtempSync(join(tmpdir(), 'rodizio-package-'))
  try {
    const node = await runtime(values.platform, scratch)
    const { version } = json<{ version: string }>('package.json')
    const name = `rodizio-${version}-${values.platform}`
    const folder = join(scratch, name)
    mkdirSync(folder)
    assemble(folder, values.platform, node)
    write(join(folder, 'SHA256SUMS'), await checksums(folder))
    const target = resolve(values.to)
    mkdirSync(target, { recursive: true })
    const file = join(target, `${name}.tar.gz`)
    await pack(scratch, name, file, Number(values.level))
    const sha256 = await sha256Of(file)
    write(`${file}.sha256`, `${sha256}  ${name}.tar.gz\n`)
    process.stdout.write(`${file}\nSHA-256 ${sha256}\n`)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

await main().catch((error: unknown) => {
  if (!(error instanceof Refusal)) throw error
  process.stderr.write(`package: ${error.message}\n  ${error.next}\n`)
  process.exitCode = 1
})
