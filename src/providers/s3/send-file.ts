import { createHash } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { StagedFile } from '../../safekeeping/backup-place.ts'
import type { S3Client } from './client.ts'
import type { Payload } from './http.ts'

/** S3 takes parts from 5 MiB on, and 10,000 of them. */
const smallestPartBytes = 8 * 1024 * 1024
const mostParts = 10_000

/**
 * Stores a file: in one piece, or in parts of 8 MiB where it is larger. No more of it is in memory than a stream holds: each part is
 * read once for its hash and once to be sent. Size and hash as the store has them agree in the end; what fails is given up there.
 * @throws AppError `invalid` (`hash_mismatch`; it is deleted there), and what the client throws
 */
export async function sendFile(client: S3Client, key: string, file: StagedFile): Promise<void> {
  if (file.bytes <= smallestPartBytes)
    await client.put(key, { bytes: file.bytes, sha256: file.sha256, from: () => file.from(0) })
  else await sendParts(client, key, file)
  if (await isThere(client, key, file)) return
  await client.remove(key)
  throw new AppError('invalid', `${key} arrived with other bytes than it was sent with`, {
    code: 'hash_mismatch',
    next: 'It was deleted there; make the backup again',
  })
}

async function sendParts(client: S3Client, key: string, file: StagedFile): Promise<void> {
  const uploadId = await client.beginUpload(key, file.sha256)
  try {
    const tags: string[] = []
    const partBytes = Math.max(smallestPartBytes, Math.ceil(file.bytes / mostParts))
    for (let at = 0; at < file.bytes; at += partBytes) {
      const part = await partOf(file, at, Math.min(partBytes, file.bytes - at))
      tags.push(await client.putPart(key, uploadId, tags.length + 1, part))
    }
    await client.finishUpload(key, uploadId, tags)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    // Finished all the same, where only the answer was lost.
    if (error.code === 's3_upload_gone' && (await isThere(client, key, file))) return
    await giveUp(client, key, uploadId)
    throw error
  }
}

/** The one failure that counts is the one before. What stays is given up by a later backup. */
async function giveUp(client: S3Client, key: string, uploadId: string): Promise<void> {
  await client.giveUp(key, uploadId).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error
  })
}

async function partOf(file: StagedFile, at: number, bytes: number): Promise<Payload> {
  const from = () => firstBytes(file.from(at), bytes)
  const hash = createHash('sha256')
  for await (const chunk of from()) hash.update(chunk)
  return { bytes, sha256: hash.digest('hex'), from }
}

async function* firstBytes(
  source: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array> {
  let missing = bytes
  for await (const chunk of source) {
    const wanted = chunk.subarray(0, missing)
    missing -= wanted.length
    yield wanted
    if (missing === 0) return
  }
}

async function isThere(client: S3Client, key: string, file: StagedFile): Promise<boolean> {
  const found = await client.look(key)
  return found?.bytes === file.bytes && (found.sha256 ?? file.sha256) === file.sha256
}
