import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Makes the virtual environments of the clients' tests; a second call with the same requirements does nothing. */

const root = join(import.meta.dirname, '../..')

const say = (text: string) => void process.stdout.write(`${text}\n`)

function giveUp(what: string, next: string): never {
  process.stderr.write(`setup:clients: ${what}\n  ${next}\n`)
  process.exit(1)
}

/** Runs a program to its end; its output is shown only when it fails. */
function run(program: string, args: readonly string[], failure: string, next: string): void {
  const ran = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
  if (ran.error) giveUp(`${failure}: ${ran.error.message}`, next)
  if (ran.status === 0) return
  process.stderr.write(`${ran.stdout}${ran.stderr}`)
  giveUp(`${failure} (exit status ${ran.status})`, next)
}

interface Python {
  /** The interpreter behind the name: a venv made through a shim would point at the shim. */
  readonly path: string
  readonly version: string
}

const ASK = 'import sys; print(sys.executable, sys.version.split()[0], sep="\\n")'

/** The Python of a name, when it runs and is not older than 3.`minor`. */
function pythonOf(name: string, minor: number, env: Record<string, string> = {}): Python | null {
  const ran = spawnSync(name, ['-c', ASK], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [path = '', version = ''] = ran.status === 0 ? ran.stdout.trim().split('\n') : []
  return Number(/^3\.(\d+)\./.exec(version)?.[1] ?? 0) >= minor ? { path, version } : null
}

/** A Python that is new enough: by its own name on the path, or among those of pyenv. */
function newPython(): Python | null {
  for (const name of ['python3', 'python3.12', 'python3.13', 'python3.14']) {
    const found = pythonOf(name, 12)
    if (found) return found
  }
  const installed = spawnSync('pyenv', ['versions', '--bare'], { encoding: 'utf8' })
  const versions = installed.status === 0 ? installed.stdout.split(/\s+/) : []
  for (const version of versions.filter((one) => /^3\.1[2-9]\.\d+$/.test(one))) {
    const found = pythonOf('python3', 12, { PYENV_VERSION: version })
    if (found) return found
  }
  return null
}

interface Environment {
  readonly name: string
  readonly requirements: string
  /** What must load in the end. */
  readonly modules: string
  readonly base: Python
}

function make({ name, requirements, modules, base }: Environment): void {
  const folder = join(root, '.venvs', name)
  const list = join(import.meta.dirname, requirements)
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const stampFile = join(folder, 'requirements.sha256')
  const stamp = createHash('sha256').update(readFileSync(list)).update(base.version).digest('hex')
  const isCurrent = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp
  if (isCurrent && spawnSync(python, ['-c', '']).status === 0) {
    say(`.venvs/${name} stands and fits its requirements: nothing to do`)
    return
  }
  rmSync(folder, { recursive: true, force: true })
  say(`1/3 a virtual environment in .venvs/${name} (Python ${base.version})`)
  run(
    base.path,
    ['-m', 'venv', folder],
    'no virtual environment could be made',
    'The module venv may be missing: on Debian and Ubuntu, apt-get install python3-venv',
  )
  say('2/3 its packages, about half a minute')
  const quietly = ['--quiet', '--disable-pip-version-check', '--no-input']
  run(
    python,
    ['-m', 'pip', 'install', ...quietly, '-r', list],
    'the packages could not be installed',
    'Check the network and pip’s own settings, then run this again',
  )
  say('3/3 a look at what was installed')
  run(
    python,
    ['-c', `import ${modules}`],
    'the packages do not load',
    'Run this again; when it lasts, another Python may fit better',
  )
  writeFileSync(stampFile, stamp) // last: a set-up cut short is begun anew
  say(`.venvs/${name} is ready`)
}

const needPython = 'Install Python 3.11 or newer so that python3 is on the path'
const base = pythonOf('python3', 11)
if (!base) giveUp('python3 does not run, or is older than 3.11', needPython)
make({
  name: 'clients',
  requirements: 'requirements.txt',
  modules:
    'aiosmtpd, boto3, googleapiclient, huggingface_hub, kagglesdk, ipykernel, moto.server, nbclient, nbformat, six',
  base,
})

const newer = newPython()
if (newer) {
  make({
    name: 'colab',
    requirements: 'requirements-colab.txt',
    modules: 'colab_cli, jupyter_server, ipykernel',
    base: newer,
  })
} else {
  say('.venvs/colab is not made: the Colab command line wants Python 3.12 or newer, and there is')
  say('  neither a python3.12 to python3.14 on the path nor one of pyenv. Its tests are skipped.')
}
