import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { backupPassphrase } from '../config/backup-passphrase.ts'
import type { Config } from '../config/schema.ts'
import { type BackupDesk, backupDesk } from '../control/backup-desk.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { newId, sha256Hex } from '../lib/random.ts'
import { type BackupManifest, backupName, peekManifest } from '../safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../safekeeping/backup-place.ts'
import { backupAt, partPrefix } from '../store/backup-folder.ts'
import { folderLayout, lockDataFolder } from '../store/data-folder.ts'
import { fetchBackup } from '../store/fetch-backup.ts'
import { makeBackup, type Staging } from '../store/make-backup.ts'
import { migrate, newestForm } from '../store/migrate.ts'
import {
  checkUnpacked,
  manifestText,
  openBackup,
  type ReadableBackup,
  unpackBackup,
  verifyBackup,
} from '../store/read-backup.ts'
import { type Restored, restoreFolder } from '../store/restore-folder.ts'
import { openSqlite } from '../store/sqlite.ts'
import type { Artifacts } from './artifacts.ts'
import { placesFor } from './backup-places.ts'
import type { Google } from './google.ts'
import type { Storage } from './storage.ts'

export interface BackupOptions {
  readonly config: Config
  readonly clock: Clock
  readonly root: URL
  readonly version: string
  readonly trouble: (error: unknown) => void
  readonly google: Pick<Google, 'backups'> | undefined
}

/** At the most so much later than asked for. */
const jitterSeconds = 900

/** Backups of the running service. */
export function openBackups(
  storage: Storage,
  { artifacts, adapters }: Pick<Artifacts, 'artifacts' | 'adapters'>,
  { config, clock, root, version, trouble, google }: BackupOptions,
): BackupDesk {
  const { folder } = storage
  const now = () => clock.now()
  const migrations = new URL('migrations/', root)
  const placeOf = placesFor(config, clock, () => google?.backups() ?? noGoogle())
  const [hours, minutes] = config.RODIZIO_BACKUP_AT.split(':').map(Number)
  const minute = hours === undefined || minutes === undefined ? null : hours * 60 + minutes
  return backupDesk({
    rows: storage.backupRows,
    placeOf,
    async make(place, withAdapters) {
      const keys = withAdapters ? await promotedKeys(storage, adapters) : null
      return makeBackup(
        {
          root: folder.root,
          copyDatabase: storage.copyDatabase,
          version,
          store: config.RODIZIO_STORE,
          adapters: keys && { keys, from: artifacts },
          passphrase: backupPassphrase(config),
          now,
        },
        place,
        stagingFor(place, folder.root),
      )
    },
    peek: async (place, name) => peekManifest(await manifestText(place, name)),
    async bringHere(place, name) {
      const backup = await openBackup(place, name, backupPassphrase(config), newestForm(migrations))
      return fetchBackup(backup, folder.backups, now())
    },
    async drill(place, name) {
      const backup = await openBackup(place, name, backupPassphrase(config), newestForm(migrations))
      await drillIn(backup, folder.backups, migrations, now())
    },
    schedule: {
      minute,
      // The same for a folder after each start.
      jitterSeconds: Number.parseInt(sha256Hex(folder.root).slice(0, 6), 16) % jitterSeconds,
      withAdapters: config.RODIZIO_BACKUP_ADAPTERS,
      drills: config.RODIZIO_BACKUP_DRILL,
      retention: config.RODIZIO_BACKUP_KEEP,
    },
    wasThere: storage.alertReads.wasThere,
    isKnown: storage.alertReads.isKnown,
    tell: storage.tellAlert,
    trouble,
    now,
  })
}

const noGoogle = (): never => {
  throw new AppError(
    'invalid',
    'backups are to go to Google Drive, and no Google client is configured',
    {
      code: 'google_client_missing',
      next: 'Set GOOGLE_CLIENT_FILE and sign in (rodizio login google), or name a folder with RODIZIO_BACKUP_TO',
    },
  )
}

function stagingFor(place: BackupPlace, root: string): Staging {
  const own = folderLayout(root).backups
  const folder = place.folder ?? own
  return { folder, isOurs: folder === own }
}

/** Files of the adapters that lines serve now. */
async function promotedKeys({ adapters }: Storage, book: Artifacts['adapters']): Promise<string[]> {
  const keys: string[] = []
  for (const { manifestSha256 } of await adapters.heads()) {
    const { prefix, files } = await book.files(manifestSha256)
    keys.push(...files.map(({ name }) => `${prefix}/${name}`))
  }
  return keys
}

/** Restores into a scratch folder, looks through it, brings it to the newest form, and throws it away. */
async function drillIn(
  backup: ReadableBackup,
  beside: string,
  migrations: URL,
  now: Date,
): Promise<void> {
  const scratch = join(beside, `${partPrefix}${newId('drill')}`)
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  try {
    await unpackBackup(backup, scratch)
    await checkUnpacked(backup, scratch)
    const db = openSqlite(join(scratch, 'rodizio.db'))
    try {
      await migrate(db, migrations, now)
    } finally {
      await db.close()
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

export interface OfflineOptions {
  readonly config: Config
  readonly root: URL
  readonly version: string
  readonly clock: Clock
}

/** Backups without a service: by the commands themselves, in their own process. */
export function offlineBackups({ config, root, version, clock }: OfflineOptions) {
  const dataDir = config.RODIZIO_DATA_DIR
  const migrations = new URL('migrations/', root)
  const noDrive = (): never => {
    throw new AppError('unavailable', 'backups on Google Drive are reached through the service', {
      code: 'service_needed',
      next: 'Start one that is signed in (rodizio up, rodizio login google), then ask again',
    })
  }
  const placeOf = placesFor(config, clock, noDrive)
  /** A backup by its name at a place, or by the path of its folder. */
  const found = (nameOrPath: string, from: string | undefined) =>
    backupName.test(nameOrPath)
      ? { place: placeOf(from), name: nameOrPath }
      : { place: backupAt(nameOrPath), name: basename(nameOrPath) }
  const open = async (nameOrPath: string, from: string | undefined): Promise<ReadableBackup> => {
    const { place, name } = found(nameOrPath, from)
    return openBackup(place, name, backupPassphrase(config), newestForm(migrations))
  }
  return {
    /**
     * Copies a data folder that no service works on, under its lock; its database is left in the form that it has.
     * @throws AppError `conflict` (`folder_taken`), `not-found` (`nothing_to_back_up`)
     */
    async create(to: string | undefined, withAdapters: boolean) {
      const { database } = folderLayout(dataDir)
      if (!existsSync(database)) {
        throw new AppError('not-found', `there is no database in ${dataDir}`, {
          code: 'nothing_to_back_up',
          next: 'Set RODIZIO_DATA_DIR to the folder of a service',
        })
      }
      if (withAdapters) {
        throw new AppError('unavailable', 'adapters are copied by a running service alone', {
          code: 'service_needed',
          next: 'Start it (rodizio up), or leave out --with-adapters',
        })
      }
      const place = placeOf(to)
      const lock = lockDataFolder(dataDir)
      try {
        const db = openSqlite(database)
        try {
          const manifest = await makeBackup(
            {
              root: dataDir,
              copyDatabase: db.copyTo,
              version,
              store: config.RODIZIO_STORE,
              adapters: null,
              passphrase: backupPassphrase(config),
              now: () => clock.now(),
            },
            place,
            stagingFor(place, dataDir),
          )
          return { manifest, place: place.shown }
        } finally {
          await db.close()
        }
      } finally {
        lock.release()
      }
    },
    async list(from: string | undefined) {
      const place = placeOf(from)
      const manifests: BackupManifest[] = []
      for (const name of await place.names())
        manifests.push(peekManifest(await manifestText(place, name)))
      return { place: place.shown, manifests }
    },
    /** @throws AppError `invalid` where it is not whole */
    async verify(nameOrPath: string, from: string | undefined): Promise<BackupManifest> {
      const backup = await open(nameOrPath, from)
      await verifyBackup(backup)
      return backup.manifest
    },
    /** The newest where none is named. @throws as `verify` */
    async drill(nameOrPath: string | undefined, from: string | undefined): Promise<BackupManifest> {
      const wanted = nameOrPath ?? (await placeOf(from).names())[0]
      if (wanted === undefined) {
        throw new AppError('not-found', `there is no backup at ${placeOf(from).shown}`, {
          code: 'backup_unknown',
          next: 'Make one: rodizio backup create',
        })
      }
      const backup = await open(wanted, from)
      const beside = placeOf('folder').folder ?? dirname(dataDir)
      await drillIn(backup, existsSync(dataDir) ? beside : dirname(wanted), migrations, clock.now())
      return backup.manifest
    },
    async restore(
      nameOrPath: string,
      from: string | undefined,
      into: string,
      force: boolean,
      step: (words: string) => void,
    ): Promise<{ readonly manifest: BackupManifest; readonly restored: Restored }> {
      const backup = await open(nameOrPath, from)
      const options = { into, force, migrations, now: clock.now(), step }
      return { manifest: backup.manifest, restored: await restoreFolder(backup, options) }
    },
  }
}

export type OfflineBackups = ReturnType<typeof offlineBackups>
