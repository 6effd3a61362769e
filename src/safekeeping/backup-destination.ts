import { AppError } from '../lib/errors.ts'

/** A place for backups as people name it. */
export type BackupDestination =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'drive' }
  /** `prefix` has no slash at either end; empty for the bucket's top. */
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

const bucketForm = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** Characters that no address writes otherwise: stores differ in how they read the others when they check a signature. */
const partForm = /^(?!\.\.?$)[\w.-]+$/
const longestPrefix = 400

/**
 * Reads `folder`, `folder:/path`, `drive` or `s3://bucket/prefix`. Pure.
 * @param own the folder that `folder` alone means
 * @throws AppError `invalid` (`backup_place_unknown`)
 */
export function backupDestination(text: string, own: string): BackupDestination {
  if (text === 'drive') return { kind: 'drive' }
  if (text === 'folder') return { kind: 'folder', path: own }
  const [, path] = /^folder:(\/.*)$/s.exec(text) ?? []
  if (path !== undefined) return { kind: 'folder', path }
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]*)(?:\/(.*?)\/?)?$/s.exec(text) ?? []
  if (bucket !== undefined) {
    if (!bucketForm.test(bucket) || bucket.includes('..'))
      throw unknownPlace(text, 'A bucket has 3 to 63 small letters, digits, dots and hyphens')
    const isPlain = prefix.split('/').every((part) => partForm.test(part))
    if (prefix !== '' && (!isPlain || prefix.length > longestPrefix))
      throw unknownPlace(
        text,
        'What follows the bucket is words of A-Z a-z 0-9 . _ - with / between',
      )
    return { kind: 's3', bucket, prefix }
  }
  throw unknownPlace(
    text,
    'There are folder, folder:/path (a whole path), drive and s3://bucket/prefix',
  )
}

const unknownPlace = (text: string, next: string): AppError =>
  new AppError('invalid', `${JSON.stringify(text.slice(0, 200))} is no place for backups`, {
    code: 'backup_place_unknown',
    next,
  })
