import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { FoundFile, Inventory } from '../artifacts/inventory.ts'
import { systemCode } from '../lib/errors.ts'

/** How `folderArtifacts` calls a file that it is writing. */
const partName = /\.part-[0-9a-f]{12}$/

/** All files of an artifact store in a folder of this machine. */
export function folderInventory(root: string): Inventory {
  return {
    async *files() {
      const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
        unlessGone,
      )
      for (const entry of entries ?? []) {
        if (!entry.isFile()) continue
        const path = join(entry.parentPath, entry.name)
        const found = await stat(path).catch(unlessGone)
        if (!found) continue
        yield {
          id: path,
          key: relative(root, path).split(sep).join('/'),
          bytes: found.size,
          writtenAt: found.mtime,
          state: partName.test(entry.name) ? 'named-part' : 'whole',
        } satisfies FoundFile
      }
    },
    async remove({ id, writtenAt }) {
      const found = await stat(id).catch(unlessGone)
      if (found?.mtime.getTime() !== writtenAt.getTime()) return
      await rm(id, { force: true })
      // Folders that are empty now go too, up to the store itself.
      for (let folder = dirname(id); folder.startsWith(root + sep); folder = dirname(folder)) {
        const isLast = await rmdir(folder).then(
          () => false,
          () => true, // something else is in it
        )
        if (isLast) break
      }
    },
  }
}

/** What is not there any more has been removed by somebody else. */
function unlessGone(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}
