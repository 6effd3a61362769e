import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import type { BackupKeys } from '../safekeeping/backup-key.ts'
import type { BackupFile } from '../safekeeping/backup-manifest.ts'
import { openFrames, sealFrames } from '../safekeeping/frames.ts'

/** So much of a file is read at once. */
const chunkBytes = 64 * 1024

/**
 * Writes `source` into the file `target` as it lies in a backup: compressed, sealed where there are keys, flushed to disk. Passes
 * through in pieces; nothing of it is held.
 * @param name of the file in the backup, without its ending
 */
export async function packFile(
  source: string,
  target: (name: string) => string,
  { name, path }: Pick<BackupFile, 'name' | 'path'>,
  keys: BackupKeys | null,
): Promise<BackupFile> {
  const stored = keys ? `${name}.gz.sealed` : `${name}.gz`
  const plain = counting()
  const kept = counting()
  const gzip = createGzip({ chunkSize: chunkBytes })
  const read = createReadStream(source, { highWaterMark: chunkBytes })
  const packed = ended(plain.through(read), gzip)
  const sealed = keys ? sealFrames(keys.forFile(stored), gzip) : gzip
  await writeWhole(target(stored), kept.through(sealed))
  await packed
  const [was, is] = [plain.found(), kept.found()]
  return {
    name: stored,
    path,
    bytes: is.bytes,
    sha256: is.sha256,
    plainBytes: was.bytes,
    plainSha256: was.sha256,
  }
}

/**
 * The bytes of a file of a backup as they were, checked on the way: what comes out before the end may still turn out wrong.
 * @throws AppError `invalid` (`backup_damaged`)
 */
export async function* unpackFile(
  file: BackupFile,
  body: AsyncIterable<Uint8Array>,
  keys: BackupKeys | null,
): AsyncGenerator<Uint8Array> {
  const kept = counting(file.bytes)
  const plain = counting(file.plainBytes)
  const stored = kept.through(body)
  const packed = keys ? openFrames(keys.forFile(file.name), stored) : stored
  const gunzip = createGunzip({ chunkSize: chunkBytes })
  const unpacked = ended(packed, gunzip)
  try {
    for await (const chunk of gunzip) {
      yield* plain.through([chunk as Uint8Array]) // a stream without encoding
    }
    await unpacked
  } catch (error) {
    if (error instanceof AppError) throw error
    const code = systemCode(error) ?? ''
    if (code.startsWith('Z_') || code === 'ERR_STREAM_PREMATURE_CLOSE')
      throw damaged(file, `it cannot be unpacked: ${messageOf(error)}`, error)
    throw error
  }
  const [was, is] = [plain.found(), kept.found()]
  if (is.bytes !== file.bytes || is.sha256 !== file.sha256)
    throw damaged(file, `it is not what was written (${is.bytes} of ${file.bytes} bytes)`)
  if (was.bytes !== file.plainBytes || was.sha256 !== file.plainSha256)
    throw damaged(file, 'what is packed in it is not what was put in')
}

/** Resolves when all has gone into the stream and it has ended; what fails also comes out of the stream itself. */
function ended(from: AsyncIterable<Uint8Array>, into: NodeJS.ReadWriteStream): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    pipeline(from, into, (error) => (error ? reject(error) : resolve()))
  })
  done.catch(() => undefined) // met by who reads the stream
  return done
}

/** Counts and hashes what passes; more than was expected ends it. */
function counting(mostBytes = Number.POSITIVE_INFINITY) {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    async *through(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
      for await (const chunk of body) {
        bytes += chunk.byteLength
        if (bytes > mostBytes) throw tooLong()
        hash.update(chunk)
        yield chunk
      }
    },
    found: () => ({ bytes, sha256: hash.digest('hex') }),
  }
}

/** Writes all of it to a new file, to the last byte and onto the disk. */
export async function writeWhole(
  path: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    // A bare write may take a part, on a full disk without an error.
    for await (const chunk of body) await file.appendFile(chunk)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A name in a folder is on disk only when the folder is. */
export async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined
  try {
    handle = await open(folder, 'r')
    await handle.sync()
  } finally {
    await handle?.close()
  }
}

const damaged = ({ name, path }: BackupFile, how: string, cause?: unknown): AppError =>
  new AppError('invalid', `the backup is damaged: ${name} (${path}): ${how}`, {
    code: 'backup_damaged',
    next: 'Use another one: rodizio backup list',
    ...(cause === undefined ? {} : { cause }),
  })

const tooLong = (): AppError =>
  new AppError('invalid', 'the backup is damaged: a file is longer than it was written', {
    code: 'backup_damaged',
    next: 'Use another one: rodizio backup list',
  })
