import { createHash, type Hash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { DatasetVersion, Reject, SplitFile, Staging } from '../datasets/import.ts'
import { AppError, systemCode } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'

/** Lines are gathered up to so many bytes before they are written. */
const batchBytes = 256 * 1024

class LineFile {
  readonly #handle: FileHandle
  readonly #hash: Hash = createHash('sha256')
  #pending: string[] = []
  #pendingBytes = 0
  #rows = 0
  #bytes = 0

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async add(line: string): Promise<void> {
    this.#pending.push(line, '\n')
    this.#pendingBytes += line.length + 1
    this.#rows += 1
    if (this.#pendingBytes >= batchBytes) await this.#flush()
  }

  async #flush(): Promise<void> {
    const data = Buffer.from(this.#pending.join(''))
    this.#pending = []
    this.#pendingBytes = 0
    this.#hash.update(data)
    this.#bytes += data.byteLength
    await this.#handle.appendFile(data)
  }

  async finish(): Promise<SplitFile> {
    await this.#flush()
    await this.#handle.sync()
    await this.#handle.close()
    return { rows: this.#rows, bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => undefined) // closed already: the file is going anyway
  }
}

/** The files of all data set versions: `<root>/<version>/{train,validation}.jsonl`, never changed once there. */
export function datasetFiles(root: string) {
  /** Staging places of this process, which the sweep leaves alone: it takes place while the service answers already. */
  const own = new Set<string>()

  return {
    /** Opens a staging place of its own for one import. */
    async stage(): Promise<Staging> {
      const id = randomBytes(6).toString('hex')
      const folder = join(root, `.staging-${id}`)
      own.add(`.staging-${id}`)
      const rejectsFile = join(root, 'rejects', `${id}.jsonl`)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const files = {
        train: new LineFile(await open(join(folder, 'train.jsonl'), 'ax', 0o600)),
        validation: new LineFile(await open(join(folder, 'validation.jsonl'), 'ax', 0o600)),
      }
      let rejects: LineFile | undefined
      let hasRejects = false
      return {
        get rejectsPath() {
          return hasRejects ? rejectsFile : null
        },
        add: (split, line) => files[split].add(line).catch(full),
        async reject(reject: Reject) {
          if (!rejects) {
            await mkdir(join(root, 'rejects'), { recursive: true, mode: 0o700 })
            rejects = new LineFile(await open(rejectsFile, 'ax', 0o600))
            hasRejects = true
          }
          await rejects.add(JSON.stringify(reject)).catch(full)
        },
        async keep() {
          try {
            const train = await files.train.finish()
            const validation = await files.validation.finish()
            await rejects?.finish()
            const version = `ds_${sha256Hex(`${train.sha256} ${validation.sha256}`).slice(0, 20)}`
            const made: DatasetVersion = { version, train, validation }
            await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(made)}\n`, {
              mode: 0o600,
            })
            await settleFolder(folder, join(root, version))
            return made
          } catch (error) {
            return full(error)
          }
        },
        async drop() {
          await files.train.abandon()
          await files.validation.abandon()
          await rejects?.finish().catch(() => undefined) // a full disk: the refusal itself is told
          await rm(folder, { recursive: true, force: true })
        },
      }
    },
    path: (version: string, file: string): string => join(root, version, file),
    /** Bytes from `from` up to, not including, `to`; a small set may have no validation row, and so an empty file. */
    read: (version: string, file: string, from = 0, to?: number): AsyncIterable<Uint8Array> =>
      to !== undefined && to <= from
        ? Readable.from([])
        : createReadStream(join(root, version, file), {
            start: from,
            ...(to === undefined ? {} : { end: to - 1 }),
          }),
    /** Whether the files of a version are there. */
    stands: (version: string): Promise<boolean> => isWhole(join(root, version)),
    /** Removes the files of a version; nothing there is no error. */
    async remove(version: string): Promise<void> {
      // At once out of the way of an import of the same content, and swept at the next start should this be cut short.
      const going = join(root, `.staging-removed-${version}`)
      await rename(join(root, version), going).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error
      })
      await rm(going, { recursive: true, force: true })
    },
    /** Removes what imports of an earlier process have left. */
    async sweep(): Promise<void> {
      const names = await readdir(root).catch(() => []) // no import yet: no folder
      for (const name of names.filter((n) => n.startsWith('.staging-') && !own.has(n))) {
        await rm(join(root, name), { recursive: true, force: true })
      }
    },
  }
}

export type DatasetFiles = ReturnType<typeof datasetFiles>

/** The manifest is the last file of a version to be written, and comes with the folder. */
const isWhole = (folder: string): Promise<boolean> =>
  stat(join(folder, 'manifest.json')).then(
    () => true,
    () => false, // not there: never imported, or removed
  )

/** The same content may have been imported before: then the version that stands is kept. */
async function settleFolder(staged: string, target: string): Promise<void> {
  if (await isWhole(target)) await rm(staged, { recursive: true, force: true })
  else await rename(staged, target)
}

function full(error: unknown): never {
  const code = systemCode(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
  throw new AppError('disk-full', 'the disk filled up during the import', {
    code: 'disk_full',
    next: 'Free space on the disk of the data folder and import again; nothing was imported',
    cause: error,
  })
}
