import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { AppError, systemCode } from '../lib/errors.ts'

export interface FolderLock {
  release(): void
}

/**
 * Makes this process the only one that uses a folder. The system frees the lock when the process dies, however it dies.
 * Throws `conflict` (`emulator_running`) when another process holds it.
 */
export function lockFolder(folder: string): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const database = new Database(join(folder, 'lock.sqlite'), { timeout: 0 })
  try {
    database.pragma('locking_mode = exclusive')
    database.exec('begin exclusive')
  } catch (cause) {
    database.close()
    if (systemCode(cause)?.startsWith('SQLITE_BUSY') !== true) throw cause
    throw new AppError('conflict', `another emulator already serves from ${folder}`, {
      code: 'emulator_running',
      cause,
      next: 'Stop that one, or give this one a folder of its own',
    })
  }
  return {
    release: () => {
      if (database.open) database.close()
    },
  }
}
