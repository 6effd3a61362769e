import { type Removals, removals } from '../control/removals.ts'
import type { Clock } from '../lib/clock.ts'
import { removeSessionFolders } from '../store/session-folders.ts'
import type { Artifacts } from './artifacts.ts'
import type { Storage } from './storage.ts'

export interface Upkeep {
  readonly removals: Removals
}

/** What keeps the house small: removals over every store that may hold files. */
export function openUpkeep(
  storage: Storage,
  { artifacts, direct }: Pick<Artifacts, 'artifacts' | 'direct'>,
  clock: Clock,
): Upkeep {
  const { folderStore, files, folder } = storage
  const isOnDrive = artifacts.kind === 'drive'
  return {
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
