import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import { Readable } from 'node:stream'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import { AppError, systemCode } from '../lib/errors.ts'

/**
 * The artifact store in a folder of this machine. A file is written beside its place under another name, flushed to disk,
 * hashed on the way, and renamed only when whole.
 */
export function folderArtifacts(root: string): ArtifactStore {
  const place = (key: string): string => {
    const path = normalize(join(root, key))
    if (!path.startsWith(root + sep)) throw new AppError('invalid', `${key} leaves the store`)
    return path
  }
  return {
    kind: 'folder',
    async receive(key, body, expected) {
      const target = place(key)
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      const part = `${target}.part-${randomBytes(6).toString('hex')}`
      try {
        await writeHashed(part, body, expected)
        await rename(part, target)
        await syncFolder(dirname(target))
      } catch (error) {
        await rm(part, { force: true })
        if (systemCode(error) !== 'ENOSPC' && systemCode(error) !== 'EDQUOT') throw error
        throw new AppError('disk-full', `the artifact store in ${root} has no room left`, {
          code: 'disk_full',
          next: 'Free space on that disk; sessions repeat their upload by themselves',
          cause: error,
        })
      }
    },
    async verify(key, expected) {
      const path = place(key)
      const size = await stat(path).then(
        (found) => found.size,
        () => -1, // not there, or not readable: not whole either way
      )
      if (size !== expected.bytes) return false
      const hash = createHash('sha256')
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer) // a stream without encoding
      return hash.digest('hex') === expected.sha256
    },
    async read(key, range) {
      const path = place(key)
      await stat(path).catch((cause: unknown) => {
        throw new AppError('not-found', `${key} is not in the store`, { cause })
      })
      if (range && range.to <= range.from) return Readable.from([])
      return createReadStream(path, range ? { start: range.from, end: range.to - 1 } : {})
    },
    remove: (prefix) => rm(place(prefix), { recursive: true, force: true }),
    list: (prefix) =>
      readdir(place(prefix)).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return []
        throw error
      }),
  }
}

async function writeHashed(
  part: string,
  body: AsyncIterable<Uint8Array>,
  expected: { readonly bytes: number; readonly sha256: string },
): Promise<void> {
  const file = await open(part, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of body) {
      bytes += chunk.byteLength
      if (bytes > expected.bytes) break
      hash.update(chunk)
      await file.appendFile(chunk) // to the last byte: a bare write may take a part, on a full disk without an error
    }
    if (bytes !== expected.bytes || hash.digest('hex') !== expected.sha256) {
      throw new AppError('invalid', 'the bytes that arrived are not those that were announced', {
        code: 'hash_mismatch',
        next: 'Send the file again',
      })
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A rename is on disk only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
