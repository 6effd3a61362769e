import { createReadStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { backupName, manifestFile } from '../safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../safekeeping/backup-place.ts'
import { syncFolder } from './backup-files.ts'
import { makeFolder } from './data-folder.ts'

/** What is being made, or on its way out, begins so: no name of a backup does. */
export const partPrefix = '.part-'
/** What another process may still be working on is younger. */
const staleMs = 24 * 3_600_000

/** Backups in a folder, each a folder of its own; a rename makes one whole. */
export function backupFolder(root: string): BackupPlace {
  return {
    shown: `folder:${root}`,
    folder: root,
    async names() {
      const found = await readdir(root).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return []
        throw error
      })
      return found
        .filter((name) => backupName.test(name))
        .toSorted()
        .toReversed()
    },
    read: async (name, file) => {
      if (!backupName.test(name)) throw unknownBackup(name, root)
      return readFrom(join(root, name), file)
    },
    async keep(name, staged) {
      await rename(staged, join(root, name))
      await syncFolder(root)
    },
    async remove(name) {
      if (!backupName.test(name)) return
      // No whole backup any more from the first moment on.
      const going = join(root, `${partPrefix}${name}-going`)
      await rename(join(root, name), going).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error
      })
      await rm(going, { recursive: true, force: true })
    },
  }
}

/** One backup, by the path of its folder. */
export function backupAt(path: string): BackupPlace {
  const root = backupFolder(path)
  return { ...root, read: (_name, file) => readFrom(path, file) }
}

async function readFrom(folder: string, file: string): Promise<AsyncIterable<Uint8Array>> {
  const path = join(folder, file)
  await stat(path).catch((cause: unknown) => {
    if (systemCode(cause) !== 'ENOENT' && systemCode(cause) !== 'ENOTDIR')
      throw new AppError('invalid', `${path} cannot be read: ${messageOf(cause)}`, { cause })
    const isWhole = file === manifestFile
    throw isWhole
      ? unknownBackup(folder, 'that path')
      : new AppError('invalid', `the backup is damaged: ${file} is missing in ${folder}`, {
          code: 'backup_damaged',
          next: 'Use another one: rodizio backup list',
        })
  })
  return createReadStream(path)
}

const unknownBackup = (name: string, where: string): AppError =>
  new AppError('not-found', `there is no backup ${name} at ${where}`, {
    code: 'backup_unknown',
    next: 'rodizio backup list shows those there are; --from says where to look',
  })

/**
 * A folder on the place's own disk in which a backup can be made.
 * @param isOurs nobody else makes backups there, so that whatever is half there was left by a process that died
 * @throws AppError `invalid` (`backup_place`) when nothing can be written there
 */
export async function stageIn(root: string, name: string, isOurs: boolean, now: Date) {
  try {
    makeFolder(root)
    for (const left of await readdir(root)) {
      if (!left.startsWith(partPrefix)) continue
      const { mtimeMs } = await stat(join(root, left))
      if (isOurs || now.getTime() - mtimeMs > staleMs)
        await rm(join(root, left), { recursive: true, force: true })
    }
    const staged = join(root, `${partPrefix}${name}`)
    await mkdir(staged, { mode: 0o700 })
    return staged
  } catch (cause) {
    if (systemCode(cause) === 'ENOSPC' || systemCode(cause) === 'EDQUOT') throw cause
    throw new AppError('invalid', `no backup can be put into ${root}: ${messageOf(cause)}`, {
      code: 'backup_place',
      next: 'Name a folder that the service may write: RODIZIO_BACKUP_TO, or --to folder:/path',
      cause,
    })
  }
}
