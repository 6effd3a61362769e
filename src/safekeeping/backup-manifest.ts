import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { sameSecret, sha256Hex } from '../lib/random.ts'
import { type BackupKeys, Encryption, keysOf } from './backup-key.ts'

/** Names sort by their time; four digits of chance part two of one moment. */
export const backupName = /^rodizio-\d{8}T\d{9}Z-[0-9a-f]{4}$/

/** The file that makes a backup whole: it is written last. */
export const manifestFile = 'manifest.json'

const Hash = z.string().regex(/^[0-9a-f]{64}$/)
const Count = z.int().min(0)

/** Where a file belongs in a data folder. Nothing that would lead out of it. */
const InFolder = z
  .string()
  .max(400)
  .refine(
    (path) => path.split('/').every((part) => /^(?!\.\.?$)[\w. -]+$/.test(part)),
    'no path inside a data folder',
  )

export const BackupFile = z.object({
  name: z.string().regex(/^[a-z0-9]{1,40}\.gz(\.sealed)?$/),
  path: InFolder,
  /** As they lie in the backup. */
  bytes: Count,
  sha256: Hash,
  /** As they were. */
  plainBytes: Count,
  plainSha256: Hash,
})
export type BackupFile = z.infer<typeof BackupFile>

export const BackupManifest = z.object({
  format: z.literal(1),
  name: z.string().regex(backupName),
  madeAt: z.iso.datetime(),
  /** Of the data folder: who makes backups removes only those of the same one. */
  installation: z.string(),
  version: z.string(),
  /** The newest migration that the database has had. */
  schema: Count,
  store: z.enum(['folder', 'drive']),
  withAdapters: z.boolean(),
  encryption: Encryption.nullable(),
  files: z.array(BackupFile).min(1),
  /** Rows of every table. */
  rows: z.record(z.string(), Count),
  rotation: z.object({
    openRuns: Count,
    openSessions: Count,
    /** The highest that any run has given out. */
    newestGeneration: Count,
  }),
  /** How far the audit log went; null where it had no line. */
  audit: z.object({ number: Count, hash: Hash }).nullable(),
  /** What is not in it, each a sentence for people. */
  leftOut: z.array(z.string()),
})
export type BackupManifest = z.infer<typeof BackupManifest>

/** The text of a manifest, its last member a seal over all that stands before. */
export function writeManifest(manifest: BackupManifest, keys: BackupKeys | null): string {
  const seal = sealOf(JSON.stringify(manifest), keys)
  return `${JSON.stringify({ ...manifest, seal })}\n`
}

/** What a manifest says, its seal unlooked at: good for a list, and for nothing that follows. */
export const peekManifest = (text: string): BackupManifest => parsed(text).manifest

/**
 * A manifest that is what was written, with the keys to its files.
 * @param passphrase null where none is known
 * @throws AppError `invalid`: `backup_key_missing`, `backup_key_wrong`, `backup_damaged` for one that was changed, `backup_newer`
 */
export async function readManifest(
  text: string,
  passphrase: string | null,
): Promise<{ readonly manifest: BackupManifest; readonly keys: BackupKeys | null }> {
  const { manifest, sealed, seal } = parsed(text)
  const { encryption } = manifest
  if (encryption !== null && passphrase === null) {
    throw new AppError('invalid', `the backup ${manifest.name} is encrypted, and no key is given`, {
      code: 'backup_key_missing',
      next: 'Name the file of its key in RODIZIO_BACKUP_KEY_FILE',
    })
  }
  const keys =
    encryption === null || passphrase === null ? null : await keysOf(passphrase, encryption)
  if (sameSecret(seal, sealOf(sealed, keys))) return { manifest, keys }
  throw damaged('its manifest is not what was written')
}

const sealOf = (text: string, keys: BackupKeys | null): string =>
  keys ? keys.sealOf(text) : sha256Hex(text)

function parsed(text: string) {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw damaged('its manifest is no JSON', cause)
  }
  if (typeof json !== 'object' || json === null) throw damaged('its manifest is empty')
  const { seal, ...rest } = json as Record<string, unknown> // an object, by the line before
  if ('format' in rest && typeof rest.format === 'number' && rest.format > 1) {
    throw new AppError('invalid', `the backup has form ${rest.format}, this program knows 1`, {
      code: 'backup_newer',
      next: 'Use the newer version of Rodízio that made it',
    })
  }
  const found = BackupManifest.safeParse(rest)
  if (!found.success || typeof seal !== 'string') {
    const where = found.error?.issues[0]?.path.join('.') ?? 'seal'
    throw damaged(`its manifest is not whole (${where})`)
  }
  // To the byte: what another program would write for the same is not what was written.
  if (`${JSON.stringify({ ...rest, seal })}\n` !== text)
    throw damaged('its manifest is not what was written')
  return { manifest: found.data, sealed: JSON.stringify(rest), seal }
}

const damaged = (how: string, cause?: unknown): AppError =>
  new AppError('invalid', `the backup is damaged: ${how}`, {
    code: 'backup_damaged',
    next: 'Use another one: rodizio backup list',
    ...(cause === undefined ? {} : { cause }),
  })
