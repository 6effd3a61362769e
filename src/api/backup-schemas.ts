import { z } from 'zod'

const Time = z.iso.datetime()

export const Backup = z.object({
  name: z.string(),
  madeAt: Time,
  bytes: z.int(),
  encrypted: z.boolean(),
  withAdapters: z.boolean(),
  version: z.string().describe('of the program that made it'),
  schema: z.int().describe('the form of its database'),
})
export type Backup = z.infer<typeof Backup>

const Attempt = z.object({ at: Time, name: z.string().nullable() }).nullable()

export const Backups = z.object({
  place: z.string(),
  items: z.array(Backup),
  next: z.null(),
  dailyAt: z.string().nullable().describe('UTC; null where none is made by itself'),
  lastBackup: Attempt.describe('the last that was made, wherever it went'),
  lastDrill: Attempt.describe('the last that was restored into a scratch folder and found whole'),
  failure: z.string().nullable().describe('why the newest try came to nothing'),
  underWay: z.boolean(),
})
export type Backups = z.infer<typeof Backups>

export const NewBackup = z.strictObject({
  to: z
    .string()
    .max(1000)
    .optional()
    .describe('folder, folder:/path, drive or s3://bucket/prefix; as set when left out'),
  withAdapters: z.boolean().optional(),
})

export const BackupCopied = z.object({
  name: z.string(),
  path: z.string().describe('of its folder on the machine of the service'),
})

export const BackupMade = Backup.extend({
  place: z.string(),
  leftOut: z.array(z.string()).describe('what is not in it, for people'),
})
export type BackupMade = z.infer<typeof BackupMade>
