import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import type { BackupKeys } from '../safekeeping/backup-key.ts'
import { type BackupManifest, manifestFile, readManifest } from '../safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../safekeeping/backup-place.ts'
import { unpackFile, writeWhole } from './backup-files.ts'
import { checkDatabase, factsOf } from './look-into.ts'

/** A backup whose manifest was found to be what was written. */
export interface ReadableBackup {
  readonly place: BackupPlace
  readonly name: string
  readonly manifest: BackupManifest
  readonly keys: BackupKeys | null
}

/** Manifests are small: more than this is none. */
const mostManifestBytes = 16 * 1024 * 1024

/** The text of a backup's manifest. @throws AppError `not-found` (`backup_unknown`), `invalid` (`backup_damaged`) */
export async function manifestText(place: BackupPlace, name: string): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of await place.read(name, manifestFile)) {
    parts.push(part)
    bytes += part.byteLength
    if (bytes > mostManifestBytes)
      throw new AppError('invalid', 'the backup is damaged: its manifest is far too long', {
        code: 'backup_damaged',
        next: 'Use another one: rodizio backup list',
      })
  }
  return Buffer.concat(parts).toString('utf8')
}

/** @throws AppError as `readManifest`, and `backup_newer` for a database that this program is too old for */
export async function openBackup(
  place: BackupPlace,
  name: string,
  passphrase: string | null,
  knownSchema: number,
): Promise<ReadableBackup> {
  const { manifest, keys } = await readManifest(await manifestText(place, name), passphrase)
  if (manifest.schema > knownSchema) {
    throw new AppError(
      'invalid',
      `the backup ${manifest.name} is of form ${manifest.schema} (version ${manifest.version}), this program knows ${knownSchema}`,
      {
        code: 'backup_newer',
        next: 'Use that version of Rodízio or a newer one, or an older backup',
      },
    )
  }
  return { place, name, manifest, keys }
}

/** Reads every byte of it. @throws AppError `invalid` (`backup_damaged`) */
export async function verifyBackup({ place, name, manifest, keys }: ReadableBackup): Promise<void> {
  for (const file of manifest.files) {
    const bytes = unpackFile(file, await place.read(name, file.name), keys)
    for await (const _ of bytes) {
      // Checked as it comes out.
    }
  }
}

/** Writes every file of it below `folder`, at its path in a data folder. @throws as `verifyBackup`; `disk-full` */
export async function unpackBackup(backup: ReadableBackup, folder: string): Promise<void> {
  const { place, name, manifest, keys } = backup
  for (const file of manifest.files) {
    const path = join(folder, file.path)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeWhole(path, unpackFile(file, await place.read(name, file.name), keys))
  }
}

/**
 * Whether what was unpacked is what a service can go on with: the database whole, with the rows that the manifest has counted,
 * and the files that it speaks of.
 * @throws AppError `invalid` (`backup_database_damaged`, `backup_damaged`)
 */
export async function checkUnpacked({ manifest }: ReadableBackup, folder: string): Promise<void> {
  const database = join(folder, 'rodizio.db')
  await checkDatabase(database)
  const facts = await factsOf(database)
  for (const [table, rows] of Object.entries(manifest.rows)) {
    const found = facts.rows[table] ?? 0
    if (found !== rows) throw damaged(`${table} has ${found} rows, and had ${rows}`)
  }
  if (facts.audit?.hash !== manifest.audit?.hash)
    throw damaged('the audit log does not end where it ended')
  for (const { version, sha256 } of facts.data) {
    for (const split of ['train', 'validation'] as const) {
      const path = `datasets/${version}/${split}.jsonl`
      const file = manifest.files.find((one) => one.path === path)
      if (file && file.plainSha256 !== sha256[split]) throw damaged(`${path} is another file`)
    }
  }
}

const damaged = (how: string): AppError =>
  new AppError('invalid', `the backup is damaged: ${how}`, {
    code: 'backup_damaged',
    next: 'Use another one: rodizio backup list',
  })
