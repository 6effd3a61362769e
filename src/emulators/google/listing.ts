import { secondsBetween } from '../../lib/clock.ts'
import { sha256Hex } from '../../lib/random.ts'
import { applyFields, type Known } from './fields.ts'
import { commas, FILE_FIELDS, type Files, type Parameters } from './files.ts'
import type { GoogleSettings } from './options.ts'
import { parseQuery, type Queried } from './query.ts'
import type { DriveFile, StateFile } from './state.ts'
import { type Caller, FOLDER, FULL_DRIVE, GoogleError, invalid } from './wire.ts'

export interface ListingOptions {
  readonly file: StateFile
  readonly settings: GoogleSettings
  readonly files: Files
  readonly now: () => Date
}

/** What can be asked of many files at once: lists, changes, the room that they take. */
export function createListing({ file, settings, files, now }: ListingOptions) {
  const list = (parameters: Parameters, caller: Caller): Record<string, unknown> => {
    const matches = parseQuery(parameters.q ?? '')
    const size = pageSize(parameters.pageSize)
    const from = pageStart(parameters.pageToken, parameters.q)
    const rootId = files.rootOf(caller.user)
    const queried = (found: DriveFile): Queried => ({
      ...found,
      trashed: files.isTrashed(found),
      parents: found.parents.includes(rootId) ? [...found.parents, 'root'] : found.parents,
      owners: [found.owner, 'me'],
      appProperties: found.appProperties[caller.clientId] ?? {},
    })
    const isListed = ({ createdTime }: DriveFile) =>
      secondsBetween(new Date(createdTime), now()) >= settings.listLagSeconds
    const found = file.state.files
      .filter(
        (known) => files.isVisible(known, caller) && isListed(known) && matches(queried(known)),
      )
      .toSorted(orderOf(parameters.orderBy))
    const page = found.slice(from, from + size)
    const next = from + size
    const answer = {
      kind: 'drive#fileList',
      incompleteSearch: false,
      files: page.map((known) => files.resource(known, caller)),
      ...(next < found.length ? { nextPageToken: pageToken(next, parameters.q) } : {}),
    }
    const fields = parameters.fields ?? `${LIST_DEFAULT},files(kind,id,name,mimeType)`
    return applyFields(fields, answer, { ...LIST_FIELDS, files: FILE_FIELDS })
  }

  const listChanges = (parameters: Parameters, caller: Caller): Record<string, unknown> => {
    const from = Number(parameters.pageToken)
    if (!parameters.pageToken || !Number.isInteger(from))
      throw invalid('Invalid Value', 'pageToken')
    const size = pageSize(parameters.pageSize)
    const seen = file.state.changes.filter(
      (change) =>
        change.id >= from &&
        change.owner === caller.user &&
        (caller.scopes.includes(FULL_DRIVE) || change.clientId === caller.clientId),
    )
    const page = seen.slice(0, size)
    const after = seen[size]
    const answer = {
      kind: 'drive#changeList',
      ...(after
        ? { nextPageToken: String(after.id) }
        : { newStartPageToken: String(file.state.lastChange + 1) }),
      changes: page.map((change) => {
        const found = file.state.files.find(({ id }) => id === change.fileId)
        const { fileId, time: at, isRemoved } = change
        const base = { kind: 'drive#change', type: 'file', changeType: 'file', time: at }
        const about = { ...base, removed: isRemoved, fileId }
        return found ? { ...about, file: files.resource(found, caller) } : about
      }),
    }
    const fields =
      parameters.fields ??
      'kind,nextPageToken,newStartPageToken,changes(kind,type,changeType,time,removed,fileId,file(kind,id,name,mimeType))'
    return applyFields(fields, answer)
  }

  const about = (parameters: Parameters, caller: Caller): Record<string, unknown> => {
    if (!parameters.fields)
      throw new GoogleError(
        400,
        'required',
        "The 'fields' parameter is required for this method.",
        {
          location: 'fields',
        },
      )
    const used = files.usage(caller.user)
    const room = files.limit()
    const answer = {
      kind: 'drive#about',
      user: {
        kind: 'drive#user',
        displayName: caller.user.split('@')[0],
        me: true,
        permissionId: sha256Hex(caller.user).slice(0, 20),
        emailAddress: caller.user,
      },
      storageQuota: {
        ...(room === null ? {} : { limit: String(room) }),
        usage: String(used.drive + files.otherUsage()),
        usageInDrive: String(used.drive),
        usageInDriveTrash: String(used.trash),
      },
      maxUploadSize: '5242880000000',
      importFormats: {},
      exportFormats: {},
      canCreateDrives: false,
    }
    return applyFields(parameters.fields, answer)
  }

  return {
    list,
    listChanges,
    about,
    startPageToken: (): Record<string, unknown> => ({
      kind: 'drive#startPageToken',
      startPageToken: String(file.state.lastChange + 1),
    }),
  }
}

const LIST_DEFAULT = 'kind,incompleteSearch,nextPageToken'
const LIST_FIELDS: Known = { kind: null, incompleteSearch: null, nextPageToken: null, files: null }

function pageSize(value: string | undefined): number {
  const size = Number(value ?? 100)
  if (!Number.isInteger(size) || size < 1 || size > 1000) throw invalid('Invalid Value', 'pageSize')
  return size
}

/** Opaque to the caller, and good for the same question only. */
const pageToken = (from: number, q = ''): string =>
  Buffer.from(`${from}.${sha256Hex(q).slice(0, 8)}`).toString('base64url')

function pageStart(token: string | undefined, q = ''): number {
  if (token === undefined || token === '') return 0
  const [from, mark] = Buffer.from(token, 'base64url').toString().split('.')
  if (!/^\d+$/.test(from ?? '') || mark !== sha256Hex(q).slice(0, 8))
    throw invalid('Invalid Value', 'pageToken')
  return Number(from)
}

const KEYS: Readonly<Record<string, (file: DriveFile) => string | number>> = {
  createdTime: (file) => file.createdTime,
  modifiedTime: (file) => file.modifiedTime,
  modifiedByMeTime: (file) => file.modifiedTime,
  recency: (file) => file.modifiedTime,
  folder: (file) => (file.mimeType === FOLDER ? 0 : 1),
  name: (file) => file.name,
  name_natural: (file) => file.name,
  quotaBytesUsed: (file) => file.content?.bytes ?? 0,
  starred: (file) => (file.starred ? 0 : 1),
}

/** `folder,modifiedTime desc,name`; the id breaks ties, so that pages never overlap. */
function orderOf(orderBy: string | undefined): (left: DriveFile, right: DriveFile) => number {
  const wanted = commas(orderBy ?? 'modifiedTime desc').map((part) => {
    const [name = '', direction, ...rest] = part.trim().split(/\s+/)
    const key = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined
    if (!key || rest.length > 0 || (direction !== undefined && direction !== 'desc'))
      throw invalid('Invalid Value', 'orderBy')
    return { key, sign: direction === 'desc' ? -1 : 1 }
  })
  return (left, right) => {
    for (const { key, sign } of [...wanted, { key: ({ id }: DriveFile) => id, sign: 1 }]) {
      const [a, b] = [key(left), key(right)]
      if (a !== b) return (a < b ? -1 : 1) * sign
    }
    return 0
  }
}
