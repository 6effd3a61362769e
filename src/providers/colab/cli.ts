import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { isSameProcessAlive, killGroup, processStartedAt } from '../../lib/processes.ts'
import {
  type CliSession,
  type CliUsage,
  type RefusedReason,
  reasonIn,
  sentenceIn,
  sessionsIn,
  usageIn,
} from './cli-output.ts'

export interface ColabCliOptions {
  /** The program, by its path or as found on the `PATH` of `env`. */
  readonly command: string
  /** A folder of the product's own in which the program keeps its sign-in and its sessions. */
  readonly home: string
  /** All that the program gets as its environment, besides its home. */
  readonly env: Readonly<Record<string, string>>
  /** How long it may take to answer, or to get a machine. */
  readonly timeoutMs: number
  readonly clock: Clock
}

export interface CliRunOrder {
  /** Of the session; a name that is in use must not be used again. */
  readonly name: string
  readonly gpu: 'T4'
  /** Set in the kernel before the script runs. Shown nowhere: not in arguments, not in what is thrown or returned. */
  readonly env: Readonly<Record<string, string>>
  /** The script is given up when it has said nothing for so long. */
  readonly timeoutSeconds: number
  /** Gets what the program and the script print. */
  readonly logPath: string
}

/** The process that started a script and waits for its end. It leads a group of its own and outlives us. */
export interface Follower {
  readonly pid: number
  /** The system's own word for when it began; null when it had ended by then. */
  readonly processStartedAt: string | null
}

export type CliRunResult =
  | ({ readonly kind: 'started'; readonly session: string } & Follower)
  | { readonly kind: 'refused'; readonly reason: RefusedReason; readonly message: string }

/** Colab through its official command line, google-colab-cli. */
export interface ColabCli {
  /**
   * Asks for a machine and starts a script on it; the machine is given back when the script ends. Anything but a start is a
   * refusal, whatever its status was; where an answer was cut off, it may leave an orphan among the sessions. Throws `unavailable`: `colab_cli_missing`, or `answer_lost` when it was not known in time
   * whether there is a machine; then look at the sessions before another run.
   */
  run(script: string, order: CliRunOrder): Promise<CliRunResult>
  /** The machines that the account holds. Throws `unavailable`. */
  sessions(): Promise<CliSession[]>
  /**
   * Gives the machine of a session back, and ends the program that follows its script, which would wait on for its timeout;
   * false when there is no such session. Throws `unavailable`.
   */
  stop(name: string, follower?: Follower): Promise<boolean>
  /** Gives back an orphan, by its endpoint; false when it is already gone. Throws `unavailable`. */
  release(endpoint: string): Promise<boolean>
  /** The account's balance. Free hours are not part of it. Throws `unavailable`. */
  usage(): Promise<CliUsage>
}

/**
 * Reads its arguments from its input, where nobody else can see them, and goes on as the program itself: secrets can be
 * given to it only as arguments, and those of a process are listed to every user of the machine.
 */
const TRAMPOLINE = [
  'import json, runpy, sys',
  'sys.argv = json.loads(sys.stdin.readline())',
  'runpy.run_path(sys.argv[0], run_name="__main__")',
].join('\n')

const POLL_MS = 100
const OUTPUT_CHARS = 64 * 1024

/** A driver's seam to the official command line. Nothing is started before the first call. */
export function colabCli(options: ColabCliOptions): ColabCli {
  const { home, timeoutMs, clock } = options
  const env = {
    TYPER_STANDARD_TRACEBACK: '1', // the other kind prints variables, secrets among them
    COLAB_CLI_ASSIGN_RETRIES: '0', // retrying is the planner's business
    LANG: 'C.UTF-8',
    ...options.env,
    HOME: home,
  }
  const states = join(home, '.config', 'colab-cli')

  /** The program notes its requests with their tokens, and each script with its environment: into nothing, here. */
  const prepare = (session?: string): void => {
    mkdirSync(join(states, 'history'), { recursive: true, mode: 0o700 })
    const silenced = ['colab.log', ...(session ? [join('history', `${session}.jsonl`)] : [])]
    for (const name of silenced) {
      const path = join(states, name)
      rmSync(path, { force: true })
      symlinkSync('/dev/null', path)
    }
    const settings = join(states, 'settings.json')
    if (!existsSync(settings)) writeFileSync(settings, '{"enable_update_check": false}')
  }

  const start = async (args: readonly string[], output: number | 'pipe'): Promise<ChildProcess> => {
    const program = whereIs(options.command, env)
    const [interpreter, ...flags] = pythonOf(program) ?? []
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
      throw missing(`${options.command} cannot be started: ${messageOf(cause)}`, cause)
    }
    child.stdin?.once('error', () => undefined) // it ended before it read: its status says so
    child.stdin?.end(`${JSON.stringify([program, ...args])}\n`)
    return child
  }

  /** Runs a command to its end. Throws when it is not done in time. */
  const ask = async (...args: string[]): Promise<{ status: number | null; output: string }> => {
    prepare()
    const child = await start(args, 'pipe')
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_CHARS)
      })
    const closed = new Promise<'closed'>((resolve) => child.once('close', () => resolve('closed')))
    const waiting = new AbortController()
    const first = await Promise.race([closed, clock.sleep(timeoutMs, waiting.signal)])
    waiting.abort()
    if (first === 'closed') return { status: child.exitCode, output }
    endGroup(child)
    throw new AppError('unavailable', `colab ${args[0]} gave no answer in ${timeoutMs} ms`, {
      code: 'timeout',
      next: 'It is tried again; when it lasts, run that command by hand',
    })
  }

  const answered = async (...args: string[]): Promise<string> => {
    const { status, output } = await ask(...args)
    if (status === 0) return output
    const denied = reasonIn(output) === 'denied'
    const command = args.find((arg) => /^[a-z]+$/.test(arg))
    const why = denied ? 'it is not signed in, or not let in' : sentenceIn(output)
    throw new AppError('unavailable', `colab ${command} failed: ${why}`, {
      code: denied ? 'colab_cli_denied' : 'colab_cli_failed',
      next: denied
        ? `Sign in once, by hand: HOME=${home} ${options.command} usage`
        : 'It is tried again; when it lasts, run that command by hand',
    })
  }

  const stopped = (output: string): boolean => output.includes('Session terminated')

  return {
    run: async (script, { name, gpu, env: secrets, timeoutSeconds, logPath }) => {
      const wrong = Object.keys(secrets).find((key) => !/^[A-Za-z_]\w*$/.test(key))
      if (wrong !== undefined) throw new AppError('invalid', `${wrong} cannot name a variable`)
      prepare(name)
      const variables = Object.entries(secrets).flatMap(([key, value]) => [
        '--env',
        `${key}=${value}`,
      ])
      const flags = ['--gpu', gpu, '--session', name, '--timeout', String(timeoutSeconds)]
      const log = openSync(logPath, 'w', 0o600)
      const child = await start(['run', ...flags, ...variables, script], log).finally(() =>
        closeSync(log),
      )
      const pid = child.pid ?? 0
      const startedAt = processStartedAt(pid)
      const printed = (): string => withoutSecrets(readFileSync(logPath, 'utf8'), secrets)
      const isReady = (): boolean => printed().includes(`Session READY (${name})`)
      const began = clock.monotonicMs()
      while (!isReady()) {
        if (child.exitCode !== null || child.signalCode !== null) {
          const said = printed()
          if (said.includes(`Session READY (${name})`)) break // it came and went between two looks
          return { kind: 'refused', reason: reasonIn(said), message: sentenceIn(said) }
        }
        if (clock.monotonicMs() - began >= timeoutMs) {
          endGroup(child)
          throw new AppError('unavailable', `colab run had no machine after ${timeoutMs} ms`, {
            code: 'answer_lost',
            next: 'Look at the sessions before another run is started',
          })
        }
        await clock.sleep(POLL_MS)
      }
      child.unref()
      return { kind: 'started', session: name, pid, processStartedAt: startedAt }
    },
    sessions: async () => sessionsIn(await answered('sessions')),
    stop: async (name, follower) => {
      const { pid = 0, processStartedAt: started = null } = follower ?? {}
      if (started !== null && isSameProcessAlive(pid, started)) killGroup(pid)
      return stopped(await answered('stop', '--session', name))
    },
    release: async (endpoint) => {
      const folder = mkdtempSync(join(tmpdir(), 'rodizio-colab-'))
      try {
        const known = { orphan: { name: 'orphan', token: '', url: '', endpoint } }
        const file = join(folder, 'sessions.json')
        writeFileSync(file, JSON.stringify(known), { mode: 0o600 })
        return stopped(await answered('--config', file, 'stop', '--session', 'orphan'))
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
    usage: async () => {
      const output = await answered('usage')
      const usage = usageIn(output)
      if (usage) return usage
      throw new AppError('unavailable', `colab usage made no sense: ${sentenceIn(output)}`, {
        code: 'bad_answer',
        next: 'This version of google-colab-cli may be too new: 0.7.5 is known to work',
      })
    },
  }
}

const missing = (message: string, cause?: unknown): AppError =>
  new AppError('unavailable', message, {
    code: 'colab_cli_missing',
    next: 'Install google-colab-cli with Python 3.12 or newer, and name its program',
    ...(cause === undefined ? {} : { cause }),
  })

/** The path of a program; a bare name is looked for as a shell would. */
function whereIs(command: string, env: Readonly<Record<string, string>>): string {
  const folders = command.includes('/') ? [''] : (env.PATH ?? '').split(delimiter)
  const paths = folders.map((folder) => (folder === '' ? command : join(folder, command)))
  const found = paths.find((path) => existsSync(path))
  if (found === undefined) throw missing(`there is no program ${command}`)
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

function endGroup(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null) killGroup(child.pid)
}

/** The program quotes an argument that it cannot read. */
const withoutSecrets = (text: string, secrets: Readonly<Record<string, string>>): string =>
  Object.values(secrets)
    .filter((value) => value !== '')
    .reduce((clean, value) => clean.replaceAll(value, '***'), text)
