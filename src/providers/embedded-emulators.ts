import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { isSameProcessAlive } from '../lib/processes.ts'

const File = z.object({
  pid: z.number().int(),
  startTime: z.string().nullable(),
  urls: z.object({
    kaggle: z.string(),
    drive: z.string(),
    googleToken: z.string(),
    colab: z.string(),
  }),
  adminToken: z.string(),
})

export interface EmbeddedOptions {
  /** Where the emulators keep their state, from one start of the service to the next. */
  readonly stateDir: string
  /** The program and its arguments up to the command, as this process itself was started. */
  readonly program: readonly [string, ...string[]]
  readonly python: string
  /** The one for the engine `trl`, where the person names one. */
  readonly trlPython: string | undefined
  /** The search path for programs, all that they get of this process's environment. */
  readonly path: string
  readonly clock: Clock
}

/** They end themselves and their sessions when no service has claimed them for so long. */
export const claimSeconds = 60

/**
 * The emulators that belong to this data folder, in a process of their own that outlives a killed service.
 * `ensure` finds them again or starts them; it is called before each use and is cheap while they stand.
 */
export function embeddedEmulators(options: EmbeddedOptions) {
  const { stateDir, program, clock } = options
  const file = join(stateDir, 'emulators.json')

  function found(): z.output<typeof File> | undefined {
    try {
      const read = File.parse(JSON.parse(readFileSync(file, 'utf8')))
      const alive = read.startTime !== null && isSameProcessAlive(read.pid, read.startTime)
      return alive ? read : undefined
    } catch {
      return undefined // none has started here yet, or it is just being written
    }
  }

  async function admin(name: string, body: unknown): Promise<void> {
    const serving = found()
    if (!serving) throw new AppError('unavailable', 'the emulators are not running')
    const response = await fetch(`${serving.urls.kaggle}/_emulator/${name}`, {
      method: 'POST',
      headers: { 'x-emulator-token': serving.adminToken, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    })
    await response.arrayBuffer()
    if (!response.ok) {
      throw new AppError('unavailable', `the emulator answered ${response.status} to ${name}`)
    }
  }

  function start(): void {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    const log = openSync(join(stateDir, 'emulators.log'), 'a', 0o600)
    const [command, ...args] = program
    const child = spawn(
      command,
      [
        ...args,
        'emulators',
        '--json',
        '--state',
        stateDir,
        '--claim-seconds',
        String(claimSeconds),
      ],
      {
        detached: true,
        stdio: ['ignore', log, log],
        env: {
          PATH: options.path,
          RODIZIO_PYTHON: options.python,
          ...(options.trlPython === undefined ? {} : { RODIZIO_TRL_PYTHON: options.trlPython }),
        },
      },
    )
    closeSync(log)
    child.on('error', () => undefined) // told below: nothing answers in time
    child.unref()
  }

  let starting: Promise<void> | undefined
  async function bringUp(): Promise<void> {
    start()
    const began = clock.monotonicMs()
    while (!found()) {
      if (clock.monotonicMs() - began > 15_000) {
        throw new AppError('unavailable', 'the emulators did not start', {
          code: 'emulators_silent',
          next: `Read why in ${join(stateDir, 'emulators.log')}`,
        })
      }
      await clock.sleep(50)
    }
  }

  return {
    /** @throws AppError `unavailable` (`emulators_silent`) when they do not come up within 15 s */
    async ensure(): Promise<void> {
      if (found()) return
      starting ??= bringUp().finally(() => {
        starting = undefined
      })
      await starting
    },
    /** Where they answer now; undefined while they are down. */
    urls: () => found()?.urls,
    claim: () => admin('claim', {}),
    /**
     * Stages the death of the n-th session that starts from now, or of the one of that name: SIGKILL some seconds after its
     * output shows a line.
     */
    stagePreemption: (session: number | string, afterLine: string, afterSeconds: number) =>
      admin('preempt', { session, afterLine, afterSeconds }),
  }
}

export type EmbeddedEmulators = ReturnType<typeof embeddedEmulators>
