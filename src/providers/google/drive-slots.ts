import type { ArtifactKind } from '../../artifacts/checkpoint.ts'
import type { FileIndex } from '../../artifacts/file-index.ts'
import type { SlotFile, SlotIndex } from '../../artifacts/slot-index.ts'
import type { Slot, Slots } from '../../artifacts/slots.ts'
import { AppError } from '../../lib/errors.ts'
import type { DriveFiles } from './drive-artifacts.ts'

/** Uploads are opened so many at a time: each is a call of its own to Google. */
const atOnce = 8

/** A manifest larger than this is none. */
const manifestMaxBytes = 1024 * 1024

/**
 * Slots on Google Drive: uploads opened before their bytes are made. All of a session's lie in one folder; what becomes a
 * checkpoint moves out of it, and with the folder's deletion nothing more can arrive.
 */
export function driveSlots(
  files: () => Promise<DriveFiles>,
  index: FileIndex,
  slots: SlotIndex,
): Slots {
  /** The files of a slot. @throws AppError `conflict` (`drive_other_client`) when another Google client made them */
  async function filesOf(slot: Slot): Promise<{ client: DriveFiles; rows: SlotFile[] }> {
    const client = await files()
    const rows = (await slots.of(slot.sessionId)).filter((row) => row.slot === slot.number)
    if (rows.every(({ clientId }) => clientId === client.clientId)) return { client, rows }
    throw otherClient()
  }

  /** Deletes the folders of a session, and with them what no checkpoint owns. */
  async function giveUp(sessionId: string): Promise<void> {
    const rows = await slots.of(sessionId)
    if (rows.length === 0) return
    const client = await files()
    const own = rows.filter(({ clientId }) => clientId === client.clientId)
    for (const id of new Set(own.map(({ folderId }) => folderId))) await client.remove(id)
    await slots.forget(sessionId, client.clientId)
  }

  /** Writes down what is about to be opened: ids first, so that a crash leaves nothing on Drive that nobody knows. */
  async function plan(
    client: DriveFiles,
    sessionId: string,
    kinds: readonly ArtifactKind[],
    width: number,
  ): Promise<SlotFile[]> {
    const { clientId } = client
    const [folderId = '', ...ids] = await client.newIds(1 + kinds.length * width)
    const rows = ids.map((fileId, at): SlotFile => {
      const slot = Math.floor(at / width)
      const position = at % width
      const kind = kinds[slot] ?? 'artifact'
      return { sessionId, slot, position, kind, fileId, folderId, clientId, taken: false }
    })
    await slots.put(rows)
    return rows
  }

  return {
    async open(session, wanted) {
      const client = await files()
      const kinds: ArtifactKind[] = [
        ...Array.from({ length: wanted.checkpoints }, () => 'checkpoint' as const),
        'artifact',
      ]
      const width = wanted.files + 1
      const known = await slots.of(session.id)
      if (known.some(({ clientId }) => clientId !== client.clientId)) throw otherClient()
      const last = known.at(-1)
      const fits = last?.slot === kinds.length - 1 && last.position === width - 1
      if (!fits) await giveUp(session.id)
      const rows = fits ? known : await plan(client, session.id, kinds, width)
      const folderId = rows[0]?.folderId ?? ''
      await client.makeFolder(folderId, `runs/${session.runId}/sealed-g${session.generation}`)
      const urls = await inTurns(rows, atOnce, ({ slot, position, fileId }) =>
        client
          .openSlot({ id: fileId, name: `slot-${slot}-file-${position}`, parent: folderId })
          .catch(alreadyStores),
      )
      return kinds.map((kind, slot) => ({
        kind,
        urls: urls.slice(slot * width, (slot + 1) * width),
      }))
    },
    async of(sessionId) {
      const rows = (await slots.of(sessionId)).filter(({ position }) => position === 0)
      return rows.map(({ slot, kind, taken }) => ({ sessionId, number: slot, kind, taken }))
    },
    async manifest(slot) {
      const { client, rows } = await filesOf(slot)
      const [row] = rows
      const found = row && (await client.metadata(row.fileId))
      if (!row || !found) return undefined
      if (found.bytes === 0 || found.bytes > manifestMaxBytes) return ''
      const parts: Uint8Array[] = []
      const body = await client.read(row.fileId, { from: 0, to: found.bytes })
      for await (const part of body) parts.push(part)
      return Buffer.concat(parts).toString('utf8')
    },
    async settle(slot, prefix, wanted, manifest) {
      const { client, rows } = await filesOf(slot)
      const pairs = [{ name: 'manifest.json', ...manifest }, ...wanted].map(
        (file, position) => [file, rows[position]] as const,
      )
      const found = await inTurns(pairs, atOnce, async ([, row]) =>
        row ? client.metadata(row.fileId) : undefined,
      )
      const isWhole = pairs.every(
        ([file], at) => found[at]?.bytes === file.bytes && found[at]?.sha256 === file.sha256,
      )
      if (!isWhole) return false
      await inTurns(pairs, atOnce, async ([{ name, bytes, sha256 }, row]) => {
        if (!row) return
        const key = `${prefix}/${name}`
        const { fileId, clientId } = row
        // Known before it is moved: out of the session's folder nothing else would ever delete it.
        await index.put({ key, fileId, clientId, bytes, sha256, state: 'whole' })
        await client.place(fileId, key)
      })
      return true
    },
    markTaken: (slot) => slots.markTaken(slot.sessionId, slot.number),
    async sweep() {
      for (const sessionId of await slots.ended()) await giveUp(sessionId)
    },
  }
}

const otherClient = (): AppError =>
  new AppError(
    'conflict',
    'what a sealed session stores was opened by another Google client id and is not visible to this client id',
    {
      code: 'drive_other_client',
      next: 'Sign in again with the client id that made it: rodizio login google',
    },
  )

/** Bytes under an id that only a notebook of this session knows: an earlier launch of it came through after all. */
function alreadyStores(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== 'drive_id_used') throw error
  throw new AppError('conflict', 'this session stores already: an earlier launch came through', {
    code: 'session_stores',
    next: 'Nothing needs to be done: it is found at its provider at one of the next looks',
    cause: error,
  })
}

/** The work for each, in their order, so many at a time. */
async function inTurns<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (let from = 0; from < items.length; from += width) {
    results.push(...(await Promise.all(items.slice(from, from + width).map(work))))
  }
  return results
}
