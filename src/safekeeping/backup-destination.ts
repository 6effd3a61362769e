import { AppError } from '../lib/errors.ts'

/** A place for backups as people name it. */
export type BackupDestination =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'drive' }

/**
 * Reads `folder`, `folder:/path` or `drive`. Pure.
 * @param own the folder that `folder` alone means
 * @throws AppError `invalid` (`backup_place_unknown`)
 */
export function backupDestination(text: string, own: string): BackupDestination {
  if (text === 'drive') return { kind: 'drive' }
  if (text === 'folder') return { kind: 'folder', path: own }
  const [, path] = /^folder:(\/.*)$/s.exec(text) ?? []
  if (path !== undefined) return { kind: 'folder', path }
  throw new AppError('invalid', `${JSON.stringify(text.slice(0, 200))} is no place for backups`, {
    code: 'backup_place_unknown',
    next: 'There are folder, folder:/path (a whole path) and drive',
  })
}
