import { type S3Access, s3Access } from '../config/s3-access.ts'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { type BackupDestination, backupDestination } from '../safekeeping/backup-destination.ts'
import type { BackupPlace } from '../safekeeping/backup-place.ts'
import { backupFolder } from '../store/backup-folder.ts'
import { folderLayout } from '../store/data-folder.ts'

/**
 * The place of backups that a word names; as set where none is given.
 * @param drive how the one on Google Drive is reached, or why it is not
 */
export const placesFor =
  (config: Config, clock: Clock, drive: () => BackupPlace) =>
  (to: string | undefined): BackupPlace => {
    const own = folderLayout(config.RODIZIO_DATA_DIR).backups
    const wanted = backupDestination(to ?? config.RODIZIO_BACKUP_TO, own)
    if (wanted.kind === 'drive') return drive()
    if (wanted.kind === 's3') return inBucket(wanted, s3Access(config), clock)
    return backupFolder(wanted.path)
  }

/** Loaded when it is first used: most services never speak S3. */
function inBucket(
  { bucket, prefix }: Extract<BackupDestination, { kind: 's3' }>,
  access: S3Access,
  clock: Clock,
): BackupPlace {
  const place = async () => {
    const { s3Backups } = await import('../providers/s3/backups.ts')
    return s3Backups({ ...access, bucket, prefix, clock })
  }
  return {
    shown: prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`,
    folder: null,
    names: async () => (await place()).names(),
    read: async (name, file) => (await place()).read(name, file),
    keep: async (name, staged, files) => (await place()).keep(name, staged, files),
    remove: async (name) => (await place()).remove(name),
  }
}
