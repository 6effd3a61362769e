import { z } from 'zod'

/** A file or folder on Drive, as far as this product looks at it. */
export interface DriveFile {
  readonly id: string
  readonly name: string
  readonly mimeType: string
  /** Null for what has no bytes of its own, such as a folder. */
  readonly bytes: number | null
  /** In hex; null where Google has none (yet). */
  readonly sha256: string | null
  readonly appProperties: Readonly<Record<string, string>>
  readonly parents: readonly string[]
  readonly isTrashed: boolean
  readonly createdAt: Date
}

/** What is asked of each file, in the language of `fields`. */
export const FILE_FIELDS =
  'id,name,mimeType,size,sha256Checksum,appProperties,parents,trashed,createdTime'

/** Numbers of bytes come as text. */
const bytes = z
  .union([z.string().regex(/^\d+$/), z.number()])
  .transform(Number)
  .nullish()

export const FileAnswer = z
  .looseObject({
    id: z.string(),
    name: z.string(),
    mimeType: z.string(),
    size: bytes,
    sha256Checksum: z.string().nullish(),
    appProperties: z.record(z.string(), z.string()).nullish(),
    parents: z.array(z.string()).nullish(),
    trashed: z.boolean().nullish(),
    createdTime: z.coerce.date(),
  })
  .transform(
    (file): DriveFile => ({
      id: file.id,
      name: file.name,
      mimeType: file.mimeType,
      bytes: file.size ?? null,
      sha256: file.sha256Checksum ?? null,
      appProperties: file.appProperties ?? {},
      parents: file.parents ?? [],
      isTrashed: file.trashed === true,
      createdAt: file.createdTime,
    }),
  )

export const ListAnswer = z.looseObject({
  files: z.array(FileAnswer),
  nextPageToken: z.string().nullish(),
})

export const IdsAnswer = z.looseObject({ ids: z.array(z.string()).min(1) })

export const AboutAnswer = z.looseObject({
  user: z.looseObject({ emailAddress: z.string().nullish() }).nullish(),
  storageQuota: z.looseObject({
    limit: bytes,
    usage: bytes,
    usageInDriveTrash: bytes,
  }),
})
