import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'

export interface TinyBaseOrder {
  /** A Python with torch and transformers. */
  readonly python: string
  /** The program that makes a base: `FOLDER TEXT.jsonl`. */
  readonly maker: string
  /** The conversations that its vocabulary is learned from. */
  readonly text: string
  readonly folder: string
  readonly path: string
  /** Fires when the base is not waited for any longer. */
  readonly stop: AbortSignal
}

/** A busy machine may need a minute for what takes a free one ten seconds. */
const longestMs = 240_000

/**
 * Makes a base of toy size in `folder`, unless it stands there. It is made beside it and renamed: a kill leaves nothing half,
 * and what one has left is removed by the next.
 * @throws AppError `unavailable` (`tiny_base_failed`) with the last words of the maker
 */
export async function makeTinyBase(order: TinyBaseOrder): Promise<void> {
  const { folder } = order
  if (existsSync(folder)) return
  const prefix = `${basename(folder)}.part-`
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix)) continue
    await rm(join(dirname(folder), name), { recursive: true, force: true })
  }
  const part = await mkdtemp(join(dirname(folder), prefix))
  try {
    await run(order, part)
    await rename(part, folder)
  } finally {
    await rm(part, { recursive: true, force: true })
  }
}

function run({ python, maker, text, path, stop }: TinyBaseOrder, part: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [maker, part, text], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: path, HOME: part, OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
      signal: AbortSignal.any([stop, AbortSignal.timeout(longestMs)]),
      killSignal: 'SIGKILL',
    })
    let told = ''
    child.stderr.on('data', (piece: Buffer) => {
      told = (told + piece.toString('utf8')).slice(-4000)
    })
    const fail = (why: string, cause?: unknown) =>
      reject(
        new AppError('unavailable', `the tiny base could not be made: ${why}`, {
          code: 'tiny_base_failed',
          next: `Try by hand: ${python} ${maker} FOLDER ${text}`,
          cause,
        }),
      )
    child.once('error', (error) => {
      const aborted = stop.aborted ? 'it was stopped' : `it took more than ${longestMs / 1000} s`
      fail(error.name === 'AbortError' ? aborted : messageOf(error), error)
    })
    child.once('close', (status) => {
      if (status === 0) resolve()
      else fail(told.trim().split('\n').at(-1) || `exit status ${status}`)
    })
  })
}
