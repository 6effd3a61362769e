import { sha256Hex } from '../../lib/random.ts'
import type { DriveFile } from './state.ts'
import { type Caller, FOLDER } from './wire.ts'

/** A file as an answer shows it, with all fields that are modelled. Numbers of bytes are text, as on the live service. */
export function resourceOf(
  file: DriveFile,
  caller: Caller,
  isTrashed: boolean,
): Record<string, unknown> {
  const person = {
    kind: 'drive#user',
    displayName: file.owner.split('@')[0],
    me: file.owner === caller.user,
    permissionId: sha256Hex(file.owner).slice(0, 20),
    emailAddress: file.owner,
  }
  const appProperties = file.appProperties[caller.clientId] ?? {}
  const isFolder = file.mimeType === FOLDER
  return {
    kind: 'drive#file',
    id: file.id,
    name: file.name,
    mimeType: file.mimeType,
    ...(file.description === null ? {} : { description: file.description }),
    starred: file.starred,
    trashed: isTrashed,
    explicitlyTrashed: file.isTrashed,
    ...(file.parents.length > 0 ? { parents: file.parents } : {}),
    ...(Object.keys(file.properties).length > 0 ? { properties: file.properties } : {}),
    ...(Object.keys(appProperties).length > 0 ? { appProperties } : {}),
    spaces: ['drive'],
    version: String(file.version),
    webViewLink: `https://drive.google.com/${isFolder ? 'drive/folders' : 'file/d'}/${file.id}`,
    createdTime: file.createdTime,
    modifiedTime: file.modifiedTime,
    modifiedByMeTime: file.modifiedTime,
    modifiedByMe: true,
    owners: [person],
    lastModifyingUser: person,
    shared: false,
    ownedByMe: file.owner === caller.user,
    capabilities: { canDelete: true, canDownload: true, canEdit: true, canTrash: true },
    isAppAuthorized: file.clientId === caller.clientId,
    quotaBytesUsed: String(file.content?.bytes ?? 0),
    ...(file.content === null
      ? {}
      : {
          size: String(file.content.bytes),
          md5Checksum: file.content.md5,
          sha1Checksum: file.content.sha1,
          sha256Checksum: file.content.sha256,
          originalFilename: file.name,
          fullFileExtension: file.name.split('.').slice(1).join('.'),
          fileExtension: file.name.includes('.') ? (file.name.split('.').at(-1) ?? '') : '',
          headRevisionId: `${file.id.slice(0, 8)}-${file.version}`,
        }),
  }
}
