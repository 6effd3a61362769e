import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../../lib/errors.ts'
import {
  findProcess,
  isSameProcessAlive,
  killGroup,
  processStartedAt,
} from '../../lib/processes.ts'
import type { Account } from '../../rotation/account.ts'
import type {
  LaunchOrder,
  LaunchResult,
  Observed,
  SessionProvider,
} from '../../rotation/session-provider.ts'

export interface LocalOptions {
  /** One folder a session is made below it. */
  readonly root: string
  /** The interpreter that runs a notebook, known by its text. Throws with a sentence where there is none. */
  readonly python: (notebook: string) => string
  /** The program that runs a notebook's cells and writes its exit file. */
  readonly runnerPath: string
  readonly now: () => Date
}

const Process = z.object({ pid: z.number().int(), startedAt: z.string() })
const Ending = z.object({ code: z.number(), error: z.string().nullable().optional() })

/**
 * Sessions on this machine: a child in a process group of its own, output to a file, known by pid and start time across
 * restarts of the service. Its exit status is written by its runner, so that it is known whoever is there to see it.
 */
export function localSessions(
  options: LocalOptions,
): SessionProvider & { endOrphans(open: ReadonlySet<string>): Promise<void> } {
  const paths = (name: string) => {
    const folder = join(options.root, name)
    return {
      folder,
      notebook: join(folder, 'notebook.ipynb'),
      working: join(folder, 'working'),
      temporary: join(folder, 'tmp'),
      log: join(folder, 'output.log'),
      exit: join(folder, 'exit.json'),
      process: join(folder, 'process.json'),
    }
  }

  /** The live process of a session: by what was noted at its start, or, when we died before noting it, by its arguments. */
  async function livePid(name: string): Promise<number | undefined> {
    const { process: file, notebook } = paths(name)
    const noted = Process.safeParse(await readJson(file))
    if (noted.success) {
      const { pid, startedAt } = noted.data
      return isSameProcessAlive(pid, startedAt) ? pid : undefined
    }
    return findProcess(notebook) ?? undefined
  }

  async function observe(_account: Account, name: string): Promise<Observed> {
    const { folder, exit } = paths(name)
    const pid = await livePid(name)
    if (pid !== undefined) return { kind: 'running', handle: String(pid) }
    if (!existsSync(folder)) return { kind: 'absent' }
    const ending = Ending.safeParse(await readJson(exit))
    if (ending.success) {
      const { code, error } = ending.data
      return { kind: 'ended', failed: code !== 0, message: error ?? null }
    }
    // A folder without a process and without an ending: never started, or killed.
    if (!existsSync(paths(name).log)) return { kind: 'absent' }
    return { kind: 'ended', failed: true, message: 'its process was killed' }
  }

  async function launch({ name, notebook }: LaunchOrder): Promise<LaunchResult> {
    const place = paths(name)
    try {
      const python = options.python(notebook)
      for (const folder of [place.working, place.temporary]) mkdirSync(folder, { recursive: true })
      await writeFile(place.notebook, notebook, { mode: 0o600 })
      const log = openSync(place.log, 'a', 0o600)
      const args = [options.runnerPath, '--notebook', place.notebook, '--cwd', place.working]
      const child = spawn(python, [...args, '--exit-file', place.exit], {
        cwd: place.working,
        detached: true,
        stdio: ['ignore', log, log],
        env: {
          PATH: `${dirname(python)}:/usr/local/bin:/usr/bin:/bin`,
          HOME: place.folder,
          TMPDIR: place.temporary,
          LANG: 'C.UTF-8',
          PYTHONUNBUFFERED: '1',
          OMP_NUM_THREADS: '1', // training on a GPU needs no more, and on a busy CPU more are slower by far
        },
      })
      closeSync(log)
      const pid = await started(child)
      child.unref()
      const startedAt = processStartedAt(pid) ?? 'ended'
      await writeFile(place.process, JSON.stringify({ pid, startedAt }), { mode: 0o600 })
      return { kind: 'started', handle: String(pid) }
    } catch (error) {
      await rm(place.folder, { recursive: true, force: true })
      const retryAt = new Date(options.now().getTime() + 60_000)
      return { kind: 'refused', reason: messageOf(error), retryAt }
    }
  }

  return {
    name: 'local',
    appearsWithinSeconds: 0,
    tells: () => true,
    sealed: () => false,
    launch,
    observe,
    async kill(_account, name) {
      const pid = await livePid(name)
      if (pid !== undefined) killGroup(pid)
      return true
    },
    async askToStop(_account, name) {
      const pid = await livePid(name)
      if (pid === undefined) return
      try {
        process.kill(pid, 'SIGTERM')
      } catch {
        // It ended between the look and the signal.
      }
    },
    logTail: (_account, name, maxChars) => readTail(paths(name).log, maxChars),
    quota: async () => null,
    /** Ends what an earlier service left running and no open session owns. */
    async endOrphans(open) {
      const names = await readdir(options.root).catch(() => []) // nothing has run here yet
      for (const name of names.filter((name) => !open.has(name))) {
        const pid = await livePid(name)
        if (pid !== undefined) killGroup(pid)
      }
    },
  }
}

/** The pid of a child that has really started. */
function started(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => resolve(child.pid ?? 0))
  })
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return undefined // not written yet, or half-written by a process that was killed
  }
}

async function readTail(file: string, maxBytes: number): Promise<string> {
  const handle = await open(file, 'r').catch(() => undefined) // no output yet
  if (!handle) return ''
  try {
    const { size } = await handle.stat()
    const from = Math.max(0, size - maxBytes)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from)
    return buffer.subarray(0, bytesRead).toString('utf8')
  } finally {
    await handle.close()
  }
}
