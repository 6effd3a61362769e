import type { ChildProcess } from 'node:child_process'
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
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { isSameProcessAlive, killGroup } from '../../lib/processes.ts'
import type { ColabRefusedReason } from '../../rotation/colab-refusal.ts'
import {
  type CliSession,
  type CliUsage,
  isTooOld,
  oldestVersion,
  reasonIn,
  sentenceIn,
  sessionsIn,
  usageIn,
  versionIn,
} from './cli-output.ts'
import { type Follower, howToInstall, startProgram } from './cli-process.ts'

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
  /**
   * After so long a follower whose connection was cut gives the machine back; one that is still connected waits on, busily:
   * choose more than the script takes (jupyter_kernel_client 0.9.0, `execute_interactive`, read 2026-11).
   */
  readonly timeoutSeconds: number
  /** Gets what the program and the script print. */
  readonly logPath: string
  /** Gets `{"code": <exit status>}` when the program ends by itself. */
  readonly exitPath?: string
  /** Called with the follower before it has asked for anything. */
  readonly note?: (follower: Follower) => void
}

export type CliRunResult =
  | ({ readonly kind: 'started'; readonly session: string } & Follower)
  | { readonly kind: 'refused'; readonly reason: ColabRefusedReason; readonly message: string }

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
  /** The machine that the program's own notes have under that name, or null. */
  endpointOf(name: string): string | null
  /** The version of the program. Throws `unavailable`: `colab_cli_missing`, or `colab_cli_old`. */
  version(): Promise<string>
}

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

  const { command } = options

  /** Runs a command to its end. Throws when it is not done in time. */
  const ask = async (...args: string[]): Promise<{ status: number | null; output: string }> => {
    prepare()
    const child = await startProgram({ command, args, env, output: 'pipe', isSecret: false })
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
    const verb = args.find((arg) => /^[a-z]+$/.test(arg))
    const why = denied ? 'it is not signed in, or not let in' : sentenceIn(output)
    throw new AppError('unavailable', `colab ${verb} failed: ${why}`, {
      code: denied ? 'colab_cli_denied' : 'colab_cli_failed',
      next: denied
        ? `Sign in once, by hand, where this service runs: HOME=${quoted(home)} ${quoted(command)} usage`
        : 'It is tried again; when it lasts, run that command by hand',
    })
  }

  const stopped = (output: string): boolean => output.includes('Session terminated')

  return {
    run: async (script, order) => {
      const { name, gpu, env: secrets, timeoutSeconds, logPath, exitPath } = order
      const wrong = Object.keys(secrets).find((key) => !/^[A-Za-z_]\w*$/.test(key))
      if (wrong !== undefined) throw new AppError('invalid', `${wrong} cannot name a variable`)
      prepare(name)
      const variables = Object.entries(secrets).flatMap(([key, value]) => [
        '--env',
        `${key}=${value}`,
      ])
      const flags = ['--gpu', gpu, '--session', name, '--timeout', String(timeoutSeconds)]
      const log = openSync(logPath, 'w', 0o600)
      let follower: Follower = { pid: 0, processStartedAt: null }
      const child = await startProgram({
        command,
        args: ['run', ...flags, ...variables, script],
        env,
        output: log,
        isSecret: variables.length > 0,
        exitPath,
        note: (begun) => {
          follower = begun
          order.note?.(begun)
        },
      }).finally(() => closeSync(log))
      const printed = (): string => withoutSecrets(readFileSync(logPath, 'utf8'), secrets)
      const isReady = (): boolean => saysReady(printed(), name)
      const began = clock.monotonicMs()
      while (!isReady()) {
        if (child.exitCode !== null || child.signalCode !== null) {
          const said = printed()
          if (saysReady(said, name)) break // it came and went between two looks
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
      return { kind: 'started', session: name, ...follower }
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
        next: `This version of google-colab-cli may be too new: ${oldestVersion} is known to work`,
      })
    },
    endpointOf: (name) => {
      try {
        const notes = Notes.parse(JSON.parse(readFileSync(join(states, 'sessions.json'), 'utf8')))
        return notes[name]?.endpoint ?? null
      } catch {
        return null // nothing noted yet, being written, or in a form of another version
      }
    },
    version: async () => {
      const { output } = await ask('version')
      const version = versionIn(output)
      if (version !== null && !isTooOld(version)) return version
      const found = version ?? sentenceIn(output)
      throw new AppError('unavailable', `${command} is no google-colab-cli of use: ${found}`, {
        code: 'colab_cli_old',
        next: `Version ${oldestVersion} or newer is needed. ${howToInstall}`,
      })
    },
  }
}

/** The part of the program's own list of sessions that is of use here. */
const Notes = z.record(z.string(), z.looseObject({ endpoint: z.string() }))

/** What the program prints once there is a machine, just before the script is sent to it. */
export const saysReady = (output: string, name: string): boolean =>
  output.includes(`Session READY (${name})`)

/** A word as a shell takes it. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

function endGroup(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null) killGroup(child.pid)
}

/** The program quotes an argument that it cannot read. */
const withoutSecrets = (text: string, secrets: Readonly<Record<string, string>>): string =>
  Object.values(secrets)
    .filter((value) => value !== '')
    .reduce((clean, value) => clean.replaceAll(value, '***'), text)
