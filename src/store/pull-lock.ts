import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, systemCode } from '../lib/errors.ts'
import { isSameProcessAlive, processStartedAt } from '../lib/processes.ts'

interface Holder {
  readonly pid: number
  readonly startedAt: string | null
}

/**
 * Takes a folder for this process, so that no two write into it at once; a dead holder's is taken over.
 * @returns what gives it back
 * @throws AppError `conflict` (`pull_running`) that names the process which has it
 */
export async function lockFolder(root: string): Promise<() => Promise<void>> {
  await mkdir(root, { recursive: true })
  const path = join(root, '.lock')
  const own = join(root, `.current-${randomBytes(6).toString('hex')}`) // tidied away where it is left
  const holder: Holder = { pid: process.pid, startedAt: processStartedAt(process.pid) }
  await writeFile(own, JSON.stringify(holder))
  try {
    for (let tries = 0; tries < 10; tries += 1) {
      try {
        await link(own, path) // fails where it stands already
        return async () => rm(path, { force: true })
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
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

const taken = (root: string, pid: number | null): AppError =>
  new AppError(
    'conflict',
    `another pull${pid === null ? '' : ` (process ${pid})`} is at work in ${root}`,
    { code: 'pull_running', next: 'Wait for it, or end it; each folder has one pull at a time' },
  )
