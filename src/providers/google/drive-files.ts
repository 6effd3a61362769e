import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { chunksOf } from './chunks.ts'
import type { DriveClient } from './drive.ts'
import { UPLOAD_GRANULE_BYTES } from './drive.ts'
import type { DriveFiles } from './drive-artifacts.ts'
import type { AccessTokens } from './http.ts'
import { uploadFile } from './upload-file.ts'

export interface DriveFilesOptions {
  readonly client: DriveClient
  readonly clientId: string
  /** The service's own folder, at the root of the Drive. */
  readonly folder: string
  readonly rootUrl: string
  readonly tokens: AccessTokens
  readonly clock: Clock
}

/** So much of a file is held at once while this service sends it itself: manifests fit in one. */
const chunkBytes = 4 * UPLOAD_GRANULE_BYTES

/** A session's own token is good for at least so long. */
const sessionTokenSeconds = 1800

/** Drive as the artifact store wants it: keys become folders and names below one folder of the person's Drive. */
export function driveFiles(options: DriveFilesOptions): DriveFiles {
  const { client, clientId, folder, tokens, clock } = options
  const root = options.rootUrl.replace(/\/+$/, '')
  /** Where a key stands: its name, and the folder it is in. */
  const placeOf = async (key: string) => {
    const parts = key.split('/')
    const name = parts.pop() ?? key
    return { name, parent: await client.ensureFolder([folder, ...parts].join('/')) }
  }
  /** Google gives at most 1,000 ids in one answer. */
  const newIds = async (count: number) => {
    const ids: string[] = []
    while (ids.length < count) {
      const more = await client.generateIds(Math.min(1000, count - ids.length))
      if (more.length === 0) throw new AppError('unavailable', 'Google gave no ids for new files')
      ids.push(...more)
    }
    return ids
  }
  return {
    clientId,
    newIds,
    async newId() {
      const [id = ''] = await newIds(1)
      return id
    },
    async openUpload({ id, key, bytes, sha256 }) {
      const place = await placeOf(key)
      return client.openUpload({ id, ...place, bytes, sha256, appProperties: { rodizio: key } })
    },
    makeFolder: async (id, key) => client.createFolder({ id, ...(await placeOf(key)) }),
    openSlot: (file) => client.openUpload(file),
    async place(id, key) {
      await client.move(id, { ...(await placeOf(key)), appProperties: { rodizio: key } })
    },
    async metadata(id) {
      try {
        const { bytes, sha256, isTrashed } = await client.metadata(id)
        return bytes === null || sha256 === null || isTrashed ? undefined : { bytes, sha256 }
      } catch (error) {
        if (error instanceof AppError && error.kind === 'not-found') return undefined
        throw error
      }
    },
    async send(url, body, totalBytes) {
      let from = 0
      for await (const chunk of chunksOf(body, chunkBytes)) {
        const end = from + chunk.byteLength
        // More or less than was announced: the file stays unfinished, and nobody will see it.
        if (end > totalBytes || (end < totalBytes && chunk.byteLength < chunkBytes)) return
        await client.sendChunk(url, chunk, { from, totalBytes })
        from += chunk.byteLength
      }
      if (totalBytes === 0) await client.sendChunk(url, new Uint8Array(0), { from: 0, totalBytes })
    },
    async bring({ id, key, bytes, sha256 }, source) {
      const appProperties = { rodizio: key }
      const file = { id, ...(await placeOf(key)), bytes, sha256, appProperties }
      await uploadFile({ drive: client, clock }, file, source)
    },
    async copy(from, { id, key, sha256 }) {
      const appProperties = { rodizio: key, sha256 }
      try {
        await client.copy(from, { id, ...(await placeOf(key)), appProperties })
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'drive_id_used') throw error
      }
    },
    read: (id, range) => client.download(id, range),
    remove: (id) => client.remove(id),
    async everything() {
      return (await client.find({})).flatMap(({ id, bytes, createdAt, appProperties }) => {
        const key = appProperties.rodizio
        return key === undefined || bytes === null ? [] : [{ id, key, bytes, createdAt }]
      })
    },
    async fetchWay(id) {
      const { token } = await tokens.get(sessionTokenSeconds)
      const headers = { authorization: `Bearer ${token}` }
      return { url: `${root}/drive/v3/files/${encodeURIComponent(id)}?alt=media`, headers }
    },
  }
}
