import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { isSameProcessAlive, processStartedAt } from '../lib/processes.ts'

interface Holder {
  readonly pid: number
  readonly startedAt: string | null
}

/**
 * Takes a folder for this process, so that no two write into it at once; a dead holder's is taken over.
 * @returns what gives it back
 * @throws AppError `conflict` (`pull_running`) that names the process which has it, `invalid` (`folder_refused`)
 */
export async function lockFolder(root: string): Promise<() => Promise<void>> {
  await mkdir(root, { recursive: true }).catch((cause: unknown) => {
    throw notWritable(root, cause)
  })
  const path = join(root, '.lock')
  const own = join(root, `.current-${randomBytes(6).toString('hex')}`) // tidied away where it is left
  const holder: Holder = { pid: process.pid, startedAt: processStartedAt(process.pid) }
  try {
    for (let tries = 0; tries < 10; tries += 1) {
      try {
        await writeFile(own, JSON.stringify(holder)) // whoever has the folder may have tidied it away
        await link(own, path) // fails where it stands already
        return async () => rm(path, { force: true })
      } catch (error) {
        const code = systemCode(error)
        if (code !== 'EEXIST' && code !== 'ENOENT') throw notWritable(root, error)
      }
      await removeDead(root, path)
    }
  } finally {
    await rm(own, { force: true })
  }
  throw taken(root, null)
}

async function removeDead(root: string, path: string): Promise<void> {
  const text = await read(path)
  if (text === null) return
  const held = holderOf(text)
  if (held && held.startedAt !== null && isSameProcessAlive(held.pid, held.startedAt)) {
    throw taken(root, held.pid)
  }
  const away = join(root, `.current-${randomBytes(6).toString('hex')}`)
  await rename(path, away).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error // somebody else was faster
  })
  // Between the reading and the renaming another one may have taken it: that one keeps it.
  const moved = await read(away)
  if (moved !== null && moved !== text) await link(away, path).catch(() => undefined)
  await rm(away, { force: true })
}

const read = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  })

function holderOf(text: string): Holder | null {
  try {
    const { pid, startedAt } = JSON.parse(text) as Partial<Holder>
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : null
  } catch {
    return null // torn by a crash
  }
}

const notWritable = (root: string, cause: unknown): AppError =>
  new AppError('invalid', `nothing can be written in ${root}: ${messageOf(cause)}`, {
    code: 'folder_refused',
    next: 'Name a folder of this user with --to, on a disk with room',
    cause,
  })

const taken = (root: string, pid: number | null): AppError =>
  new AppError(
    'conflict',
    `another pull${pid === null ? '' : ` (process ${pid})`} is at work in ${root}`,
    { code: 'pull_running', next: 'Wait for it, or end it; each folder has one pull at a time' },
  )
