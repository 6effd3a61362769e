import { join } from 'node:path'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import type { Inventory } from '../artifacts/inventory.ts'
import type { Slots } from '../artifacts/slots.ts'
import type { Config } from '../config/schema.ts'
import { adapterBook } from '../control/adapter-book.ts'
import { checkpointBook } from '../control/checkpoint-book.ts'
import { oneTimeUrls } from '../control/one-time-urls.ts'
import { type StoredData, storedData } from '../control/stored-data.ts'
import type { TakeBackPorts } from '../control/take-back.ts'
import type { Ways } from '../control/ways.ts'
import { type Clock, secondsBetween } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { driveArtifacts } from '../providers/google/drive-artifacts.ts'
import { driveSlots } from '../providers/google/drive-slots.ts'
import { folderInventory } from '../store/folder-inventory.ts'
import type { Google } from './google.ts'
import type { Storage } from './storage.ts'

export interface ArtifactOptions {
  readonly config: Config
  readonly clock: Clock
  readonly google: Google | undefined
  /** The address under which sessions reach this service. */
  readonly sessionUrl: () => string
}

/** Where checkpoints live and how sessions reach them: a folder through this service, or Google Drive directly. */
export function openArtifacts(storage: Storage, options: ArtifactOptions) {
  const { gate, files, folderStore } = storage
  const { google } = options
  const urls = oneTimeUrls({
    gate,
    artifacts: folderStore,
    readData: (version, file, range) => files.read(version, file, range.from, range.to),
    baseUrl: options.sessionUrl,
  })
  const { store, ways, pathOf, trouble, full, direct, inventory, found } =
    options.config.RODIZIO_STORE === 'drive'
      ? onDrive(storage, options)
      : inFolder(folderStore, storage.folder.store, urls)
  const checkpoints = checkpointBook(storage.checkpointRows, store)
  const adapters = adapterBook(storage.look.artifactWith, store)
  const kept = { artifacts: store, ways, pathOf, trouble, full, direct, inventory, found }
  return { urls, google, checkpoints, adapters, ...kept }
}

export type Artifacts = ReturnType<typeof openArtifacts>

/** An artifact store as the rest is wired to it. */
interface Opened {
  readonly store: ArtifactStore
  /** All that lies there. */
  readonly inventory: Inventory
  /** Files that lie there, whether their keys lead to them or not. */
  readonly found: Pick<TakeBackPorts, 'read' | 'take'>
  readonly ways: Ways
  /** Where a person finds what stands below a prefix. */
  readonly pathOf: (prefix: string) => string
  /** Why no session may be started that could not save, null when it could. */
  readonly trouble: () => Promise<string | null>
  /** Told when there was no room for so many bytes. */
  readonly full: (bytes: number) => void
  /** What lets sessions do without this service; undefined where all bytes pass through it. */
  readonly direct: { readonly slots: Slots; readonly data: StoredData } | undefined
}

const inFolder = (store: ArtifactStore, root: string, ways: Ways): Opened => ({
  store,
  inventory: folderInventory(root),
  found: { read: ({ key }) => store.read(key), take: ({ key }, file) => store.verify(key, file) },
  ways,
  pathOf: (prefix) => join(root, prefix),
  trouble: async () => null,
  full: () => undefined,
  direct: undefined,
})

function onDrive(storage: Storage, { google, clock }: ArtifactOptions): Opened {
  if (!google) {
    throw new AppError('invalid', 'RODIZIO_STORE is drive, and no Google client is configured', {
      code: 'google_client_missing',
      next: 'Set GOOGLE_CLIENT_FILE (or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET), or RODIZIO_STORE=folder',
    })
  }
  const room = roomWatch(google.freeBytes, clock)
  const { store, ways, bring, inventory, readFound, takeFound } = driveArtifacts(
    google.files,
    storage.fileIndex,
  )
  const data = storedData({
    artifacts: store,
    bring,
    dataFiles: storage.dataFiles,
    readData: (version, file, range) => storage.files.read(version, file, range.from, range.to),
    clock,
  })
  const slots = driveSlots(google.files, storage.fileIndex, storage.slotIndex)
  return {
    store,
    inventory,
    found: { read: readFound, take: takeFound },
    ways,
    direct: { slots, data },
    pathOf: (prefix) => `Drive: ${google.folder}/${prefix}`,
    async trouble() {
      if (!(await google.signIn.isGood()))
        return 'the store on Drive needs a sign-in: rodizio login google'
      return room.trouble()
    },
    full: room.full,
  }
}

/** A store that was full is asked again about its room this often. */
const askRoomSeconds = 60

/** Remembers that the store had no room, until it has: while it lasts no session is started that could not save. */
function roomWatch(freeBytes: () => Promise<number | null>, clock: Clock) {
  let needed: { bytes: number; askedAt: Date } | undefined
  return {
    full: (bytes: number) => {
      needed = { bytes, askedAt: clock.now() }
    },
    async trouble(): Promise<string | null> {
      if (!needed) return null
      const now = clock.now()
      if (secondsBetween(needed.askedAt, now) >= askRoomSeconds) {
        needed = { ...needed, askedAt: now }
        const free = await freeBytes()
        if (free === null || free >= needed.bytes) needed = undefined
      }
      if (!needed) return null
      const megabytes = (needed.bytes / 1e6).toFixed(1)
      return `the store has no room for a checkpoint of ${megabytes} MB: free some, its bin counts too`
    },
  }
}
