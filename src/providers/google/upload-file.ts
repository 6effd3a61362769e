import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { chunksOf } from './chunks.ts'
import {
  type DriveClient,
  type DriveFile,
  type NewUpload,
  UPLOAD_GRANULE_BYTES,
  type UploadStatus,
} from './drive.ts'

/** A file whose bytes are known beforehand. */
type KnownUpload = NewUpload & { readonly bytes: number; readonly sha256: string }

export interface UploadFileOptions {
  readonly drive: Pick<
    DriveClient,
    'find' | 'metadata' | 'openUpload' | 'uploadStatus' | 'sendChunk' | 'remove'
  >
  readonly clock: Clock
  /** A multiple of 256 KiB; 1 MiB when left out. So much is held in memory. */
  readonly chunkBytes?: number
  /** How many failures are overcome before the last is thrown; 5 when left out. */
  readonly attempts?: number
}

/** The bytes of a file from a place on; asked again after a failure. */
export type UploadSource = (from: number) => AsyncIterable<Uint8Array>

/**
 * Stores a file once, whatever happens on the way: goes on where an upload was cut, opens a fresh one when it has expired, and
 * takes the file that is already there, by its id or, without one, by folder, name and hash. Size and SHA-256 as Google has
 * them agree in the end. @throws AppError `invalid` (`hash_mismatch`; nothing is kept), and what `DriveClient` throws
 */
export async function uploadFile(
  { drive, clock, chunkBytes = 4 * UPLOAD_GRANULE_BYTES, attempts = 5 }: UploadFileOptions,
  file: KnownUpload,
  source: UploadSource,
): Promise<DriveFile> {
  let url: string | undefined
  for (let failures = 0; ; ) {
    try {
      const already = url === undefined ? await standing(drive, file) : undefined
      if (already) return await checked(drive, already, file)
      const begun: UploadStatus =
        url === undefined ? { kind: 'open', receivedBytes: 0 } : await drive.uploadStatus(url)
      url ??= await drive.openUpload(file)
      const sent = await sendRest(drive, { url, begun }, file, source, chunkBytes)
      if (sent) return await checked(drive, sent, file)
      url = undefined
      failures += 1
      if (failures >= attempts) throw expired()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.code === 'drive_id_used' && file.id !== undefined)
        return await checked(drive, await drive.metadata(file.id), file)
      failures += 1
      if (error.kind !== 'unavailable' || failures >= attempts) throw error
      await clock.sleep((error.retryAfterSeconds ?? 2 ** failures) * 1000)
    }
  }
}

/** A file of an id of its own need not be looked for: opening its upload tells. */
async function standing(
  drive: UploadFileOptions['drive'],
  { id, parent, name, sha256 }: KnownUpload,
): Promise<DriveFile | undefined> {
  if (id !== undefined) return undefined
  const [oldest] = await drive.find({ parent, name, appProperties: { sha256 } })
  return oldest
}

/** Sends what is missing. Undefined when the upload has expired. */
async function sendRest(
  drive: UploadFileOptions['drive'],
  { url, begun }: { readonly url: string; readonly begun: UploadStatus },
  { bytes: totalBytes }: KnownUpload,
  source: UploadSource,
  chunkBytes: number,
): Promise<DriveFile | undefined> {
  let step = begun
  while (step.kind === 'open') {
    const start = step.receivedBytes
    let from = start
    for await (const chunk of chunksOf(source(from), chunkBytes)) {
      step = await drive.sendChunk(url, chunk, { from, totalBytes })
      from += chunk.length
      if (step.kind !== 'open' || step.receivedBytes !== from) break // done, gone, or not all of it was kept
    }
    if (from === start) step = await drive.sendChunk(url, new Uint8Array(), { from, totalBytes })
    if (step.kind === 'open' && step.receivedBytes <= start) throw noProgress(totalBytes)
  }
  return step.kind === 'done' ? step.file : undefined
}

async function checked(
  drive: UploadFileOptions['drive'],
  stored: DriveFile,
  { bytes, sha256, name }: KnownUpload,
): Promise<DriveFile> {
  if (stored.bytes === bytes && stored.sha256 === sha256) return stored
  await drive.remove(stored.id)
  throw new AppError(
    'invalid',
    `"${name}" arrived on Google Drive with other bytes than it was sent with`,
    {
      code: 'hash_mismatch',
      next: 'It was deleted there; send it again',
    },
  )
}

const expired = (): AppError =>
  new AppError('unavailable', 'the uploads to Google Drive expire before they are done', {
    code: 'upload_expired',
  })

const noProgress = (bytes: number): AppError =>
  new AppError('unavailable', `an upload of ${bytes} bytes to Google Drive does not get on`, {
    code: 'upload_stuck',
  })
