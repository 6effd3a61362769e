import { randomBytes } from 'node:crypto'
import { iso } from '../../lib/clock.ts'
import { sha256Hex } from '../../lib/random.ts'
import { applyFields, type Known } from './fields.ts'
import type { GoogleSettings } from './options.ts'
import { resourceOf } from './resource.ts'
import type { Content, DriveFile, StateFile } from './state.ts'
import {
  ANYONE,
  type Caller,
  DRIVE_FILE,
  FOLDER,
  FULL_DRIVE,
  GoogleError,
  invalid,
  notFound,
  READ_DRIVE,
  serviceAccountHasNoStorage,
  storageFull,
} from './wire.ts'

export interface FilesOptions {
  readonly file: StateFile
  readonly settings: GoogleSettings
  readonly now: () => Date
}

export type Parameters = Readonly<Record<string, string | undefined>>
export type Metadata = Readonly<Record<string, unknown>>

/** Files and folders of all accounts, each shown to whom it may be shown. */
export function createFiles({ file, settings, now }: FilesOptions) {
  const rootOf = (user: string): string => `0A${sha256Hex(user).slice(0, 17)}`
  const rootFile = (caller: Caller): DriveFile => ({
    id: rootOf(caller.user),
    clientId: caller.clientId,
    owner: caller.user,
    name: 'My Drive',
    mimeType: FOLDER,
    description: null,
    parents: [],
    appProperties: {},
    properties: {},
    starred: false,
    isTrashed: false,
    createdTime: iso(new Date(0)),
    modifiedTime: iso(new Date(0)),
    version: 1,
    content: null,
  })

  const isSharedWith = (found: DriveFile, user: string): boolean =>
    (file.state.shares ?? []).some(
      (share) => share.fileId === found.id && (share.with === ANYONE || share.with === user),
    ) ||
    file.state.files.some(
      (parent) => found.parents.includes(parent.id) && isSharedWith(parent, user),
    )

  /** Scope `drive.file` shows what this application made, and nothing else; of another's files one sees those that are shared. */
  const isVisible = (found: DriveFile, { clientId, user, scopes }: Caller): boolean =>
    scopes.includes(FULL_DRIVE) || scopes.includes(READ_DRIVE)
      ? found.owner === user || isSharedWith(found, user)
      : found.owner === user && scopes.includes(DRIVE_FILE) && found.clientId === clientId

  const find = (id: string, caller: Caller): DriveFile => {
    if (id === 'root' || id === rootOf(caller.user)) return rootFile(caller)
    const found = file.state.files.find((known) => known.id === id)
    if (!found || !isVisible(found, caller)) throw notFound(id)
    return found
  }

  /** Throws what stands in the way of a change by whoever only may read. */
  const findToChange = (id: string, caller: Caller): DriveFile => {
    const found = find(id, caller)
    if (found.owner !== caller.user || caller.scopes.every((scope) => scope === READ_DRIVE)) {
      throw denied('The user does not have sufficient permissions for this file.')
    }
    return found
  }

  const isTrashed = (found: DriveFile): boolean =>
    found.isTrashed ||
    file.state.files.some((parent) => found.parents.includes(parent.id) && isTrashed(parent))

  const usage = (user: string) => {
    const own = file.state.files.filter(({ owner }) => owner === user)
    const sum = (files: readonly DriveFile[]) =>
      files.reduce((bytes, { content }) => bytes + (content?.bytes ?? 0), 0)
    return { drive: sum(own), trash: sum(own.filter(isTrashed)) }
  }
  const otherUsage = () => file.state.otherUsageBytes ?? settings.otherUsageBytes
  const limit = () =>
    file.state.quotaBytes === undefined ? settings.quotaBytes : file.state.quotaBytes

  const resource = (found: DriveFile, caller: Caller) => resourceOf(found, caller, isTrashed(found))
  const shown = (found: DriveFile, caller: Caller, fields: string | undefined) =>
    applyFields(fields ?? 'kind,id,name,mimeType', resource(found, caller), FILE_FIELDS)

  const noteChange = (found: DriveFile, isRemoved: boolean): void => {
    file.state.lastChange += 1
    const { id: fileId, owner, clientId } = found
    const change = { id: file.state.lastChange, fileId, owner, clientId, isRemoved }
    file.state.changes = [
      ...file.state.changes.filter((known) => known.fileId !== fileId).slice(-4999),
      { ...change, time: iso(now()) },
    ]
  }

  const changed = (found: DriveFile): void => {
    found.version += 1
    noteChange(found, false)
    file.save()
  }

  const parentsOf = (value: unknown, caller: Caller): string[] => {
    const wanted = strings(value)
    if (wanted.length > 1)
      throw new GoogleError(400, 'invalid', 'A file cannot have more than one parent.')
    return wanted.length === 0 ? [rootOf(caller.user)] : wanted.map((id) => find(id, caller).id)
  }

  const checkId = (id: string | undefined): void => {
    if (id === undefined) return
    if (file.state.files.some((known) => known.id === id))
      throw new GoogleError(409, 'fileIdInUse', 'A file already exists with the provided ID.')
    if (!file.state.generatedIds.includes(id)) throw invalid('The provided file ID is not usable.')
  }

  /** Throws what stands in the way of so many bytes more in this account. */
  const checkRoom = (caller: Pick<Caller, 'user' | 'isServiceAccount'>, bytes: number): void => {
    if (caller.isServiceAccount) throw serviceAccountHasNoStorage()
    const room = limit()
    if (room !== null && usage(caller.user).drive + otherUsage() + bytes > room) throw storageFull()
  }

  /** Throws what would stand in the way of a file made from this. */
  const checkCreate = (metadata: Metadata, caller: Caller): void => {
    checkId(text(metadata.id))
    parentsOf(metadata.parents, caller)
    checkProperties(metadata.appProperties)
  }

  const create = (
    metadata: Metadata,
    caller: Caller,
    content: Content | null,
    mimeType?: string,
  ) => {
    checkCreate(metadata, caller)
    const wantedType = text(metadata.mimeType) ?? mimeType
    const isFolder = wantedType === FOLDER
    if (caller.isServiceAccount && !isFolder) throw serviceAccountHasNoStorage()
    if (content) checkRoom(caller, content.bytes)
    const made: DriveFile = {
      id: text(metadata.id) ?? newFileId(),
      clientId: caller.clientId,
      owner: caller.user,
      name: text(metadata.name) ?? 'Untitled',
      mimeType: wantedType ?? 'application/octet-stream',
      description: text(metadata.description) ?? null,
      parents: parentsOf(metadata.parents, caller),
      appProperties: { [caller.clientId]: merged({}, metadata.appProperties) },
      properties: merged({}, metadata.properties),
      starred: metadata.starred === true,
      isTrashed: metadata.trashed === true,
      createdTime: iso(now()),
      modifiedTime: time(metadata.modifiedTime) ?? iso(now()),
      version: 1,
      content: content ?? (isFolder ? null : EMPTY),
    }
    file.state.files.push(made)
    noteChange(made, false)
    file.save()
    return made
  }

  /** Another file with the same bytes: https://developers.google.com/workspace/drive/api/reference/rest/v3/files/copy (read 2026-11). */
  const copy = (found: DriveFile, metadata: Metadata, caller: Caller): DriveFile => {
    if (found.mimeType === FOLDER) throw denied('This file cannot be copied by the user.')
    const content = found.content && copyOf(found.content)
    const parents = metadata.parents ?? found.parents
    const name = metadata.name ?? `Copy of ${found.name}`
    return create({ ...metadata, parents, name }, caller, content, found.mimeType)
  }

  /** The bytes again, under a name of their own: one of two files may go. */
  const copyOf = (content: Content): Content =>
    content.blob === '' ? content : { ...content, blob: file.copyBlob(content.blob) }

  const update = (
    found: DriveFile,
    metadata: Metadata,
    caller: Caller,
    { addParents, removeParents }: Parameters = {},
  ): void => {
    if (found.id === rootOf(caller.user)) throw denied('The root folder cannot be changed.')
    if (metadata.parents !== undefined)
      throw new GoogleError(
        403,
        'fieldNotWritable',
        'The parents field is not directly writable in update requests. Use the addParents and removeParents parameters instead.',
      )
    checkProperties(metadata.appProperties)
    const removed = commas(removeParents)
    const added = commas(addParents).map((id) => find(id, caller).id)
    const kept = found.parents.filter((id) => !removed.includes(id) && added.length === 0)
    found.name = text(metadata.name) ?? found.name
    found.mimeType = text(metadata.mimeType) ?? found.mimeType
    found.description = text(metadata.description) ?? found.description
    found.parents = added.length > 0 || removed.length > 0 ? [...kept, ...added] : found.parents
    found.properties = merged(found.properties, metadata.properties)
    found.appProperties[caller.clientId] = merged(
      found.appProperties[caller.clientId] ?? {},
      metadata.appProperties,
    )
    if (typeof metadata.starred === 'boolean') found.starred = metadata.starred
    if (typeof metadata.trashed === 'boolean') found.isTrashed = metadata.trashed
    else found.modifiedTime = time(metadata.modifiedTime) ?? iso(now())
    changed(found)
  }

  /** Gives a file other bytes; the ones before are gone. */
  const replaceContent = (found: DriveFile, content: Content, mimeType?: string): void => {
    const before = found.content
    checkRoom({ user: found.owner, isServiceAccount: false }, content.bytes - (before?.bytes ?? 0))
    found.content = content
    found.mimeType = mimeType ?? found.mimeType
    found.modifiedTime = iso(now())
    changed(found)
    if (before && before.blob !== '') file.removeBlob(before.blob)
  }

  /** Deletes for good, a folder with all that lies in it. */
  const remove = (found: DriveFile): void => {
    const gone = [found]
    for (const parent of gone)
      gone.push(...file.state.files.filter(({ parents }) => parents.includes(parent.id)))
    const ids = new Set(gone.map(({ id }) => id))
    file.state.files = file.state.files.filter(({ id }) => !ids.has(id))
    for (const one of gone) noteChange(one, true)
    file.save()
    for (const { content } of gone)
      if (content && content.blob !== '') file.removeBlob(content.blob)
  }

  return {
    find,
    findToChange,
    shown,
    checkCreate,
    checkRoom,
    create,
    copy,
    update,
    replaceContent,
    remove,
    /** Deletes what this caller sees in the bin. */
    emptyTrash: (caller: Caller): void => {
      for (const found of file.state.files.filter((known) => known.isTrashed))
        if (isVisible(found, caller)) remove(found)
    },
    generateIds: (count: string | undefined): Record<string, unknown> => {
      const wanted = Number(count ?? 10)
      if (!Number.isInteger(wanted) || wanted < 1 || wanted > 1000)
        throw invalid('Invalid Value', 'count')
      const ids = Array.from({ length: wanted }, newFileId)
      file.state.generatedIds = [...file.state.generatedIds, ...ids].slice(-10_000)
      file.save()
      return { kind: 'drive#generatedIds', space: 'drive', ids }
    },
    rootOf,
    isVisible,
    isTrashed,
    resource,
    usage,
    otherUsage,
    limit,
  }
}

export type Files = ReturnType<typeof createFiles>

/** A file without bytes: nothing is stored for it. */
const EMPTY: Content = {
  blob: '',
  bytes: 0,
  md5: 'd41d8cd98f00b204e9800998ecf8427e',
  sha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
  sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
}

/** Every name that the live service knows: https://developers.google.com/workspace/drive/api/reference/rest/v3/files (read 2026-11). */
export const FILE_FIELDS: Known = Object.fromEntries(
  (
    'kind id name mimeType description starred trashed explicitlyTrashed trashingUser trashedTime parents properties ' +
    'appProperties spaces version webContentLink webViewLink iconLink hasThumbnail thumbnailLink thumbnailVersion ' +
    'viewedByMe viewedByMeTime createdTime modifiedTime modifiedByMeTime modifiedByMe sharedWithMeTime sharingUser ' +
    'owners teamDriveId driveId lastModifyingUser shared ownedByMe capabilities viewersCanCopyContent ' +
    'copyRequiresWriterPermission writersCanShare permissions permissionIds hasAugmentedPermissions folderColorRgb ' +
    'originalFilename fullFileExtension fileExtension md5Checksum sha1Checksum sha256Checksum size quotaBytesUsed ' +
    'headRevisionId contentHints imageMediaMetadata videoMediaMetadata isAppAuthorized exportLinks shortcutDetails ' +
    'contentRestrictions labelInfo resourceKey linkShareMetadata inheritedPermissionsDisabled downloadRestrictions'
  )
    .split(' ')
    .map((name) => [name, null]),
)

const newFileId = (): string => `1${randomBytes(24).toString('base64url')}`

const denied = (message: string): GoogleError =>
  new GoogleError(403, 'insufficientFilePermissions', message)

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
export const commas = (value: string | undefined): string[] =>
  (value ?? '').split(',').filter((part) => part !== '')

function time(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) throw invalid('Invalid Value', 'modifiedTime')
  return iso(date)
}

/** Takes new properties in; null takes one out. */
function merged(before: Readonly<Record<string, string>>, value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return { ...before }
  const all = Object.entries({ ...before, ...value })
  return Object.fromEntries(all.flatMap(([key, one]) => (one === null ? [] : [[key, String(one)]])))
}

/** At most 30 of an application, key and value together 124 bytes: https://developers.google.com/workspace/drive/api/guides/properties (read 2026-11). */
function checkProperties(value: unknown): void {
  const all = Object.entries(merged({}, value))
  if (all.length > 30) throw invalid('Too many properties.', 'appProperties')
  if (all.some(([key, one]) => Buffer.byteLength(key + one) > 124))
    throw invalid('The property is too long.', 'appProperties')
}
