import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Removals, removals } from '../control/removals.ts'
import { type StoreCleaning, storeCleaning } from '../control/store-cleaning.ts'
import type { Clock } from '../lib/clock.ts'
import type { Account } from '../rotation/account.ts'
import { folderInventory } from '../store/folder-inventory.ts'
import { removeSessionFolders } from '../store/session-folders.ts'
import type { Artifacts } from './artifacts.ts'
import type { Storage } from './storage.ts'

export interface Upkeep {
  readonly removals: Removals
  readonly cleaning: StoreCleaning
  /** What the command line of Colab keeps goes with the one account that it drives. */
  readonly removeSignIn: (account: Account) => Promise<void>
}

/** What keeps the house small: removals, and left-overs, in every store that may hold files. */
export function openUpkeep(
  storage: Storage,
  { artifacts, direct, inventory }: Pick<Artifacts, 'artifacts' | 'direct' | 'inventory'>,
  clock: Clock,
): Upkeep {
  const { folderStore, files, folder } = storage
  const isOnDrive = artifacts.kind === 'drive'
  return {
    removeSignIn: async ({ driver }) => {
      if (driver === 'cli') await rm(join(folder.colab, 'home'), { recursive: true, force: true })
    },
    cleaning: storeCleaning({
      inventories: isOnDrive ? [inventory, folderInventory(folder.store)] : [inventory],
      owners: storage.owners,
      told: storage.tellCleaned,
      now: () => clock.now(),
    }),
    removals: removals({
      rows: storage.removalRows(isOnDrive),
      // Checkpoints of a time when the store was the folder are still there.
      stores: isOnDrive ? [artifacts, folderStore] : [folderStore],
      slots: direct?.slots,
      removeSessionFolders: (names) => removeSessionFolders(folder, names),
      removeDataFiles: files.remove,
      forgetData: (version) => direct?.data.forget(version),
      clock,
    }),
  }
}
