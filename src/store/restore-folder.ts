import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { AppError, systemCode } from '../lib/errors.ts'
import { syncFolder, writeWhole } from './backup-files.ts'
import { folderLayout, lockDataFolder } from './data-folder.ts'
import { migrate } from './migrate.ts'
import { type MovedOn, moveOn } from './move-on.ts'
import { checkUnpacked, type ReadableBackup, unpackBackup } from './read-backup.ts'
import { openSqlite } from './sqlite.ts'

export interface RestoreOptions {
  readonly into: string
  /** Puts what stands there aside. */
  readonly force: boolean
  readonly migrations: URL
  readonly now: Date
  /** Told what is being done, for who waits. */
  readonly step: (words: string) => void
}

export interface Restored extends MovedOn {
  /** Where what stood there before lies now; null where there was nothing. */
  readonly aside: string | null
  /** Whether a key that may open the sealed secrets stands in the folder now. */
  readonly hasKey: boolean
}

/** What a restore brings, and so puts aside. Backups, the artifact store and logs stay where they are. */
const brought = [
  'rodizio.db',
  'rodizio.db-wal',
  'rodizio.db-shm',
  'datasets',
  'secret.key',
  'token',
  'config.env',
  'service.json',
]
/** Of these, what stands in the folder stays when the backup has none: it may well be the right one. */
const secrets = ['secret.key', 'token', 'config.env']
/** What a lock leaves behind is nothing, and neither is a marker that was being written. */
const isNothing = (name: string) => name.startsWith('lock.db') || name === 'restoring.json.new'
const clockToleranceMs = 300_000

/** Read back by a restore that takes up what another one has left. */
interface Marker {
  readonly backup: string
  /** The folder for what stood there, by its name. */
  readonly aside: string
  /** What is to be put aside: only what stood there before the first try. */
  readonly found: readonly string[]
}

/**
 * Makes a data folder from a backup, so that a service started on it goes on past the time that was lost. The folder is marked
 * from before the first file until after the last one: a service refuses it meanwhile, and a restore that died is begun anew.
 * @throws AppError `conflict`: `folder_taken`, `folder_not_empty`, `clock_turned_back`; `invalid` where the backup is not whole;
 * `disk-full`
 */
export async function restoreFolder(
  backup: ReadableBackup,
  options: RestoreOptions,
): Promise<Restored> {
  const { into, now } = options
  const { madeAt } = backup.manifest
  if (Date.parse(madeAt) - now.getTime() > clockToleranceMs) {
    throw new AppError(
      'conflict',
      `this machine's clock says ${now.toISOString()}, and the backup is of ${madeAt}`,
      { code: 'clock_turned_back', next: 'Set the clock right: timedatectl set-ntp true' },
    )
  }
  const wasThere = existsSync(into)
  const before = wasThere ? (await readdir(into)).filter((name) => !isNothing(name)) : []
  const layout = folderLayout(into)
  const begun = await readMarker(layout.restoring)
  if (before.length > 0 && !begun && !options.force) {
    throw new AppError('conflict', `${into} is not empty: ${before.slice(0, 5).join(', ')}`, {
      code: 'folder_not_empty',
      next: 'Name another folder, or put what is there aside with --force',
    })
  }
  const lock = lockDataFolder(into)
  try {
    return await fill(backup, options, begun ?? markerFor(backup, before, now), begun === undefined)
  } catch (error) {
    if (systemCode(error) !== 'ENOSPC' && systemCode(error) !== 'EDQUOT') throw error
    throw new AppError('disk-full', `the disk that holds ${into} has no room for the backup`, {
      code: 'disk_full',
      next: 'Free space there, and run the restore again',
      cause: error,
    })
  } finally {
    lock.release()
    if (!wasThere) await removeIfEmpty(into)
  }
}

/** What was made for a restore that came to nothing. */
async function removeIfEmpty(folder: string): Promise<void> {
  const left = await readdir(folder)
  if (left.every(isNothing)) await rm(folder, { recursive: true, force: true })
}

async function fill(
  backup: ReadableBackup,
  { into, migrations, now, step }: RestoreOptions,
  marker: Marker,
  isFirst: boolean,
): Promise<Restored> {
  const layout = folderLayout(into)
  const part = join(into, '.restore')
  await rm(part, { recursive: true, force: true })
  if (isFirst) {
    const fresh = `${layout.restoring}.new`
    await rm(fresh, { force: true })
    await writeWhole(fresh, [Buffer.from(`${JSON.stringify(marker)}\n`)])
    await rename(fresh, layout.restoring)
    await syncFolder(into)
  }
  let isTouched = !isFirst
  try {
    step('reading the backup')
    await mkdir(part, { mode: 0o700 })
    await unpackBackup(backup, part)
    step('looking through the database')
    await checkUnpacked(backup, part)
    step('moving past the time that was lost')
    const db = openSqlite(join(part, 'rodizio.db'))
    let moved: MovedOn
    try {
      await migrate(db, migrations, now)
      const hasCheckpoints = backup.manifest.store === 'drive' || existsSync(layout.store)
      moved = await moveOn(db, backup.manifest, hasCheckpoints, now)
    } finally {
      await db.close()
    }
    isTouched = true
    const aside = await putInPlace(into, part, marker)
    return { ...moved, aside, hasKey: existsSync(layout.secretKey) }
  } catch (error) {
    // Where something was moved, now or by a try before this one, the marker has to stay.
    if (!isTouched) {
      await rm(part, { recursive: true, force: true })
      await rm(layout.restoring, { force: true })
    }
    throw error
  }
}

/** Each step can be done again: a restore that died in the middle is begun anew, and comes by here once more. */
async function putInPlace(into: string, part: string, marker: Marker): Promise<string | null> {
  const aside = join(into, marker.aside)
  for (const name of brought) {
    const stands = join(into, name)
    if (!existsSync(stands)) continue
    if (secrets.includes(name) && !existsSync(join(part, name))) continue
    if (!marker.found.includes(name) || existsSync(join(aside, name))) {
      await rm(stands, { recursive: true, force: true }) // of a try before this one
      continue
    }
    await mkdir(aside, { recursive: true, mode: 0o700 })
    await rename(stands, join(aside, name))
  }
  for (const name of await readdir(part)) {
    if (name !== 'store') await rename(join(part, name), join(into, name))
  }
  await addToStore(join(part, 'store'), join(into, 'store'))
  await syncFolder(into)
  await rm(part, { recursive: true, force: true })
  await rm(folderLayout(into).restoring)
  await syncFolder(into)
  return existsSync(aside) ? aside : null
}

/** Adapters go beside what the artifact store holds. */
async function addToStore(from: string, store: string): Promise<void> {
  if (!existsSync(from)) return
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const source = join(entry.parentPath, entry.name)
    const target = join(store, relative(from, source))
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    await rename(source, target)
  }
}

const markerFor = ({ name }: ReadableBackup, found: readonly string[], now: Date): Marker => ({
  backup: name,
  aside: `before-restore-${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}`,
  found: found.filter((one) => brought.includes(one)),
})

async function readMarker(path: string): Promise<Marker | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { backup, aside, found } = JSON.parse(text) as Partial<Marker>
    if (typeof backup === 'string' && typeof aside === 'string' && Array.isArray(found))
      return { backup, aside: aside.replaceAll(/[^\w-]/g, ''), found }
  } catch {
    // It was being written when its writer died: nothing had been touched yet.
  }
  return undefined
}
