import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { AppError, systemCode } from '../lib/errors.ts'

/** The folders and files of one session. `working` is where the notebook runs. */
export const sessionPaths = (dir: string) => ({
  notebook: join(dir, 'notebook.ipynb'),
  working: join(dir, 'working'),
  input: join(dir, 'input'),
  home: join(dir, 'home'),
  temporary: join(dir, 'tmp'),
  log: join(dir, 'output.log'),
  exit: join(dir, 'exit.json'),
})

export interface Mount {
  readonly folder: string
  readonly name: string
  readonly path: string
}

export interface Launch {
  readonly dir: string
  readonly source: string
  readonly mounts: readonly Mount[]
  readonly pythonPath: string
  readonly runnerPath: string
  /** What the machine sets besides a path, a home and a temporary folder. */
  readonly environment: Readonly<Record<string, string>>
  /** A folder of programs that it has besides those of this machine. */
  readonly programs: string | undefined
}

/**
 * The interpreter for a notebook, known by its text; undefined for the machine's own. Throws where one is wanted that does
 * not run.
 */
export type PythonFor = (notebook: string) => string | undefined

/** Where any machine has its programs. */
const usualPath = ['/usr/local/bin', '/usr/bin', '/bin']

const interpreters = new Map<string, string>()

/**
 * The interpreter behind a name: `python3` may be a shim that costs time at each start.
 * Throws `unavailable` (`python_missing`) when it does not run.
 */
export function resolvePython(name: string): string {
  const known = interpreters.get(name)
  if (known !== undefined) return known
  try {
    const path = execFileSync(name, ['-c', 'import sys; print(sys.executable)'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    interpreters.set(name, path.trim())
    return path.trim()
  } catch (cause) {
    throw new AppError('unavailable', `${name} does not run, and notebooks need it`, {
      code: 'python_missing',
      cause,
      next: 'Install Python 3.10 or newer, or name another interpreter',
    })
  }
}

/**
 * Starts a notebook in a process group of its own. Its output goes to a file: a pipe would end it together with us.
 * Nothing of this process's environment reaches it.
 */
export function launch(order: Launch): ChildProcess {
  const { dir, source, mounts, pythonPath, runnerPath, environment, programs } = order
  const paths = sessionPaths(dir)
  for (const folder of [paths.working, paths.input, paths.home, paths.temporary])
    mkdirSync(folder, { recursive: true })
  for (const { folder, name, path } of mounts) {
    mkdirSync(join(paths.input, folder), { recursive: true })
    symlinkSync(path, join(paths.input, folder, name))
  }
  writeFileSync(paths.notebook, source)
  const log = openSync(paths.log, 'a', 0o600)
  try {
    const args = ['--notebook', paths.notebook, '--cwd', paths.working, '--exit-file', paths.exit]
    const child = spawn(pythonPath, [runnerPath, ...args], {
      cwd: paths.working,
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        PATH: [...(programs ? [programs] : []), dirname(pythonPath), ...usualPath].join(':'),
        HOME: paths.home,
        TMPDIR: paths.temporary,
        LANG: 'C.UTF-8',
        PYTHONUNBUFFERED: '1',
        OMP_NUM_THREADS: '1', // several sessions share this machine's few cores: more threads are slower by far
        ...environment,
      },
    })
    child.unref()
    return child
  } finally {
    closeSync(log)
  }
}

/** What the runner leaves behind. `endedAt` is seconds since 1970 or ISO 8601. */
const Exit = z.object({
  code: z.number(),
  error: z.unknown().optional(),
  endedAt: z.union([z.number(), z.string()]).optional(),
})

export interface Ending {
  readonly code: number
  readonly error: string | null
  readonly endedAt: Date | null
}

/** How the runner says it ended, or null when it never came to say so. */
export function readEnding(dir: string): Ending | null {
  let text: string
  try {
    text = readFileSync(sessionPaths(dir).exit, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
  const parsed = Exit.safeParse(parseJson(text))
  if (!parsed.success) return null
  const { code, error, endedAt } = parsed.data
  const date =
    endedAt === undefined ? null : new Date(typeof endedAt === 'number' ? endedAt * 1000 : endedAt)
  return {
    code,
    error: describe(error),
    endedAt: date === null || Number.isNaN(date.getTime()) ? null : date,
  }
}

function describe(error: unknown): string | null {
  if (error === undefined || error === null || error === '') return null
  return typeof error === 'string' ? error : JSON.stringify(error)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // half a file: the runner was killed while it wrote
  }
}
