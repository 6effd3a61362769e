import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { backupName, manifestFile } from '../../safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../../safekeeping/backup-place.ts'
import { type S3Client, s3Client } from './client.ts'
import type { S3HttpOptions } from './http.ts'
import { sendFile } from './send-file.ts'

/** What another process may still be sending is younger. */
const staleMs = 24 * 3_600_000
const silenceMs = 60_000

export interface S3BackupsOptions extends Omit<S3HttpOptions, 'timeoutMs'> {
  /** Without slashes at its ends; empty for the bucket's top. */
  readonly prefix: string
  /** How long nothing may move; a minute when left out. */
  readonly timeoutMs?: number
  readonly clock: Clock
}

/** Backups in a bucket: the files of one below `prefix/NAME/`, the manifest sent last and deleted first. Nothing else there is touched. */
export function s3Backups({
  prefix,
  timeoutMs = silenceMs,
  ...options
}: S3BackupsOptions): BackupPlace {
  const { bucket, clock } = options
  const client = s3Client({ ...options, timeoutMs })
  const top = prefix === '' ? '' : `${prefix}/`
  const shown = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`

  /** The backup that a key belongs to, and its file; undefined for what is none of ours. */
  function partsOf(key: string): { name: string; file: string } | undefined {
    const [name = '', file = '', ...deeper] = key.slice(top.length).split('/')
    return backupName.test(name) && file !== '' && deeper.length === 0 ? { name, file } : undefined
  }

  /** Keys of what lies below the names of backups, by name. */
  async function standing(below = 'rodizio-') {
    const backups = new Map<string, { key: string; file: string; modifiedAt: Date }[]>()
    for (const { key, modifiedAt } of await client.list(`${top}${below}`)) {
      const parts = partsOf(key)
      if (!parts) continue
      const files = backups.get(parts.name) ?? []
      backups.set(parts.name, [...files, { key, file: parts.file, modifiedAt }])
    }
    return backups
  }

  const isStale = (at: Date): boolean => clock.now().getTime() - at.getTime() > staleMs

  /** What processes that died have left: files without a manifest, uploads that nobody finishes. */
  async function removeHalves(): Promise<void> {
    for (const files of (await standing()).values()) {
      const isHalf = files.every(({ file }) => file !== manifestFile)
      if (!isHalf || !files.every(({ modifiedAt }) => isStale(modifiedAt))) continue
      for (const { key } of files) await client.remove(key)
    }
    for (const { key, uploadId, begunAt } of await openUploads(client, `${top}rodizio-`))
      if (partsOf(key) && isStale(begunAt)) await client.giveUp(key, uploadId)
  }

  async function remove(name: string): Promise<void> {
    if (!backupName.test(name)) return
    // No whole backup any more from the first moment on.
    await client.remove(`${top}${name}/${manifestFile}`)
    const files = (await standing(`${name}/`)).get(name) ?? []
    for (const { key } of files) await client.remove(key)
  }

  return {
    shown,
    folder: null,
    async names() {
      const found = [...(await standing())].flatMap(([name, files]) =>
        files.some(({ file }) => file === manifestFile) ? [name] : [],
      )
      return found.toSorted().toReversed()
    },
    async read(name, file) {
      const key = `${top}${name}/${file}`
      if (!partsOf(key)) throw unknownBackup(name, shown)
      return client.read(key).catch((error: unknown) => {
        if (!(error instanceof AppError) || error.code !== 's3_not_found') throw error
        throw file === manifestFile ? unknownBackup(name, shown) : damaged(file, shown)
      })
    },
    async keep(name, _staged, files) {
      await removeHalves()
      try {
        for (const file of files) await sendFile(client, `${top}${name}/${file.name}`, file)
      } catch (error) {
        await remove(name).catch((second: unknown) => {
          if (!(second instanceof AppError)) throw second // else a later backup removes it
        })
        throw error
      }
    },
    remove,
  }
}

/** Tidying up waits where the key may not list them, or the store cannot: it then has a rule of its own for them. */
const openUploads = (client: S3Client, prefix: string) =>
  client.openUploads(prefix).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error
    if (error.code !== 's3_denied' && error.code !== 'not_implemented') throw error
    return []
  })

const unknownBackup = (name: string, shown: string): AppError =>
  new AppError('not-found', `there is no backup ${name} at ${shown}`, {
    code: 'backup_unknown',
    next: `rodizio backup list --from ${shown} shows those there are`,
  })

const damaged = (file: string, shown: string): AppError =>
  new AppError('invalid', `the backup is damaged: ${file} is missing at ${shown}`, {
    code: 'backup_damaged',
    next: `Use another one: rodizio backup list --from ${shown}`,
  })
