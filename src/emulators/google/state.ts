import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type StateFile as Memory, openStateFile, rememberedByAll } from '../state-file.ts'

const properties = z.record(z.string(), z.string())

/** A file or folder. Times are virtual, UTC ISO 8601. */
const DriveFile = z.object({
  id: z.string(),
  clientId: z.string(), // of the application that made it: with scope drive.file only that one sees it
  owner: z.string(),
  name: z.string(),
  mimeType: z.string(),
  description: z.string().nullable(),
  parents: z.array(z.string()),
  appProperties: z.record(z.string(), properties), // by client id: each application sees its own
  properties,
  starred: z.boolean(),
  isTrashed: z.boolean(), // itself; what lies in a folder in the bin is in the bin too
  createdTime: z.string(),
  modifiedTime: z.string(),
  version: z.number(),
  content: z
    .object({
      blob: z.string(),
      bytes: z.number(),
      md5: z.string(),
      sha1: z.string(),
      sha256: z.string(),
    })
    .nullable(),
})
export type DriveFile = z.infer<typeof DriveFile>
export type Content = NonNullable<DriveFile['content']>

const Upload = z.object({
  id: z.string(), // also the name of the file that takes the bytes
  clientId: z.string(),
  user: z.string(),
  isServiceAccount: z.boolean(),
  scopes: z.array(z.string()),
  replaces: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  mimeType: z.string(),
  totalBytes: z.number().nullable(),
  expiresAt: z.string(),
  doneAs: z.string().nullable(), // the file that came of it
})
export type Upload = z.infer<typeof Upload>

/** A login that waits for a person at another screen. Secrets are kept as hashes only. */
const Device = z.object({
  deviceCodeHash: z.string(),
  userCode: z.string(),
  clientId: z.string(),
  scope: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  intervalSeconds: z.number(),
  polledAt: z.string().nullable(),
  decision: z.enum(['pending', 'granted', 'denied', 'used']),
  user: z.string(),
})
export type Device = z.infer<typeof Device>

const State = z.object({
  ...rememberedByAll,
  quotaBytes: z.number().nullable().optional(), // as ordered; else as the options say
  otherUsageBytes: z.number().optional(),
  clientSecretHashes: z.record(z.string(), z.string()),
  refreshTokens: z.array(
    z.object({
      hash: z.string(),
      clientId: z.string(),
      user: z.string(),
      scope: z.string(),
      isRevoked: z.boolean(),
    }),
  ),
  accessTokens: z.array(
    z.object({
      hash: z.string(),
      clientId: z.string(),
      user: z.string(),
      scope: z.string(),
      isServiceAccount: z.boolean(),
      expiresAt: z.string(),
    }),
  ),
  devices: z.array(Device),
  files: z.array(DriveFile),
  uploads: z.array(Upload),
  /** Who may read a file, or a folder with all that is in it: a mail address, or anyone who has its link. */
  shares: z.array(z.object({ fileId: z.string(), with: z.string() })).optional(),
  generatedIds: z.array(z.string()),
  lastChange: z.number(),
  changes: z.array(
    z.object({
      id: z.number(),
      fileId: z.string(),
      owner: z.string(),
      clientId: z.string(),
      isRemoved: z.boolean(),
      time: z.string(),
    }),
  ),
})
export type State = z.infer<typeof State>

const emptyState = (): State => ({
  format: 1,
  port: null,
  clockOffsetSeconds: 0,
  clientSecretHashes: {},
  refreshTokens: [],
  accessTokens: [],
  devices: [],
  files: [],
  uploads: [],
  generatedIds: [],
  lastChange: 0,
  changes: [],
})

/** The emulator's memory, and where things stand beside it. */
export interface StateFile extends Memory<State> {
  /** Forgets everything but the port, files included. */
  clear(): void
  blobPath(name: string): string
  /** Bytes that a blob has on disk now; 0 when there is none. */
  blobBytes(name: string): number
  removeBlob(name: string): void
  /** The same bytes under another name, which is returned. */
  copyBlob(name: string): string
}

/** Opens the memory in a folder. Throws `invalid` when what is there was not written by this emulator. */
export function openState(folder: string): StateFile {
  const blobs = join(folder, 'blobs')
  const memory = openStateFile(folder, State, emptyState)
  mkdirSync(blobs, { recursive: true, mode: 0o700 })
  return Object.assign(memory, {
    clear: () => {
      rmSync(blobs, { recursive: true, force: true })
      mkdirSync(blobs, { recursive: true, mode: 0o700 })
      memory.state = { ...emptyState(), port: memory.state.port }
      memory.save()
    },
    blobPath: (name: string) => join(blobs, name),
    blobBytes: (name: string) => statSync(join(blobs, name), { throwIfNoEntry: false })?.size ?? 0,
    copyBlob: (name: string) => {
      const other = randomBytes(12).toString('hex')
      copyFileSync(join(blobs, name), join(blobs, other))
      return other
    },
    removeBlob: (name: string) => rmSync(join(blobs, name), { force: true }),
  })
}
