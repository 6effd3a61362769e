import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { backupName, manifestFile } from '../../safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../../safekeeping/backup-place.ts'
import { type DriveClient, type DriveFile, FOLDER_TYPE } from './drive.ts'
import { uploadFile } from './upload-file.ts'

/** The property by which the files of a backup are found: listing a folder by its name would meet those of other programs. */
const property = 'rodizioBackup'
/** The one whose coming makes it whole has another besides. */
const wholeBy = { rodizioBackupPart: 'manifest' }
/** What another process may still be sending is younger. */
const staleMs = 24 * 3_600_000

/** Backups on Google Drive, each in a folder of its own below the service's. Its files come one by one, the manifest last. */
export function driveBackups(drive: DriveClient, folder: string, clock: Clock): BackupPlace {
  const filesOf = (name: string) => drive.find({ appProperties: { [property]: name } })

  async function fileOf(name: string, file: string): Promise<DriveFile> {
    const found = (await filesOf(name)).find((one) => one.name === file)
    if (found) return found
    throw file === manifestFile
      ? new AppError('not-found', `there is no backup ${name} on Google Drive`, {
          code: 'backup_unknown',
          next: 'rodizio backup list --from drive shows those there are',
        })
      : new AppError('invalid', `the backup is damaged: ${file} is missing on Google Drive`, {
          code: 'backup_damaged',
          next: 'Use another one: rodizio backup list --from drive',
        })
  }

  async function names(): Promise<readonly string[]> {
    const manifests = await drive.find({ appProperties: wholeBy })
    const found = manifests.map(({ appProperties }) => appProperties[property] ?? '')
    return [...new Set(found)]
      .filter((name) => backupName.test(name))
      .toSorted()
      .toReversed()
  }

  /** What a process that died has left of a backup. */
  async function removeHalves(): Promise<void> {
    const parent = await drive.ensureFolder(`${folder}/backups`)
    const whole = new Set(await names())
    for (const { id, name, createdAt } of await drive.find({ parent, mimeType: FOLDER_TYPE })) {
      const age = clock.now().getTime() - createdAt.getTime()
      if (backupName.test(name) && !whole.has(name) && age > staleMs) await drive.remove(id)
    }
  }

  return {
    shown: 'drive',
    folder: null,
    names,
    read: async (name, file) => drive.download((await fileOf(name, file)).id),
    async keep(name, _staged, files) {
      await removeHalves()
      const parent = await drive.ensureFolder(`${folder}/backups/${name}`)
      for (const { name: file, bytes, sha256, from } of files) {
        const isLast = file === manifestFile
        const appProperties = { [property]: name, ...(isLast ? wholeBy : {}) }
        const [id] = await drive.generateIds(1)
        const upload = { name: file, parent, bytes, sha256, appProperties, ...(id ? { id } : {}) }
        await uploadFile({ drive, clock }, upload, from)
      }
    },
    async remove(name) {
      const files = await filesOf(name)
      // No whole backup any more from the first moment on.
      const [manifest] = files.filter((file) => file.name === manifestFile)
      if (manifest) await drive.remove(manifest.id)
      for (const parent of new Set(files.flatMap(({ parents }) => parents)))
        await drive.remove(parent)
    },
  }
}
