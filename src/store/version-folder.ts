import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type AdapterFormat, otherFormats } from '../artifacts/adapter-format.ts'
import type { ByteRange } from '../artifacts/artifact-store.ts'
import { joined } from '../artifacts/missing-ranges.ts'
import { AppError, systemCode } from '../lib/errors.ts'

/** A file on its way, with what of it is there already; its bytes count only once their hash has been looked at. */
export interface FetchedFile {
  readonly held: readonly ByteRange[]
  /** @throws AppError `disk-full` */
  write(bytes: Uint8Array, at: number): Promise<void>
  hold(range: ByteRange): Promise<void>
  close(): Promise<void>
}

const versionName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const heldName = (name: string) => `.${name}.held`
const hashBytes = 1 << 20
const toldName = '.told.json'
const textOr = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** Which version whoever serves has taken last, and which it would not take. */
export interface Told {
  readonly serving: string | null
  readonly refused: string | null
}

/** Room that is left for whatever else writes on that disk. */
const spareBytes = 16 << 20

/**
 * The folder of an inference box: `versions/NAME/…`, each whole; `current`, a link to one of them that changes in one step; and
 * `.fetching/NAME/…`, what is on its way. Whoever dies at any moment leaves `current` on a whole version.
 */
export function versionFolder(root: string) {
  const versions = join(root, 'versions')
  const fetching = join(root, '.fetching')
  const link = join(root, 'current')
  const at = (folder: string, version: string): string => {
    if (!versionName.test(version)) {
      throw new AppError('invalid', `${JSON.stringify(version)} is no name of a version`, {
        code: 'version_name',
      })
    }
    return join(folder, version)
  }
  const full = (cause: unknown): unknown =>
    systemCode(cause) === 'ENOSPC' || systemCode(cause) === 'EDQUOT' ? diskFull(root, cause) : cause

  return {
    root,
    link,
    pathOf: (version: string) => at(versions, version),
    /** The version that `current` leads to; null when there is none. */
    async current(): Promise<string | null> {
      const target = await readlink(link).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return null
        if (systemCode(error) === 'EINVAL') throw noLink(link)
        throw error
      })
      return target === null ? null : basename(target)
    },
    /** What was told to whom serves; null when nothing was, or nobody knows. */
    async told(): Promise<Told | null> {
      const text = await readFile(join(root, toldName), 'utf8').catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return 'null'
        throw error
      })
      try {
        const { serving, refused } = JSON.parse(text) as Partial<Told>
        return { serving: textOr(serving), refused: textOr(refused) }
      } catch {
        return null // none, or torn by a crash: it is told again
      }
    },
    async note(told: Told): Promise<void> {
      const fresh = join(root, `.current-${randomBytes(6).toString('hex')}`)
      await writeFile(fresh, `${JSON.stringify(told)}\n`)
      await rename(fresh, join(root, toldName))
    },
    /** Versions that are there, the newest first. */
    async list(): Promise<readonly string[]> {
      const names = await namesIn(versions)
      const found = await Promise.all(
        names.map(async (name) => ({ name, at: (await stat(join(versions, name))).mtimeMs })),
      )
      return found
        .toSorted((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1))
        .map(({ name }) => name)
    },
    /** The files of a version with their sizes, other formats made of it left out; null when it is not there. */
    async sizes(version: string): Promise<ReadonlyMap<string, number> | null> {
      const folder = at(versions, version)
      const names = await readdir(folder).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return null
        throw error
      })
      if (names === null) return null
      const own = names.filter((name) => !(otherFormats as readonly string[]).includes(name))
      const sizes = own.map(async (name) => {
        const found = await lstat(join(folder, name))
        return [name, found.isFile() ? found.size : -1] as const
      })
      return new Map(await Promise.all(sizes))
    },
    /** What is on its way of other versions is let go, and links that nobody came to rename. */
    async tidy(version: string | null): Promise<void> {
      for (const name of await namesIn(fetching)) {
        if (name !== version) await rm(join(fetching, name), { recursive: true, force: true })
      }
      for (const name of await namesIn(root)) {
        if (/^\.current-[0-9a-f]{12}$/.test(name)) await rm(join(root, name), { force: true })
      }
    },
    /**
     * @param bytes still to come, for which there must be room
     * @throws AppError `disk-full` (`disk_full`) that says how much is missing
     */
    async makeRoom(version: string, bytes: number): Promise<void> {
      try {
        await mkdir(at(fetching, version), { recursive: true })
        await mkdir(versions, { recursive: true })
      } catch (error) {
        throw full(error)
      }
      const { bavail, bsize } = await statfs(root)
      const missing = bytes + spareBytes - bavail * bsize
      if (missing > 0) throw diskFull(root, undefined, missing)
    },
    /** Goes on with a file of that version, or begins it. */
    async open(version: string, name: string, bytes: number): Promise<FetchedFile> {
      const folder = at(fetching, version)
      const path = join(folder, name)
      const size = await stat(path).then(
        (found) => found.size,
        () => -1,
      )
      const isThere = size >= 0 && size <= bytes // a longer one was another file
      // The record of what is there counts only beside the bytes that it speaks of.
      const held = isThere ? await heldIn(join(folder, heldName(name)), bytes) : []
      if (!isThere) await rm(join(folder, heldName(name)), { force: true })
      const file = await open(path, isThere ? 'r+' : 'w', 0o644)
      const record = await open(join(folder, heldName(name)), 'a', 0o644)
      return {
        held,
        async write(chunk, place) {
          for (let done = 0; done < chunk.byteLength; ) {
            const { bytesWritten } = await file
              .write(chunk, done, chunk.byteLength - done, place + done)
              .catch((error: unknown) => {
                throw full(error)
              })
            if (bytesWritten === 0) throw diskFull(root, undefined)
            done += bytesWritten
          }
        },
        async hold({ from, to }) {
          await record.appendFile(`${from} ${to}\n`).catch((error: unknown) => {
            throw full(error)
          })
        },
        async close() {
          await file.close()
          await record.close()
        },
      }
    },
    /** The bytes of a file that is on its way, or of one that is there. */
    async *read(
      version: string,
      name: string,
      isFetched: boolean,
      range?: ByteRange,
    ): AsyncGenerator<Uint8Array> {
      const path = join(at(isFetched ? fetching : versions, version), name)
      if (range && range.to <= range.from) return
      yield* createReadStream(path, {
        highWaterMark: 1 << 18,
        ...(range ? { start: range.from, end: range.to - 1 } : {}),
      }) as AsyncIterable<Uint8Array>
    },
    /** SHA-256 of a file, in hex; read through one buffer, whatever its size. */
    async hash(version: string, name: string, isFetched: boolean): Promise<string> {
      const path = join(at(isFetched ? fetching : versions, version), name)
      const file = await open(path, 'r')
      try {
        const hash = createHash('sha256')
        const buffer = Buffer.allocUnsafe(hashBytes)
        for (;;) {
          const { bytesRead } = await file.read(buffer, 0, hashBytes, null)
          if (bytesRead === 0) return hash.digest('hex')
          hash.update(buffer.subarray(0, bytesRead))
        }
      } finally {
        await file.close()
      }
    },
    /** A file on its way is not what was wanted: it begins anew. */
    async drop(version: string, name: string): Promise<void> {
      const folder = at(fetching, version)
      await rm(join(folder, heldName(name)), { force: true })
      await rm(join(folder, name), { force: true })
    },
    /** What was fetched becomes a version, flushed to disk; one of that name which stood there is replaced. */
    async place(version: string, now: Date): Promise<void> {
      const folder = at(fetching, version)
      for (const name of await readdir(folder)) {
        if (name.startsWith('.')) await rm(join(folder, name), { force: true })
        else await flushed(join(folder, name))
      }
      await flushed(folder)
      await utimes(folder, now, now)
      await rm(at(versions, version), { recursive: true, force: true })
      await rename(folder, at(versions, version))
      await flushed(versions)
    },
    /**
     * Puts another format of a whole version beside its files, as a folder of its own: made elsewhere first, there in one step.
     * @param make fills an empty folder that will stand as `versions/VERSION/FORMAT`
     */
    async addFormat(
      version: string,
      format: AdapterFormat,
      make: (folder: string) => Promise<void>,
    ): Promise<string> {
      const there = join(at(versions, version), format)
      const fresh = join(fetching, `${version}.${format}`)
      try {
        await rm(fresh, { recursive: true, force: true })
        await mkdir(fresh, { recursive: true })
        await make(fresh)
        await rm(there, { recursive: true, force: true })
        await rename(fresh, there)
        await flushed(at(versions, version))
      } catch (error) {
        await rm(fresh, { recursive: true, force: true })
        throw full(error)
      }
      return there
    },
    /** `current` leads there from now on, in one step. */
    async switchTo(version: string): Promise<void> {
      await stat(at(versions, version)) // a link into nothing would be worse than an old one
      const fresh = join(root, `.current-${randomBytes(6).toString('hex')}`)
      await symlink(join('versions', version), fresh)
      await rename(fresh, link).catch(async (error: unknown) => {
        await rm(fresh, { force: true })
        if (systemCode(error) === 'EISDIR' || systemCode(error) === 'ENOTEMPTY') throw noLink(link)
        throw error
      })
      await flushed(root)
    },
    /** Lets go of all but the newest, and never of those that are named. */
    async keep(most: number, also: readonly string[]): Promise<readonly string[]> {
      const kept = new Set(also)
      const others = (await this.list()).filter((name) => !kept.has(name))
      const gone = others.slice(Math.max(0, most - kept.size))
      for (const name of gone) {
        // Renamed first: a version is there whole or not at all.
        const away = join(fetching, `${name}-gone`)
        await mkdir(fetching, { recursive: true })
        await rm(away, { recursive: true, force: true })
        await rename(join(versions, name), away)
        await rm(away, { recursive: true, force: true })
      }
      return gone
    },
  }
}

export type VersionFolder = ReturnType<typeof versionFolder>

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  })

/** A line that was cut off in the middle speaks of nothing. */
async function heldIn(path: string, bytes: number): Promise<readonly ByteRange[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  })
  const lines = text.split('\n').slice(0, -1)
  const ranges = lines.flatMap((line) => {
    const [, from, to] = /^(\d+) (\d+)$/.exec(line) ?? []
    return from === undefined ? [] : [{ from: Number(from), to: Number(to) }]
  })
  return joined(ranges.filter(({ from, to }) => from < to && to <= bytes))
}

async function flushed(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

const diskFull = (root: string, cause: unknown, missing?: number): AppError =>
  new AppError(
    'disk-full',
    missing === undefined
      ? `the disk that holds ${root} is full`
      : `the disk that holds ${root} lacks ${Math.ceil(missing / 1e6)} MB`,
    {
      code: 'disk_full',
      next: 'Free space there and pull again: what has come is kept, and what was serving stays',
      ...(cause === undefined ? {} : { cause }),
    },
  )

const noLink = (link: string): AppError =>
  new AppError('conflict', `${link} is no link of ours`, {
    code: 'current_taken',
    next: 'Move it away, or pull to another folder with --to',
  })
