import type { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import {
  AboutAnswer,
  type DriveFile,
  FILE_FIELDS,
  FileAnswer,
  IdsAnswer,
  ListAnswer,
} from './answers.ts'
import { driveLibrary } from './drive-library.ts'
import { garbledAnswer, parseJson, statusFailure } from './failures.ts'
import { type AccessTokens, type Answer, driveHttp } from './http.ts'

export type { DriveFile } from './answers.ts'

export interface DriveClientOptions {
  /** `https://www.googleapis.com`, or any other address with `/drive/v3` and `/upload/drive/v3` below it. */
  readonly rootUrl: string
  readonly tokens: AccessTokens
  /** For an answer, and for each pause within one: a long download that goes on is never cut short. */
  readonly timeoutMs: number
  readonly clock: Clock
}

export interface NewFile {
  readonly name: string
  /** The id of a folder. */
  readonly parent: string
  readonly mimeType?: string
  /** Seen by this application only; key and value together at most 124 bytes, 30 of them. */
  readonly appProperties?: Readonly<Record<string, string>>
  /** From `generateIds`: with it a file can come into being once only. */
  readonly id?: string
}

/** Both figures may be left out for bytes that are not made yet: their first sender says how many they are. */
export interface NewUpload extends NewFile {
  readonly bytes?: number
  /** In hex; kept among the properties under `sha256`, so that the file is found again by it. */
  readonly sha256?: string
}

export type UploadStatus =
  /** Gone on with from this byte. */
  | { readonly kind: 'open'; readonly receivedBytes: number }
  | { readonly kind: 'done'; readonly file: DriveFile }
  /** Never to be gone on with: a new one has to be opened. */
  | { readonly kind: 'gone' }

/** Room in the account, in bytes, the bin counted; null where it has no limit. */
export interface DriveQuota {
  readonly user: string | null
  readonly limitBytes: number | null
  readonly usedBytes: number
  readonly trashedBytes: number
  readonly freeBytes: number | null
}

export interface DriveQuery {
  readonly appProperties?: Readonly<Record<string, string>>
  readonly parent?: string
  readonly name?: string
  readonly mimeType?: string
}

export const FOLDER_TYPE = 'application/vnd.google-apps.folder'

/** Chunks but the last must be multiples of this: https://developers.google.com/workspace/drive/api/guides/manage-uploads (read 2026-11). */
export const UPLOAD_GRANULE_BYTES = 256 * 1024

const PAGES = 100

/**
 * Google Drive for one application and one account: Google's own client, and resumable uploads, which it lacks. Nothing is repeated here, but for one call with a fresh token
 * after a refused one. Everything throws AppError: `unauthorized` (`google_signed_out`), `disk-full` (`drive_full`),
 * `unavailable` (`rate_limited` with `retryAfterSeconds`, …), `not-found` (`drive_not_found`: deleted, or made by another client id).
 */
export function driveClient({ rootUrl, tokens, timeoutMs, clock }: DriveClientOptions) {
  const root = rootUrl.replace(/\/+$/, '')
  const uploads = `${root}/upload/drive/v3/files`
  const send = driveHttp({ tokens, timeoutMs })
  const call = driveLibrary({ root, send })
  const folders = new Map<string, string>()

  const fail = async (answer: Answer, doing: string): Promise<never> => {
    const { status } = answer
    if (status === 404) folders.clear() // a person may have moved one into the bin
    const retryAfter = answer.header('retry-after')
    throw statusFailure({ status, retryAfter, body: await answer.text() }, doing, clock)
  }

  const read = async <Schema extends z.ZodType>(
    answer: Answer,
    schema: Schema,
    doing: string,
  ): Promise<z.output<Schema>> => {
    if (!answer.isOk) return await fail(answer, doing)
    const parsed = schema.safeParse(parseJson(await answer.text()))
    if (!parsed.success) throw garbledAnswer(doing)
    return parsed.data
  }

  const withQuery = (url: string, query: Readonly<Record<string, string>>): string =>
    `${url}?${new URLSearchParams(query)}`

  const metadataOf = ({ name, parent, mimeType, appProperties, id }: NewFile) => ({
    name,
    parents: [parent],
    ...(mimeType === undefined ? {} : { mimeType }),
    ...(appProperties === undefined ? {} : { appProperties }),
    ...(id === undefined ? {} : { id }),
  })

  /** Ids that are still nobody's, for files to be made later. */
  const generateIds = async (count: number): Promise<string[]> => {
    const doing = 'file ids were asked for'
    const answer = await call(doing, (api, options) =>
      api.files.generateIds({ count, space: 'drive', type: 'files' }, options),
    )
    return (await read(answer, IdsAnswer, doing)).ids
  }

  /** What is known of a file. @throws AppError `not-found` (`drive_not_found`) also for one that another client id made */
  const metadata = async (id: string): Promise<DriveFile> => {
    const doing = 'a file was looked up'
    const answer = await call(doing, (api, options) =>
      api.files.get({ fileId: id, fields: FILE_FIELDS }, options),
    )
    return await read(answer, FileAnswer, doing)
  }

  /** Files outside the bin that fit all that is asked, oldest first. New ones may be missing for a while: keep their ids. */
  const find = async (query: DriveQuery): Promise<DriveFile[]> => {
    const doing = 'files were listed'
    const found: DriveFile[] = []
    const asked = {
      q: queryText(query),
      fields: `nextPageToken,files(${FILE_FIELDS})`,
      orderBy: 'createdTime',
      pageSize: 1000,
      spaces: 'drive',
    }
    let pageToken = ''
    for (let count = 0; count < PAGES; count += 1) {
      const page = pageToken === '' ? asked : { ...asked, pageToken }
      const answer = await call(doing, (api, options) => api.files.list(page, options))
      const list = await read(answer, ListAnswer, doing)
      found.push(...list.files)
      pageToken = list.nextPageToken ?? ''
      if (pageToken === '') break
    }
    return found
  }

  /** The id of a folder below the account's root, such as `Rodízio/runs/run_1`; made where it is missing. */
  const ensureFolder = async (path: string): Promise<string> => {
    let parent = 'root'
    let soFar = ''
    for (const name of path.split('/').filter((part) => part !== '')) {
      soFar = `${soFar}/${name}`
      parent = folders.get(soFar) ?? (await folderIn(parent, name))
      folders.set(soFar, parent)
    }
    return parent
  }

  const folderIn = async (parent: string, name: string): Promise<string> => {
    const [oldest] = await find({ parent, name, mimeType: FOLDER_TYPE })
    if (oldest) return oldest.id
    const doing = 'a folder was made'
    const requestBody = metadataOf({ name, parent, mimeType: FOLDER_TYPE })
    const answer = await call(doing, (api, options) =>
      api.files.create({ requestBody, fields: FILE_FIELDS }, options),
    )
    return (await read(answer, FileAnswer, doing)).id
  }

  /** A folder under an id of its own, so that one whose answer was lost is known all the same. Repeated, it changes nothing. */
  const createFolder = async (folder: NewFile & { readonly id: string }): Promise<void> => {
    const doing = 'a folder was made'
    const requestBody = metadataOf({ ...folder, mimeType: FOLDER_TYPE })
    const answer = await call(doing, (api, options) =>
      api.files.create({ requestBody, fields: FILE_FIELDS }, options),
    )
    if (answer.status === 409) return await answer.discard()
    await read(answer, FileAnswer, doing)
  }

  /** Stores a small file (5 MB at most) in one call. For anything larger open an upload. */
  const create = async (file: NewFile & { readonly content: string }): Promise<DriveFile> => {
    const doing = 'a small file was stored'
    const { content, mimeType = 'application/octet-stream' } = file
    // Multipart with JSON and text: the boundary must not occur in them (RFC 2387).
    let boundary = 'rodizio'
    while (content.includes(boundary)) boundary += '-'
    const part = (type: string, value: string) =>
      `--${boundary}\r\ncontent-type: ${type}\r\n\r\n${value}\r\n`
    const json = JSON.stringify(metadataOf(file))
    const answer = await send(
      withQuery(uploads, { uploadType: 'multipart', fields: FILE_FIELDS }),
      {
        method: 'POST',
        headers: { 'content-type': `multipart/related; boundary="${boundary}"` },
        body: `${part('application/json; charset=UTF-8', json)}${part(mimeType, content)}--${boundary}--`,
      },
      doing,
    )
    return await read(answer, FileAnswer, doing)
  }

  /**
   * Opens a resumable upload and returns its address, which is itself the right to write that one file for about a week: to be
   * kept like a secret. @throws AppError `conflict` (`drive_id_used`) when the file of that id is already there
   */
  const openUpload = async (upload: NewUpload): Promise<string> => {
    const doing = 'an upload was opened'
    const { bytes, sha256 } = upload
    const hash: Record<string, string> = sha256 === undefined ? {} : { sha256 }
    const appProperties = { ...upload.appProperties, ...hash }
    const length: Record<string, string> =
      bytes === undefined ? {} : { 'x-upload-content-length': String(bytes) }
    const init = jsonBody('POST', metadataOf({ ...upload, appProperties }), {
      'x-upload-content-type': upload.mimeType ?? 'application/octet-stream',
      ...length,
    })
    const url = withQuery(uploads, { uploadType: 'resumable', fields: FILE_FIELDS })
    const answer = await send(url, init, doing)
    if (!answer.isOk) return await fail(answer, doing)
    await answer.discard()
    const location = answer.header('location')
    if (location === null || !URL.canParse(location)) throw garbledAnswer(doing)
    return location
  }

  const stepOf = async (answer: Answer, doing: string): Promise<UploadStatus> => {
    if (answer.status === 308) {
      await answer.discard()
      const [, last] = /^bytes=0-(\d+)$/.exec(answer.header('range') ?? '') ?? []
      return { kind: 'open', receivedBytes: last === undefined ? 0 : Number(last) + 1 }
    }
    // 410 is what Google's storage says of the same: https://cloud.google.com/storage/docs/status-codes (read 2026-11).
    if (answer.status === 404 || answer.status === 410) {
      await answer.discard()
      return { kind: 'gone' }
    }
    return { kind: 'done', file: await read(answer, FileAnswer, doing) }
  }

  /** How far an upload has come, by its address. */
  const uploadStatus = async (url: string): Promise<UploadStatus> => {
    const doing = 'an upload was looked at'
    const headers = { 'content-range': 'bytes */*' }
    return await stepOf(await sendToUpload(url, { method: 'PUT', headers }, doing), doing)
  }

  /** Sends one chunk, the byte `from` first, of a file of `totalBytes`. All but the last are multiples of 256 KiB. */
  const sendChunk = async (
    url: string,
    chunk: Uint8Array<ArrayBuffer>,
    { from, totalBytes }: { readonly from: number; readonly totalBytes: number },
  ): Promise<UploadStatus> => {
    const doing = 'bytes were sent'
    const range =
      chunk.length === 0
        ? `bytes */${totalBytes}`
        : `bytes ${from}-${from + chunk.length - 1}/${totalBytes}`
    const init = { method: 'PUT', headers: { 'content-range': range }, body: chunk }
    return await stepOf(await sendToUpload(url, init, doing), doing)
  }

  /** An address on another machine than Google's would get our token: refused. */
  const sendToUpload = (url: string, init: RequestInit, doing: string): Promise<Answer> => {
    if (URL.parse(url)?.origin !== new URL(root).origin)
      throw new AppError('invalid', 'this is no address of an upload to Google Drive', {
        code: 'upload_url',
      })
    return send(url, init, doing)
  }

  /**
   * Makes another file of the same bytes, without their leaving Drive, under an id of `generateIds`.
   * @throws AppError `conflict` (`drive_id_used`) when the file of that id is already there
   */
  const copy = async (from: string, to: NewFile & { readonly id: string }): Promise<DriveFile> => {
    const doing = 'a file was copied'
    const order = { fileId: from, fields: FILE_FIELDS, requestBody: metadataOf(to) }
    const answer = await call(doing, (api, options) => api.files.copy(order, options))
    return await read(answer, FileAnswer, doing)
  }

  /** The bytes of a file, or half-open `[from, to)` of them. Unchecked: compare their hash. */
  const download = async (
    id: string,
    range?: { readonly from: number; readonly to?: number },
  ): Promise<AsyncIterable<Uint8Array>> => {
    const doing = 'a file was fetched'
    const headers: Record<string, string> = range
      ? { range: `bytes=${range.from}-${range.to === undefined ? '' : range.to - 1}` }
      : {}
    const answer = await call(doing, (api, options) =>
      api.files.get({ fileId: id, alt: 'media' }, { ...options, headers }),
    )
    if (!answer.isOk) return await fail(answer, doing)
    if (range && answer.status !== 206) throw garbledAnswer(doing) // the whole, though a part was asked for
    return answer.bytes()
  }

  /** Gives a file another name and folder, whatever it had before. Repeated, it changes nothing. */
  const move = async (id: string, to: Pick<NewFile, 'name' | 'parent' | 'appProperties'>) => {
    const doing = 'a file was moved'
    const { name, parents } = await metadata(id)
    if (name === to.name && parents.length === 1 && parents[0] === to.parent) return
    const others = parents.filter((parent) => parent !== to.parent)
    const { appProperties = {} } = to
    const order = {
      fileId: id,
      fields: FILE_FIELDS,
      requestBody: { name: to.name, appProperties },
      ...(parents.includes(to.parent) ? {} : { addParents: to.parent }),
      ...(others.length === 0 ? {} : { removeParents: others.join(',') }),
    }
    const answer = await call(doing, (api, options) => api.files.update(order, options))
    await read(answer, FileAnswer, doing)
  }

  /** Deletes for good, past the bin; a folder with all that is in it. What is not there is no error. */
  const remove = async (id: string): Promise<void> => {
    const doing = 'a file was deleted'
    const answer = await call(doing, (api, options) => api.files.delete({ fileId: id }, options))
    if (!answer.isOk && answer.status !== 404) return await fail(answer, doing)
    await answer.discard()
    if ([...folders.values()].includes(id)) folders.clear()
  }

  const quota = async (): Promise<DriveQuota> => {
    const doing = 'the room on Drive was asked for'
    const fields = 'user(emailAddress),storageQuota(limit,usage,usageInDriveTrash)'
    const answer = await call(doing, (api, options) => api.about.get({ fields }, options))
    const { user, storageQuota } = await read(answer, AboutAnswer, doing)
    const limitBytes = storageQuota.limit ?? null
    const usedBytes = storageQuota.usage ?? 0
    return {
      user: user?.emailAddress ?? null,
      limitBytes,
      usedBytes,
      trashedBytes: storageQuota.usageInDriveTrash ?? 0,
      freeBytes: limitBytes === null ? null : Math.max(0, limitBytes - usedBytes),
    }
  }

  return {
    generateIds,
    metadata,
    find,
    ensureFolder,
    createFolder,
    create,
    openUpload,
    uploadStatus,
    sendChunk,
    copy,
    move,
    download,
    remove,
    quota,
  }
}

export type DriveClient = ReturnType<typeof driveClient>

const jsonBody = (
  method: string,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
  body: JSON.stringify(value),
})

/** The language of `q`: https://developers.google.com/workspace/drive/api/guides/search-files (read 2026-11). */
function queryText({ appProperties = {}, parent, name, mimeType }: DriveQuery): string {
  const quoted = (value: string) => `'${value.replaceAll(/[\\']/g, '\\$&')}'`
  return [
    'trashed=false',
    ...(parent === undefined ? [] : [`${quoted(parent)} in parents`]),
    ...(name === undefined ? [] : [`name=${quoted(name)}`]),
    ...(mimeType === undefined ? [] : [`mimeType=${quoted(mimeType)}`]),
    ...Object.entries(appProperties).map(
      ([key, value]) => `appProperties has { key=${quoted(key)} and value=${quoted(value)} }`,
    ),
  ].join(' and ')
}
