import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { HubRepository, HubSettings } from './options.ts'
import { HubError } from './wire.ts'

/** A file of a repository, with what the hub tells of it. */
export interface HubFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  /** Git's own name for the content, or for the pointer that stands in its place. */
  readonly oid: string
  /** SHA-256 of one that is stored apart; null for one that lies in the repository itself. */
  readonly largeOid: string | null
}

export interface OpenedRepository {
  readonly id: string
  readonly revision: string
  readonly isGated: boolean
  readonly files: readonly HubFile[]
}

const gitOid = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')

/** In pieces: a model does not fit into memory. */
function sha256Of(path: string): string {
  const hash = createHash('sha256')
  const piece = Buffer.alloc(1024 * 1024)
  const file = openSync(path, 'r')
  try {
    for (let read = readSync(file, piece); read > 0; read = readSync(file, piece))
      hash.update(piece.subarray(0, read))
  } finally {
    closeSync(file)
  }
  return hash.digest('hex')
}

function openFile(folder: string, name: string, largeBytes: number): HubFile {
  const path = join(folder, name)
  const bytes = statSync(path).size
  if (bytes < largeBytes)
    return { name, path, bytes, oid: gitOid(readFileSync(path)), largeOid: null }
  const largeOid = sha256Of(path)
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${largeOid}\nsize ${bytes}\n`
  return { name, path, bytes, oid: gitOid(Buffer.from(pointer)), largeOid }
}

function openRepository(
  { id, folder, revision, isGated }: HubRepository,
  largeBytes: number,
): OpenedRepository {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .toSorted()
  const files = names.map((name) => openFile(folder, name, largeBytes))
  const content = createHash('sha1').update(files.map(({ name, oid }) => `${name} ${oid}`).join())
  return { id, files, revision: revision ?? content.digest('hex'), isGated: isGated ?? false }
}

/** Folders `owner/name` below one, each a gated repository. @throws AppError `invalid` where that folder cannot be read */
export function repositoriesBelow(folder: string): HubRepository[] {
  const folders = (below: string): string[] =>
    readdirSync(below, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  try {
    return folders(folder).flatMap((owner) =>
      folders(join(folder, owner)).map((name) => ({
        id: `${owner}/${name}`,
        folder: join(folder, owner, name),
        isGated: true,
      })),
    )
  } catch (cause) {
    throw new AppError('invalid', `${folder} cannot be read: ${messageOf(cause)}`, {
      next: 'Name a folder with models as OWNER/NAME below it',
      cause,
    })
  }
}

/** The repositories of the hub, read once, and how they are found. */
export function openRepositories({ repositories, largeBytes }: HubSettings) {
  const opened = repositories.map((repository) => openRepository(repository, largeBytes))
  return {
    all: opened,
    /** @throws HubError 404 as the service has it, for a repository or a commit that is not there */
    find(id: string, revision: string): OpenedRepository {
      const found = opened.find((repository) => repository.id === id)
      if (!found) throw new HubError(404, 'Repository not found', { code: 'RepoNotFound' })
      if (revision === 'main' || revision === found.revision) return found
      throw new HubError(404, `Invalid rev id: ${revision}`, { code: 'RevisionNotFound' })
    },
  }
}

export type Repositories = ReturnType<typeof openRepositories>

/** @throws HubError 404 */
export function fileOf(repository: OpenedRepository, path: string): HubFile {
  const found = repository.files.find(({ name }) => name === path)
  if (found) return found
  throw new HubError(404, 'Entry not found', { code: 'EntryNotFound' })
}
