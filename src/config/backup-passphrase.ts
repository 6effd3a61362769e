import { readFileSync } from 'node:fs'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Config } from './schema.ts'

/** Fewer characters than this can be guessed. */
const leastChars = 16

/**
 * The passphrase of backups, null where none is set.
 * @throws AppError `invalid` (`backup_key_file`) for a file that cannot be read, or holds too little
 */
export function backupPassphrase({
  RODIZIO_BACKUP_KEY_FILE: file,
}: Pick<Config, 'RODIZIO_BACKUP_KEY_FILE'>): string | null {
  if (file === undefined) return null
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw refused(`${file} cannot be read: ${messageOf(cause)}`, cause)
  }
  if (text.length < leastChars) throw refused(`${file} holds fewer than ${leastChars} characters`)
  return text
}

const refused = (what: string, cause?: unknown): AppError =>
  new AppError('invalid', `RODIZIO_BACKUP_KEY_FILE: ${what}`, {
    code: 'backup_key_file',
    next: 'Make one, and keep a copy elsewhere: openssl rand -base64 32 > backup.key',
    ...(cause === undefined ? {} : { cause }),
  })
