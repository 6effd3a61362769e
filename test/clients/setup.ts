import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Makes the virtual environment of the clients' tests; a second call with the same requirements does nothing. */

const root = join(import.meta.dirname, '../..')
const requirements = join(import.meta.dirname, 'requirements.txt')
const folder = join(root, '.venvs/clients')
const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
const stampFile = join(folder, 'requirements.sha256')

const say = (text: string) => void process.stdout.write(`${text}\n`)

function giveUp(what: string, next: string): never {
  process.stderr.write(`setup:clients: ${what}\n  ${next}\n`)
  process.exit(1)
}

/** Runs a program to its end; its output is shown only when it fails. */
function run(program: string, args: readonly string[], failure: string, next: string): string {
  const ran = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
  if (ran.error) giveUp(`${failure}: ${ran.error.message}`, next)
  if (ran.status !== 0) {
    process.stderr.write(`${ran.stdout}${ran.stderr}`)
    giveUp(`${failure} (exit status ${ran.status})`, next)
  }
  return ran.stdout.trim()
}

const needPython = 'Install Python 3.11 or newer so that python3 is on the path'
// The interpreter behind the name: a venv made through a shim would point at the shim.
const [base = '', version = '', isNew] = run(
  'python3',
  [
    '-c',
    'import sys; print(sys.executable, sys.version.split()[0], sys.version_info >= (3, 11), sep="\\n")',
  ],
  'python3 does not run',
  needPython,
).split('\n')
if (isNew !== 'True') giveUp(`python3 is Python ${version}`, needPython)

const stamp = createHash('sha256').update(readFileSync(requirements)).update(version).digest('hex')
const isCurrent = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp
if (isCurrent && spawnSync(python, ['-c', '']).status === 0) {
  say('.venvs/clients stands and fits its requirements: nothing to do')
} else {
  rmSync(folder, { recursive: true, force: true })
  say(`1/3 a virtual environment in .venvs/clients (Python ${version})`)
  run(
    base,
    ['-m', 'venv', folder],
    'no virtual environment could be made',
    'The module venv may be missing: on Debian and Ubuntu, apt-get install python3-venv',
  )
  say('2/3 its packages, about half a minute')
  run(
    python,
    [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--no-input',
      '-r',
      requirements,
    ],
    'the packages could not be installed',
    'Check the network and pip’s own settings, then run this again',
  )
  say('3/3 a look at what was installed')
  run(
    python,
    ['-c', 'import kagglesdk, ipykernel, nbclient, nbformat, six'],
    'the packages do not load',
    'Run this again; when it lasts, another Python may fit better',
  )
  writeFileSync(stampFile, stamp) // last: a set-up cut short is begun anew
  say('.venvs/clients is ready')
}
