import type { FoundFile, Inventory } from '../artifacts/inventory.ts'
import { type Owners, whyLeftOver } from '../artifacts/left-over.ts'
import { messageOf } from '../lib/errors.ts'

export interface CleaningPorts {
  /** Of every store that may hold files. */
  readonly inventories: readonly Inventory[]
  readonly owners: () => Promise<Owners>
  /** Writes down that so much went. */
  readonly told: (gone: { readonly files: number; readonly bytes: number }) => Promise<void>
  readonly now: () => Date
}

/** Files in one folder of a store that nobody needs, for one reason. */
export interface LeftOver {
  readonly folder: string
  readonly why: string
  readonly files: number
  readonly bytes: number
}

/** Younger ones may still be on their way, or about to be owned. */
const restMs = 24 * 3_600_000

/** Finds what uploads that died, checkpoints that were let go and runs that were removed have left in the stores. */
export function storeCleaning({ inventories, owners, told, now }: CleaningPorts) {
  /** What goes, with the inventory that has it; files are listed first, so that what is owned since is known as owned. */
  async function find(): Promise<{ inventory: Inventory; file: FoundFile; why: string }[]> {
    const before = new Date(now().getTime() - restMs)
    const old: { inventory: Inventory; file: FoundFile }[] = []
    for (const inventory of inventories) {
      for await (const file of inventory.files()) {
        if (file.writtenAt < before) old.push({ inventory, file })
      }
    }
    const known = await owners()
    return old.flatMap(({ inventory, file }) => {
      const why = whyLeftOver(file, known)
      return why === null ? [] : [{ inventory, file, why }]
    })
  }

  return {
    /** What would go. */
    look: async (): Promise<LeftOver[]> => grouped(await find()),
    /** Removes it; `why` says what kept some of it from going, null when nothing did. */
    async clean(): Promise<{ gone: LeftOver[]; why: string | null }> {
      const gone: { file: FoundFile; why: string }[] = []
      let trouble: string | null = null
      for (const found of await find()) {
        try {
          await found.inventory.remove(found.file)
          gone.push(found)
        } catch (error) {
          trouble ??= messageOf(error) // the rest may go all the same
        }
      }
      const bytes = gone.reduce((sum, { file }) => sum + file.bytes, 0)
      if (gone.length > 0) await told({ files: gone.length, bytes })
      return { gone: grouped(gone), why: trouble }
    },
  }
}

export type StoreCleaning = ReturnType<typeof storeCleaning>

function grouped(found: readonly { readonly file: FoundFile; readonly why: string }[]): LeftOver[] {
  const groups = new Map<string, LeftOver>()
  for (const { file, why } of found) {
    const folder = file.key.slice(0, file.key.lastIndexOf('/'))
    const { files, bytes } = groups.get(`${folder} ${why}`) ?? { files: 0, bytes: 0 }
    groups.set(`${folder} ${why}`, { folder, why, files: files + 1, bytes: bytes + file.bytes })
  }
  return [...groups.values()].toSorted((a, b) => (a.folder < b.folder ? -1 : 1))
}
