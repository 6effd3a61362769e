import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import { killGroup, processStartedAt } from '../../lib/processes.ts'

/** The process that started a script and waits for its end. It leads a group of its own and outlives us. */
export interface Follower {
  readonly pid: number
  /** The system's own word for when it began; null when it had ended by then. */
  readonly processStartedAt: string | null
}

export interface ProcessOrder {
  /** The program, by its path or as found on the `PATH` of `env`. */
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly output: number | 'pipe'
  /** Whether the arguments must be seen by nobody else; then the program must be a Python script. */
  readonly isSecret: boolean
  /** Gets `{"code": <exit status>}` when the program ends by itself, whoever is there to see it. */
  readonly exitPath?: string | undefined
  /** Called with the process before it is told what to do: one that nobody noted has done nothing. */
  readonly note?: ((follower: Follower) => void) | undefined
}

/**
 * Reads its arguments from its input, where nobody else can see them, and goes on as the program itself: secrets can be
 * given to it only as arguments, and those of a process are listed to every user of the machine.
 */
const TRAMPOLINE = `
import json, os, runpy, sys
order = json.loads(sys.stdin.readline())
sys.argv = order['argv']
status = 1
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
    status = 0
except SystemExit as end:
    status = end.code if isinstance(end.code, int) else int(end.code is not None)
    raise
finally:
    if order['exit']:
        part = order['exit'] + '.part'
        with open(part, 'w') as file:
            json.dump({'code': status}, file)
        os.replace(part, order['exit'])
`

/**
 * Starts the command line in a process group of its own. Throws `unavailable`: `colab_cli_missing`, or `colab_cli_wrapped`
 * for secret arguments of a program that is no Python script.
 */
export async function startProgram(order: ProcessOrder): Promise<ChildProcess> {
  const { command, args, env, output } = order
  const program = whereIs(command, env)
  const [interpreter, ...flags] = pythonOf(program) ?? []
  if (!interpreter && order.isSecret) {
    throw new AppError('unavailable', `${program} is a wrapper, which would show its arguments`, {
      code: 'colab_cli_wrapped',
      next: 'Set RODIZIO_COLAB_CLI to the program itself: bin/colab in the environment of google-colab-cli',
    })
  }
  const child = interpreter
    ? spawn(interpreter, [...flags, '-c', TRAMPOLINE], {
        env,
        detached: true,
        stdio: ['pipe', output, output],
      })
    : spawn(program, args, { env, detached: true, stdio: ['ignore', output, output] })
  try {
    await spawned(child)
  } catch (cause) {
    throw missing(`${command} cannot be started: ${messageOf(cause)}`, cause)
  }
  const pid = child.pid ?? 0
  try {
    order.note?.({ pid, processStartedAt: processStartedAt(pid) })
  } catch (error) {
    killGroup(pid)
    throw error
  }
  child.stdin?.once('error', () => undefined) // it ended before it read: its status says so
  child.stdin?.end(`${JSON.stringify({ argv: [program, ...args], exit: order.exitPath ?? '' })}\n`)
  return child
}

export const howToInstall =
  'Install it where this service runs, with Python 3.12 or newer: uv tool install google-colab-cli (or: pipx install google-colab-cli); RODIZIO_COLAB_CLI names its program'

const missing = (message: string, cause?: unknown): AppError =>
  new AppError('unavailable', message, {
    code: 'colab_cli_missing',
    next: howToInstall,
    ...(cause === undefined ? {} : { cause }),
  })

/** The path of a program; a bare name is looked for as a shell would. */
function whereIs(command: string, env: Readonly<Record<string, string>>): string {
  const isPath = command.includes('/')
  const folders = isPath ? [''] : (env.PATH ?? '').split(delimiter)
  const paths = folders.map((folder) => (folder === '' ? command : join(folder, command)))
  const found = paths.find((path) => existsSync(path))
  if (found === undefined)
    throw missing(`there is no program ${command}${isPath ? '' : ' on the PATH'}`)
  return found
}

/**
 * The interpreter of a program that is a Python script, with its flags, or null. Where its path is too long for a first
 * line, installers write a shell's line that names it (`'''exec' /path/python "$0" "$@"`).
 */
function pythonOf(program: string): string[] | null {
  const [first = '', second = ''] = readFileSync(program).subarray(0, 4096).toString().split('\n')
  const [, long] = /^'''exec' "?([^"]+?)"? "\$0"/.exec(second) ?? []
  const words = long === undefined ? first.replace(/^#!\s*/, '').split(/\s+/) : [long]
  const isPython =
    long !== undefined || (first.startsWith('#!') && /python[\d.]*$/.test(first.trim()))
  return isPython ? words : null
}

/** Resolves when a child has really started. */
function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => resolve())
  })
}
