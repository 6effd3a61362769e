import { createReadStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import { backupName, manifestFile } from '../safekeeping/backup-manifest.ts'
import { syncFolder, writeWhole } from './backup-files.ts'
import { stageIn } from './backup-folder.ts'
import { type ReadableBackup, verifyBackup } from './read-backup.ts'

/**
 * Copies a backup as it is into a folder of backups, and gives its path; one of that name which is whole there stays as it is.
 * @throws AppError `invalid` (`backup_damaged`) when what arrived is not whole; then nothing stays
 */
export async function fetchBackup(
  backup: ReadableBackup,
  root: string,
  now: Date,
): Promise<string> {
  const { place, name, manifest } = backup
  if (!backupName.test(name)) throw new AppError('not-found', `${name} is no name of a backup`)
  const target = join(root, name)
  if (existsSync(join(target, manifestFile))) return target
  const staged = await stageIn(root, `${name}-copy`, true, now)
  try {
    for (const file of [...manifest.files.map((one) => one.name), manifestFile])
      await writeWhole(join(staged, file), await place.read(name, file))
    const read = async (_name: string, file: string) => createReadStream(join(staged, file))
    await verifyBackup({ ...backup, place: { ...place, read } })
    await syncFolder(staged)
    await rename(staged, target)
    await syncFolder(root)
    return target
  } catch (error) {
    await rm(staged, { recursive: true, force: true })
    throw error
  }
}
