import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { readServiceFile, type ServiceFile, serviceFilePath } from '../config/service-file.ts'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'

/** Where things stand inside the data folder. */
export interface DataFolder {
  readonly root: string
  readonly database: string
  readonly store: string
  readonly datasets: string
  readonly local: string
  /** What the command line of Colab keeps, and its sessions; made when it is first used. */
  readonly colab: string
  readonly emulators: string
  /** The base of toy size, once it is made. */
  readonly tinyBase: string
  readonly backups: string
  /** Releases the folder for the next service; the lock is also free at once when the process dies. */
  release(): void
}

/** The parts of a data folder, without taking or making it. */
export const folderLayout = (root: string) => ({
  root,
  database: join(root, 'rodizio.db'),
  store: join(root, 'store'),
  datasets: join(root, 'datasets'),
  local: join(root, 'local'),
  colab: join(root, 'colab'),
  emulators: join(root, 'emulators'),
  tinyBase: join(root, 'tiny-base'),
  secretKey: join(root, 'secret.key'),
  /** Where backups go unless told otherwise. */
  backups: join(root, 'backups'),
  /** Stands while a restore is under way, and after one that died. */
  restoring: join(root, 'restoring.json'),
})

/**
 * Makes the data folder (mode 0700) and takes it for this process alone.
 * @throws AppError `conflict` when another service holds it, `disk-full`, or `invalid` when it cannot be written
 */
export function takeDataFolder(root: string): DataFolder {
  const layout = folderLayout(root)
  try {
    for (const folder of [root, layout.store, layout.datasets, layout.local, layout.emulators]) {
      makeFolder(folder)
    }
    chmodSync(root, 0o700)
  } catch (error) {
    if (systemCode(error) === 'ENOSPC') throw diskFull(root, error)
    throw new AppError('invalid', `cannot write the data folder ${root}: ${messageOf(error)}`, {
      next: 'Set RODIZIO_DATA_DIR to a folder that this user may write',
      cause: error,
    })
  }
  const lock = takeLock(root)
  if (existsSync(layout.restoring)) {
    lock.close()
    throw new AppError('conflict', `a restore into ${root} has not come to its end`, {
      code: 'restore_unfinished',
      next: 'Run it again, and it begins anew: rodizio restore NAME --into FOLDER; what stood there before lies in a folder before-restore-… in it',
    })
  }
  return { ...layout, release: () => lock.close() }
}

/**
 * Takes a folder for this process without making anything else of it.
 * @throws AppError `conflict` (`folder_taken`) when a service works on it
 */
export function lockDataFolder(root: string): { readonly release: () => void } {
  makeFolder(root)
  const lock = takeLock(root)
  return { release: () => lock.close() }
}

/** Makes a folder and those above it, one by one: Node's own recursive way never returns below /proc. */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  if (dirname(folder) !== folder) makeFolder(dirname(folder))
  mkdirSync(folder, { mode: 0o700 })
}

/** A SQLite file held exclusively: refused to a second process, and free at once after `kill -9`. */
function takeLock(root: string): Sqlite.Database {
  const lock = new Sqlite(join(root, 'lock.db'), { timeout: 0 })
  try {
    lock.pragma('locking_mode = exclusive')
    lock.exec('begin exclusive')
    return lock
  } catch (error) {
    lock.close()
    if (systemCode(error) === 'SQLITE_FULL') throw diskFull(root, error)
    throw new AppError('conflict', `another Rodízio service works on ${root}${holder(root)}`, {
      code: 'folder_taken',
      next: 'Use that one (rodizio status), stop it (rodizio down), or set RODIZIO_DATA_DIR to another folder',
      cause: error,
    })
  }
}

function holder(root: string): string {
  const service = readServiceFile(root)
  return service ? ` (pid ${service.pid}, ${service.url})` : ''
}

const diskFull = (root: string, cause: unknown) =>
  new AppError('disk-full', `the disk that holds ${root} is full`, {
    code: 'disk_full',
    next: 'Free space there, then start again',
    cause,
  })

export function writeServiceFile(root: string, service: ServiceFile): void {
  writeFileSync(serviceFilePath(root), `${JSON.stringify(service)}\n`, { mode: 0o600 })
}

export function removeServiceFile(root: string): void {
  rmSync(serviceFilePath(root), { force: true })
}
