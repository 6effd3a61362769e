import type { ArtifactStore, ByteRange, StoredFile } from '../../artifacts/artifact-store.ts'
import type { FileIndex, IndexedFile } from '../../artifacts/file-index.ts'
import type { FoundFile, Inventory } from '../../artifacts/inventory.ts'
import { AppError } from '../../lib/errors.ts'
import { checkedBytes } from './checked-bytes.ts'

/** What is needed of a Drive client; ids are made before a file is, so that a repeated upload is the same file. */
export interface DriveFiles {
  /** The Google client whose files these are; another client's files are not visible. */
  readonly clientId: string
  newId(): Promise<string>
  newIds(count: number): Promise<string[]>
  /** The address to which the bytes of a file go, in chunks; the address itself is the permission. */
  openUpload(file: NewDriveFile): Promise<string>
  /** Makes a folder under an id of `newIds`, below the service's own. Repeated, it changes nothing. */
  makeFolder(id: string, key: string): Promise<void>
  /** An address for bytes that are not made yet, in a folder given by its id. */
  openSlot(file: {
    readonly id: string
    readonly name: string
    readonly parent: string
  }): Promise<string>
  /** Gives a file that has arrived the place of a key. Repeated, it changes nothing. */
  place(id: string, key: string): Promise<void>
  /** Size and hash of a whole file; undefined when there is none that this client sees. */
  metadata(id: string): Promise<{ readonly bytes: number; readonly sha256: string } | undefined>
  send(url: string, body: AsyncIterable<Uint8Array>, bytes: number): Promise<void>
  /**
   * Brings a file there whatever cuts come between: its bytes are asked for again from where a cut left off.
   * @throws AppError `invalid` (`hash_mismatch`; nothing is kept)
   */
  bring(file: NewDriveFile, source: (from: number) => AsyncIterable<Uint8Array>): Promise<void>
  /** A second file of the same bytes, made on Drive itself. One of that id that is there is left as it is. */
  copy(from: string, to: NewDriveFile): Promise<void>
  read(id: string, range: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /** For good, past the bin; nothing there is no error. */
  remove(id: string): Promise<void>
  /** All files of this client that stand, or stood, for a key; new ones may be missing for a while. */
  everything(): Promise<{ id: string; key: string; bytes: number; createdAt: Date }[]>
  /** How a session may fetch a file by itself for an hour. */
  fetchWay(id: string): Promise<{ url: string; headers: Record<string, string> }>
}

export interface NewDriveFile {
  readonly id: string
  /** Folders below the service's own, and the file's name, all of it joined by `/`. */
  readonly key: string
  readonly bytes: number
  readonly sha256: string
}

type Expected = Omit<StoredFile, 'name'>

/**
 * The artifact store on Google Drive. A key's file is known by an id from the index; it counts only when Drive's own SHA-256
 * agrees, so that the bytes need not pass through here.
 */
export function driveArtifacts(files: () => Promise<DriveFiles>, index: FileIndex) {
  /**
   * Drive's word on a key, against what is expected; a file that has arrived whole takes its place from here on.
   * @throws AppError `conflict` (`drive_other_client`)
   */
  async function stands(key: string, expected: Expected): Promise<boolean> {
    const known = await index.get(key)
    if (known && (await isWhole(known, expected))) return true
    return takePlace(key, known, expected)
  }

  /** Makes the file that is on its way the key's own, when it has arrived whole. */
  async function takePlace(
    key: string,
    known: IndexedFile | undefined,
    expected: Expected,
  ): Promise<boolean> {
    const arriving = await index.get(pending(key))
    if (!arriving || !(await isWhole(arriving, expected))) return false
    await index.promote(arriving.key, key)
    // Last, and only now: until here the key meant the old file.
    if (known) await (await ownClient(known)).remove(known.fileId)
    return true
  }

  async function isWhole(file: IndexedFile, expected: Expected): Promise<boolean> {
    if (file.bytes !== expected.bytes || file.sha256 !== expected.sha256) return false
    const found = await (await ownClient(file)).metadata(file.fileId)
    return found?.bytes === expected.bytes && found.sha256 === expected.sha256
  }

  /** The client, when it is the one that made the file: another one is told 404 for what is there. */
  async function ownClient(known: IndexedFile): Promise<DriveFiles> {
    const client = await files()
    if (known.clientId === client.clientId) return client
    throw new AppError(
      'conflict',
      `${known.key} was made by another Google client id and is not visible to this client id`,
      {
        code: 'drive_other_client',
        next: 'Sign in again with the client id that made it: rodizio login google',
      },
    )
  }

  /** The file for the bytes of a key, beside the one that stands; the same file for the same bytes, however often. */
  async function arrivingFile(key: string, expected: Expected): Promise<IndexedFile> {
    const client = await files()
    const wanted = { bytes: expected.bytes, sha256: expected.sha256 }
    const arriving = await index.get(pending(key))
    const same =
      arriving?.sha256 === expected.sha256 &&
      arriving.bytes === expected.bytes &&
      arriving.clientId === client.clientId
    if (arriving && !same) await drop(arriving)
    const fileId = arriving && same ? arriving.fileId : await client.newId()
    const { clientId } = client
    const file: IndexedFile = { key: pending(key), fileId, clientId, ...wanted, state: 'opened' }
    await index.put(file)
    return file
  }

  /** An address for the bytes of a key. */
  async function open(key: string, expected: Expected): Promise<string> {
    const client = await files()
    const file = await arrivingFile(key, expected)
    const { fileId, bytes, sha256 } = file
    try {
      return await client.openUpload({ id: fileId, key, bytes, sha256 })
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'conflict') throw error
      // Bytes stand under that id already, whole or wrong: the key gets a file of its own again.
      await drop(file)
      return open(key, expected)
    }
  }

  async function drop(file: IndexedFile): Promise<void> {
    await (await ownClient(file)).remove(file.fileId)
    await index.remove(file.key)
  }

  /** One after the other for each key: two at once would each take the other's file for a left-over. */
  const turns = new Map<string, Promise<unknown>>()
  async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(key) ?? Promise.resolve()).catch(() => undefined).then(work)
    turns.set(key, mine)
    try {
      return await mine
    } finally {
      if (turns.get(key) === mine) turns.delete(key)
    }
  }

  const store: ArtifactStore = {
    kind: 'drive',
    receive: async (key, body, expected) =>
      inTurn(checked(key), async () => {
        const client = await files()
        await client.send(await open(key, expected), body, expected.bytes)
        if (await takePlace(key, await index.get(key), expected)) return
        const arriving = await index.get(pending(key))
        if (arriving) await drop(arriving)
        throw new AppError('invalid', 'the bytes that arrived are not those that were announced', {
          code: 'hash_mismatch',
          next: 'Send the file again',
        })
      }),
    verify: async (key, expected) => inTurn(checked(key), () => stands(key, expected)),
    async read(key, range) {
      const known = await index.get(checked(key))
      if (!known) throw new AppError('not-found', `${key} is not in the store`)
      if (range && range.to <= range.from) return nothing()
      const client = await ownClient(known)
      if (range && (range.from > 0 || range.to < known.bytes))
        return client.read(known.fileId, range)
      return checkedBytes(await client.read(known.fileId, { from: 0, to: known.bytes }), known)
    },
    async remove(prefix) {
      checked(prefix)
      for (const place of [prefix, pending(prefix)]) {
        const own = await index.get(place)
        for (const file of [...(own ? [own] : []), ...(await index.below(place))]) await drop(file)
      }
    },
    async list(prefix) {
      const names = (await index.below(checked(prefix))).map(
        ({ key }) => key.slice(prefix.length + 1).split('/')[0] ?? '',
      )
      return [...new Set(names)]
    },
  }
  const inventory: Inventory = {
    async *files() {
      const client = await files()
      // Listed before the index is read: what comes to Drive stands in the index before.
      const listed = new Map((await client.everything()).map((file) => [file.id, file]))
      for (const { key, fileId, clientId, writtenAt, state } of await index.all()) {
        if (clientId !== client.clientId) continue // not visible from here
        const bytes = listed.get(fileId)?.bytes ?? 0
        listed.delete(fileId)
        const isPart = state === 'opened'
        yield {
          id: fileId,
          key: keyOfPending(key),
          bytes,
          writtenAt,
          state: isPart ? 'part' : 'whole',
        }
      }
      for (const { id, key, bytes, createdAt } of listed.values()) {
        yield { id, key, bytes, writtenAt: createdAt, state: 'stray' }
      }
    },
    async remove({ id, key, state }) {
      if (state === 'stray') return (await files()).remove(id)
      await inTurn(checked(key), async () => {
        const known = await index.get(state === 'part' ? pending(key) : key)
        if (known?.fileId === id) await drop(known)
      })
    },
  }
  return {
    store,
    inventory,
    /** The bytes of a file that lies on Drive, whatever its key leads to. */
    readFound: async ({ id, bytes }: FoundFile) => (await files()).read(id, { from: 0, to: bytes }),
    /** Makes a file the one of its key, when Drive's own hash agrees; false when it does not. */
    takeFound: ({ id, key }: FoundFile, { bytes, sha256 }: Expected): Promise<boolean> =>
      inTurn(checked(key), async () => {
        const client = await files()
        const found = await client.metadata(id)
        if (found?.bytes !== bytes || found.sha256 !== sha256) return false
        const { clientId } = client
        await index.put({ key, fileId: id, clientId, bytes, sha256, state: 'whole' })
        return true
      }),
    /** As `receive`, for a source that can be asked again: a cut costs what was on the line. */
    bring: (
      key: string,
      source: (from: number) => AsyncIterable<Uint8Array>,
      expected: Expected,
    ): Promise<void> =>
      inTurn(checked(key), async () => {
        const client = await files()
        const { fileId, bytes, sha256 } = await arrivingFile(key, expected)
        await client.bring({ id: fileId, key, bytes, sha256 }, source)
        await takePlace(key, await index.get(key), expected)
      }),
    /**
     * Another key with the bytes of a key, which do not leave Drive. Repeated it changes nothing.
     * @throws AppError `not-found`, `invalid` (`hash_mismatch`)
     */
    copy: (from: string, to: string, expected: Expected): Promise<void> =>
      inTurn(checked(to), async () => {
        const known = await index.get(checked(from))
        if (!known) throw new AppError('not-found', `${from} is not in the store`)
        const { fileId, bytes, sha256 } = await arrivingFile(to, expected)
        const client = await ownClient(known)
        await client.copy(known.fileId, { id: fileId, key: to, bytes, sha256 })
        if (await takePlace(to, await index.get(to), expected)) return
        const arriving = await index.get(pending(to))
        if (arriving) await drop(arriving)
        throw new AppError('invalid', `${from} has other bytes on Drive than its manifest says`, {
          code: 'hash_mismatch',
        })
      }),
    /** How a session reaches files of this store by itself; paths begin with `store/`. */
    ways: {
      uploads: async (_session: string, wanted: readonly (Expected & { path: string })[]) => {
        const ways: { url: string; how: 'resumable' }[] = []
        for (const { path, bytes, sha256 } of wanted) {
          const key = checked(keyOf(path))
          const url = await inTurn(key, () => open(key, { bytes, sha256 }))
          ways.push({ url, how: 'resumable' })
        }
        return ways
      },
      downloads: async (_session: string, wanted: readonly { path: string }[]) => {
        const ways: { url: string; headers: Record<string, string> }[] = []
        for (const { path } of wanted) {
          const known = await index.get(keyOf(path))
          if (!known) throw new AppError('not-found', `${path} is not in the store`)
          ways.push(await (await ownClient(known)).fetchWay(known.fileId))
        }
        return ways
      },
    },
  }
}

/** Where the index keeps a file that is still on its way. */
const pending = (key: string): string => `arriving/${key}`

const keyOfPending = (key: string): string => key.replace(/^arriving\//, '')

/** A key as it was given. @throws AppError `invalid` for one that would leave its place */
function checked(key: string): string {
  if (key.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw new AppError('invalid', `${key} leaves the store`)
  }
  return key
}

const keyOf = (path: string): string => path.replace(/^store\//, '')

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An empty range has no bytes.
}
