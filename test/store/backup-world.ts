import { existsSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { openStorage } from '../../src/app/storage.ts'
import { backupFolder } from '../../src/store/backup-folder.ts'
import { makeBackup } from '../../src/store/make-backup.ts'
import { newestForm } from '../../src/store/migrate.ts'
import { openBackup } from '../../src/store/read-backup.ts'
import { restoreFolder } from '../../src/store/restore-folder.ts'
import { jsonl } from '../http/service.ts'
import { settableClock } from '../settable-clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

export const root = new URL('../../', import.meta.url)
export const migrations = new URL('migrations/', root)
export const passphrase = 'a passphrase of the tests'

/** A data folder with something in it, whose storage is open, and a folder for backups. */
export async function backupWorld() {
  const place = temporaryFolder()
  const data = join(place.path, 'data')
  const clock = settableClock('2026-11-22T03:30:00Z')
  const storage = await openStorage(data, root, () => clock.now(), false)
  storage.admin.keep()
  async function* rows() {
    yield Buffer.from(jsonl(50))
  }
  await storage.importData(rows(), 'chats', true)
  await storage.backupRows.installation()
  const folder = join(place.path, 'backups')
  const kept = backupFolder(folder)
  const world = {
    data,
    clock,
    storage,
    folder,
    kept,
    inPlace: (name: string) => join(place.path, name),
    token: storage.admin.token,
    make: (secret: string | null = null) =>
      makeBackup(
        {
          root: data,
          copyDatabase: storage.copyDatabase,
          version: '1.2.3',
          store: 'folder',
          adapters: null,
          passphrase: secret,
          now: () => clock.now(),
        },
        kept,
        { folder, isOurs: true },
      ),
    open: (name: string, secret: string | null = null) =>
      openBackup(kept, name, secret, newestForm(migrations)),
    async restore(name: string, into: string, secret: string | null = null, force = false) {
      const backup = await world.open(name, secret)
      const step = () => undefined
      return restoreFolder(backup, { into, force, migrations, now: clock.now(), step })
    },
    /** A copy of a backup that may be spoiled. */
    async copyOf(name: string): Promise<string> {
      const target = join(place.path, `copies-${Math.abs(clock.monotonicMs())}-${copies}`)
      copies += 1
      await mkdir(target)
      await cp(join(folder, name), join(target, name), { recursive: true })
      return target
    },
    async [Symbol.asyncDispose]() {
      await storage.close()
      place[Symbol.dispose]()
    },
  }
  return world
}

let copies = 0

/** One value of a database that nobody has open. */
export function valueIn(file: string, sql: string): unknown {
  if (!existsSync(file)) throw new Error(`${file} is not there`)
  const db = new Sqlite(file, { readonly: true })
  try {
    return db.prepare(sql).pluck().get()
  } finally {
    db.close()
  }
}
