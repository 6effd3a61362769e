import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DataFolder } from './data-folder.ts'

/** Removes what sessions of these names have left on this machine: their notebooks, logs and working folders. */
export async function removeSessionFolders(
  { local, colab }: Pick<DataFolder, 'local' | 'colab'>,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    // Names are made from run and generation; anything else would be a way out of the folder.
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name)) continue
    for (const root of [local, join(colab, 'sessions')]) {
      await rm(join(root, name), { recursive: true, force: true })
    }
  }
}
