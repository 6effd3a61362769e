import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import { AppError, systemCode } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { newKeys } from '../safekeeping/backup-key.ts'
import {
  type BackupFile,
  type BackupManifest,
  manifestFile,
  writeManifest,
} from '../safekeeping/backup-manifest.ts'
import type { BackupPlace, StagedFile } from '../safekeeping/backup-place.ts'
import { packFile, syncFolder, writeWhole } from './backup-files.ts'
import { stageIn } from './backup-folder.ts'
import { folderLayout } from './data-folder.ts'
import { type DatabaseFacts, factsOf, settleCopy } from './look-into.ts'

/** A file of the artifact store that goes along, by its key. */
export interface AdapterFile {
  readonly key: string
}

export interface BackupSource {
  /** The data folder. */
  readonly root: string
  readonly copyDatabase: (to: string) => Promise<void>
  readonly version: string
  readonly store: 'folder' | 'drive'
  /** Files of promoted adapters; null where they were not asked for. */
  readonly adapters: { readonly keys: readonly string[]; readonly from: ArtifactStore } | null
  /** Null for one that is not encrypted. */
  readonly passphrase: string | null
  readonly now: () => Date
}

/** Where it is made before it is at its place; `isOurs` when nobody else makes any there. */
export interface Staging {
  readonly folder: string
  readonly isOurs: boolean
}

/** What holds secrets in clear: it goes along when the backup is encrypted, else not at all. */
const secretFiles = [
  ['secretkey', 'secret.key'],
  ['token', 'token'],
  ['config', 'config.env'],
] as const

/**
 * Makes a backup and puts it into its place; from then on it is there as a whole. What dies or fails before leaves nothing that
 * counts. @throws AppError `disk-full` (`disk_full`), and what the place throws
 */
export async function makeBackup(
  source: BackupSource,
  place: BackupPlace,
  staging: Staging,
): Promise<BackupManifest> {
  const madeAt = source.now()
  const name = nameAt(madeAt)
  let staged: string | undefined
  try {
    staged = await stageIn(staging.folder, name, staging.isOurs, madeAt)
    return await fill(source, place, staged, name, madeAt)
  } catch (error) {
    if (staged) await rm(staged, { recursive: true, force: true })
    const code = systemCode(error)
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
    throw new AppError(
      'disk-full',
      `the disk that holds ${staging.folder} has no room for a backup`,
      {
        code: 'disk_full',
        next: 'Free space there, or name another place with RODIZIO_BACKUP_TO; nothing was left behind',
        cause: error,
      },
    )
  }
}

async function fill(
  source: BackupSource,
  place: BackupPlace,
  staged: string,
  name: string,
  madeAt: Date,
): Promise<BackupManifest> {
  const layout = folderLayout(source.root)
  const keys = source.passphrase === null ? null : await newKeys(source.passphrase)
  const inStage = (file: string) => join(staged, file)
  const copy = inStage('copy.db')
  await source.copyDatabase(copy)
  await settleCopy(copy)
  const facts = await factsOf(copy)
  const files: BackupFile[] = []
  const add = async (from: string, file: Pick<BackupFile, 'name' | 'path'>) => {
    files.push(await packFile(from, inStage, file, keys))
  }
  await add(copy, { name: 'database', path: 'rodizio.db' })
  await rm(copy)
  const leftOut = [...alwaysLeftOut(source)]
  let number = 0
  for (const { version } of facts.data) {
    for (const file of ['train.jsonl', 'validation.jsonl', 'manifest.json']) {
      const from = join(layout.datasets, version, file)
      number += 1
      if (await isThere(from))
        await add(from, { name: `data${number}`, path: `datasets/${version}/${file}` })
      else leftOut.push(`datasets/${version}/${file}: it was not there any more`)
    }
  }
  for (const [short, file] of secretFiles) {
    const from = join(source.root, file)
    if (!(await isThere(from))) continue
    if (keys) await add(from, { name: short, path: file })
    else leftOut.push(secretWords[file])
  }
  for (const key of source.adapters?.keys ?? []) {
    number += 1
    const from = inStage('adapter.part')
    await writeWhole(from, await (source.adapters as { from: ArtifactStore }).from.read(key)) // there are keys
    await add(from, { name: `adapter${number}`, path: `store/${key}` })
    await rm(from)
  }
  const manifest: BackupManifest = {
    format: 1,
    name,
    madeAt: madeAt.toISOString(),
    installation: facts.installation ?? 'unknown',
    version: source.version,
    schema: facts.schema,
    store: source.store,
    withAdapters: source.adapters !== null,
    encryption: keys?.encryption ?? null,
    files,
    rows: { ...facts.rows },
    rotation: rotationOf(facts),
    audit: facts.audit,
    leftOut,
  }
  const text = Buffer.from(writeManifest(manifest, keys))
  await writeWhole(inStage(manifestFile), [text])
  await syncFolder(staged)
  const sent: StagedFile[] = [
    ...files,
    { name: manifestFile, bytes: text.byteLength, sha256: sha256Hex(text) },
  ].map(({ name: file, bytes, sha256 }) => ({
    name: file,
    bytes,
    sha256,
    from: (start) => createReadStream(inStage(file), { start }),
  }))
  await place.keep(name, staged, sent)
  await rm(staged, { recursive: true, force: true }) // where it was sent, and not renamed
  return manifest
}

const rotationOf = ({ openRuns, openSessions, newestGeneration }: DatabaseFacts) => ({
  openRuns,
  openSessions,
  newestGeneration,
})

/** Such as `rodizio-20261122T033000000Z-4f1c`. */
const nameAt = (at: Date): string =>
  `rodizio-${at.toISOString().replaceAll(/[-:.]/g, '')}-${randomBytes(2).toString('hex')}`

const secretWords: Readonly<Record<(typeof secretFiles)[number][1], string>> = {
  'secret.key':
    'secret.key: without encryption it stays out, and without it every stored sign-in and key has to be entered anew',
  token: 'token: without encryption the admin token stays out; a first start makes another one',
  'config.env': 'config.env: it may hold passwords, and stays out without encryption',
}

const alwaysLeftOut = ({ store, adapters }: BackupSource): string[] => [
  store === 'drive'
    ? 'checkpoints and adapters: they are on Google Drive'
    : `checkpoints${adapters ? '' : ' and adapters'} in the folder store: runs whose checkpoints are gone begin anew`,
  'logs, sessions of this machine, emulators, and what the command line of Colab keeps of its sign-in',
]

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false, // not there, or not readable: it is said to be left out
  )
