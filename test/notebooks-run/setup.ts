import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Python, pythonOfLines } from './pythons.ts'

/**
 * Makes the Python environments in which the notebooks of the engine `trl` are tried, each from its lock in `stacks/`. A
 * second call with the same locks does nothing; names as arguments make those alone.
 */

const root = join(import.meta.dirname, '../..')
const UV = 'uv==0.13.9' // installs a stack from its own cache in seconds

/** The lines of Python of each stack, the best first: that of the image it stands for, where there is one. */
const stacks: Record<string, readonly number[]> = {
  newest: [13, 12, 11],
  colab: [13, 12, 11],
  kaggle: [12, 11],
}

const MODULES = 'torch, transformers, peft, accelerate, datasets, trl, bitsandbytes, nbclient'

/** What only a GPU needs, and torch’s build for the CPU does without. */
const gpuOnly = /^(?:nvidia|cuda|triton)/

const say = (text: string) => void process.stdout.write(`${text}\n`)

function giveUp(what: string, next: string): never {
  process.stderr.write(`setup:notebooks: ${what}\n  ${next}\n`)
  process.exit(1)
}

/** Runs a program to its end and gives what it said when it failed; on a terminal its own progress is shown. */
function failureOf(program: string, args: readonly string[]): string | null {
  const shown = process.stderr.isTTY ? 'inherit' : 'pipe'
  const ran = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, UV_HTTP_RETRIES: '2' },
    stdio: ['ignore', 'pipe', shown],
  })
  if (ran.error) return ran.error.message
  return ran.status === 0 ? null : `${ran.stdout}${ran.stderr ?? ''}exit status ${ran.status}`
}

function run(program: string, args: readonly string[], what: string, next: string): void {
  const failure = failureOf(program, args)
  if (failure === null) return
  process.stderr.write(`${failure}\n`)
  giveUp(what, next)
}

const network = 'Check the network and the installer’s own settings, then run this again'

/** The installer, in an environment of its own. */
function installer(base: Python): string {
  const folder = join(root, '.venvs/uv')
  const program = join(folder, 'bin/uv')
  const stampFile = join(folder, 'stamp')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === UV) return program
  rmSync(folder, { recursive: true, force: true })
  say(`the installer ${UV} in .venvs/uv`)
  const venv = 'On Debian and Ubuntu: apt-get install python3-venv'
  run(base.path, ['-m', 'venv', folder], 'no virtual environment could be made', venv)
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  run(join(folder, 'bin/python'), [...pip, UV], 'the installer could not be installed', network)
  writeFileSync(stampFile, UV)
  return program
}

function make(name: string, base: Python): void {
  const folder = join(root, '.venvs', `notebooks-${name}`)
  const lock = join(import.meta.dirname, 'stacks', `${name}.txt`)
  const python = join(folder, 'bin/python')
  const stampFile = join(folder, 'lock.sha256') // written last: a set-up cut short is begun anew
  const stamp = createHash('sha256').update(readFileSync(lock)).update(base.version).digest('hex')
  const isCurrent = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp
  if (isCurrent && spawnSync(python, ['-c', '']).status === 0) {
    say(`.venvs/notebooks-${name} stands and fits its lock: nothing to do`)
    return
  }
  const uv = installer(base)
  rmSync(folder, { recursive: true, force: true })
  say(`1/3 an environment in .venvs/notebooks-${name} (Python ${base.version})`)
  const next = `Remove .venvs/notebooks-${name}, then run this again`
  const venv = ['venv', '--quiet', '--seed', '--python', base.path, folder]
  run(uv, venv, 'no environment could be made', next)
  install(uv, python, lock)
  say('3/3 a look at what was installed')
  run(python, ['-c', `import ${MODULES}`], 'the packages do not load', next)
  writeFileSync(stampFile, stamp)
  say(`.venvs/notebooks-${name} is ready`)
}

/** Puts the packages of the lock there, with torch for the CPU where no GPU is and its builds can be reached. */
function install(uv: string, python: string, lock: string): void {
  const command = ['pip', 'install', '--python', python, '--no-deps']
  if (spawnSync('nvidia-smi', { stdio: 'ignore' }).status !== 0) {
    say('2/3 its packages, torch for the CPU')
    const cpuLock = join(python, '../../cpu.txt')
    const lines = readFileSync(lock, 'utf8').split('\n')
    writeFileSync(cpuLock, lines.filter((line) => !gpuOnly.test(line)).join('\n'))
    if (failureOf(uv, [...command, '--torch-backend', 'cpu', '-r', cpuLock]) === null) return
    say('    its builds for the CPU cannot be had here: those for a GPU run on a CPU as well')
  }
  say('2/3 its packages with those for a GPU, some 5 GB: a minute or more')
  run(uv, [...command, '-r', lock], 'the packages could not be installed', network)
}

const wanted = process.argv.slice(2)
const known = Object.keys(stacks)
const unknown = wanted.find((name) => !known.includes(name))
if (unknown !== undefined) giveUp(`there is no stack ${unknown}`, `There are: ${known.join(', ')}`)
for (const [name, lines] of Object.entries(stacks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const base = pythonOfLines(lines)
  const versions = lines.map((line) => `3.${line}`).join(' or ')
  if (!base)
    giveUp(`the stack ${name} wants Python ${versions}`, 'Install it, or name other stacks')
  make(name, base)
}
