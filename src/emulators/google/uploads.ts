import { truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { addSeconds, iso } from '../../lib/clock.ts'
import { newSecret } from '../../lib/random.ts'
import { receive } from '../transfer.ts'
import { measure } from './content.ts'
import type { Files, Metadata } from './files.ts'
import type { GoogleSettings } from './options.ts'
import type { DriveFile, StateFile, Upload } from './state.ts'
import { type Caller, GoogleError, invalid } from './wire.ts'

/** Chunks but the last are multiples of this, and no part of it is kept of a chunk that was cut. */
export const GRANULE_BYTES = 256 * 1024

export interface UploadsOptions {
  readonly file: StateFile
  readonly settings: GoogleSettings
  readonly files: Files
  readonly now: () => Date
}

export interface UploadOrder {
  readonly caller: Caller
  readonly metadata: Metadata
  /** The file whose bytes it replaces; null for a new one. */
  readonly replaces: string | null
  readonly mimeType: string | undefined
  readonly totalBytes: number | null
}

/** What became of a request to an upload's address. */
export type UploadStep =
  | {
      readonly kind: 'done'
      readonly file: DriveFile
      readonly caller: Caller
      readonly isNew: boolean
    }
  | { readonly kind: 'incomplete'; readonly bytes: number }
  | { readonly kind: 'cut' }

/**
 * Resumable uploads: https://developers.google.com/workspace/drive/api/guides/manage-uploads (read 2026-11). What has arrived
 * is the length of a file on disk, so an upload goes on after a restart. Its address alone is the right to write.
 */
export function createUploads({ file, settings, files, now }: UploadsOptions) {
  const busy = new Map<string, Promise<unknown>>()

  /** Opens an upload and returns its id. Throws what would refuse the file in the end, as far as it is known now. */
  const start = ({ caller, metadata, replaces, mimeType, totalBytes }: UploadOrder): string => {
    const before = replaces === null ? null : files.findToChange(replaces, caller)
    if (before === null) files.checkCreate(metadata, caller)
    files.checkRoom(caller, (totalBytes ?? 0) - (before?.content?.bytes ?? 0))
    const id = newSecret('ABPtcP')
    file.state.uploads = [
      ...file.state.uploads.slice(-999),
      {
        id,
        clientId: caller.clientId,
        user: caller.user,
        isServiceAccount: caller.isServiceAccount,
        scopes: [...caller.scopes],
        replaces,
        metadata: { ...metadata },
        mimeType: mimeType ?? 'application/octet-stream',
        totalBytes,
        expiresAt: iso(addSeconds(now(), settings.uploadSeconds)),
        doneAs: null,
      },
    ]
    file.save()
    return id
  }

  const find = (id: string): Upload => {
    const upload = file.state.uploads.find((known) => known.id === id)
    if (!upload || new Date(upload.expiresAt) <= now())
      throw new GoogleError(404, 'notFound', 'Not Found')
    return upload
  }

  /** Bytes that count: a whole file, or whole granules of one. */
  const receivedBytes = ({ id, totalBytes }: Upload): number => {
    const bytes = file.blobBytes(id)
    return bytes === totalBytes ? bytes : bytes - (bytes % GRANULE_BYTES)
  }

  const finish = async (upload: Upload, isQuestion: boolean): Promise<UploadStep> => {
    const caller: Caller = upload
    const answer = (id: string): UploadStep => ({
      kind: 'done',
      file: files.find(id, caller),
      caller,
      isNew: upload.replaces === null && !isQuestion,
    })
    if (upload.doneAs !== null) return answer(upload.doneAs)
    const bytes = receivedBytes(upload)
    if (bytes !== upload.totalBytes) return { kind: 'incomplete', bytes }
    const content = await measure(file, upload.id)
    const stored = content.bytes === 0 ? { ...content, blob: '' } : content
    if (upload.replaces === null)
      upload.doneAs = files.create(upload.metadata, caller, stored, upload.mimeType).id
    else {
      const found = files.find(upload.replaces, caller)
      files.replaceContent(found, stored, upload.mimeType)
      if (Object.keys(upload.metadata).length > 0) files.update(found, upload.metadata, caller)
      upload.doneAs = found.id
    }
    file.save()
    return answer(upload.doneAs)
  }

  /** Takes one request to an upload's address; `cutAfterBytes` breaks the line on the way. */
  const take = async (
    id: string,
    request: IncomingMessage,
    cutAfterBytes: number | undefined,
  ): Promise<UploadStep> => {
    const upload = find(id)
    const range = request.headers['content-range']
    const question = /^bytes \*\/(\d+|\*)$/.exec(range ?? '')
    if (question) {
      request.resume()
      if (question[1] !== '*') fixTotal(upload, Number(question[1]))
      return await finish(upload, true)
    }
    if (upload.doneAs !== null) {
      request.resume()
      return await finish(upload, true)
    }
    const chunk = chunkOf(range, request.headers['content-length'])
    if (chunk.total !== null) fixTotal(upload, chunk.total)
    const isLast = chunk.end !== null && chunk.end === upload.totalBytes
    if (chunk.end !== null && !isLast && (chunk.end - chunk.start) % GRANULE_BYTES !== 0)
      throw invalid(
        `The number of bytes uploaded is required to be equal or greater than 262144, except for the final request (it's recommended to be the exact multiple of 262144).`,
      )
    const have = receivedBytes(upload)
    if (chunk.start > have) {
      request.resume()
      return { kind: 'incomplete', bytes: have }
    }
    const isWhole = await write(upload, request, chunk, have, cutAfterBytes)
    if (!isWhole) return { kind: 'cut' }
    if (chunk.end === null) fixTotal(upload, file.blobBytes(id)) // one request without a range is the whole
    return await finish(upload, false)
  }

  /** False when the line broke: then only whole granules stay. */
  const write = async (
    upload: Upload,
    request: IncomingMessage,
    { start, end }: Chunk,
    have: number,
    cutAfterBytes: number | undefined,
  ): Promise<boolean> => {
    const path = file.blobPath(upload.id)
    if (file.blobBytes(upload.id) > have) truncateSync(path, have)
    const target = await open(path, have === 0 ? 'w' : 'r+')
    const room = cutAfterBytes ?? Number.POSITIVE_INFINITY
    let taken = 0
    try {
      for await (const received of receive(request, settings.bytesPerSecond)) {
        const bytes = received.subarray(0, Math.max(0, room - taken))
        const skipped = Math.min(bytes.length, Math.max(0, have - (start + taken))) // sent again: it is here
        await target.write(bytes, skipped, bytes.length - skipped, start + taken + skipped)
        taken += bytes.length
        if (taken >= room) break
      }
    } catch {
      return false // the caller went away in the middle
    } finally {
      await target.close()
      const bytes = file.blobBytes(upload.id)
      const isAll = cutAfterBytes === undefined && (end === null || start + taken === end)
      if (!isAll) truncateSync(path, bytes - (bytes % GRANULE_BYTES))
    }
    return cutAfterBytes === undefined && (end === null || start + taken === end)
  }

  const fixTotal = (upload: Upload, total: number): void => {
    if (upload.totalBytes === total) return
    if (upload.totalBytes !== null)
      throw invalid(
        `Invalid request. The total of ${total} bytes is not the ${upload.totalBytes} that were announced.`,
      )
    upload.totalBytes = total
    file.save()
  }

  return {
    start,
    receivedBytes,
    /** Requests to one address wait for each other. */
    take: async (...order: Parameters<typeof take>): Promise<UploadStep> => {
      const [id] = order
      const before = busy.get(id) ?? Promise.resolve()
      const mine = before.catch(() => undefined).then(() => take(...order))
      busy.set(id, mine)
      try {
        return await mine
      } finally {
        if (busy.get(id) === mine) busy.delete(id)
      }
    },
    cancel: (id: string): void => {
      find(id).expiresAt = iso(now())
      file.save()
      file.removeBlob(id)
    },
    /** Unfinished uploads are gone from now on. */
    expire: (): number => {
      const open = file.state.uploads.filter(({ doneAs }) => doneAs === null)
      for (const upload of open) {
        upload.expiresAt = iso(now())
        file.removeBlob(upload.id)
      }
      file.save()
      return open.length
    },
  }
}

export type Uploads = ReturnType<typeof createUploads>

interface Chunk {
  readonly start: number
  /** One past its last byte; null for a request that is the whole file. */
  readonly end: number | null
  readonly total: number | null
}

function chunkOf(range: string | undefined, contentLength: string | undefined): Chunk {
  if (range === undefined) {
    const end = contentLength === undefined ? null : Number(contentLength)
    return { start: 0, end, total: end }
  }
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? []
  if (first === undefined || last === undefined || Number(last) < Number(first))
    throw invalid('Failed to parse Content-Range header.')
  const end = Number(last) + 1
  if (total !== '*' && end > Number(total)) throw invalid('Failed to parse Content-Range header.')
  if (contentLength !== undefined && Number(contentLength) !== end - Number(first))
    throw invalid('Failed to parse Content-Range header.')
  return { start: Number(first), end, total: total === '*' ? null : Number(total) }
}

/** `308` with what is there; without `Range` nothing is. */
export function sendIncomplete(response: ServerResponse, bytes: number): void {
  const range = bytes > 0 ? { range: `bytes=0-${bytes - 1}` } : {}
  response.writeHead(308, { ...range, 'content-length': 0 }).end()
}
