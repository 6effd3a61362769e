import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Objects } from './objects.ts'
import type { HubRepository, HubSettings } from './options.ts'
import type { Model, StateFile } from './state.ts'
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
  readonly isPrivate: boolean
  readonly files: readonly HubFile[]
}

/** What git calls this content. */
export const gitOid = (content: Buffer): string =>
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
  return { name, path, bytes, oid: pointerOid(largeOid, bytes), largeOid }
}

/** What git calls the pointer that stands in the place of a large file. */
export const pointerOid = (sha256: string, bytes: number): string =>
  gitOid(
    Buffer.from(
      `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes}\n`,
    ),
  )

function openRepository(
  { id, folder, revision, isGated }: HubRepository,
  largeBytes: number,
): OpenedRepository {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .toSorted()
  const files = names.map((name) => openFile(folder, name, largeBytes))
  const content = createHash('sha1').update(files.map(({ name, oid }) => `${name} ${oid}`).join())
  const found = revision ?? content.digest('hex')
  return { id, files, revision: found, isGated: isGated ?? false, isPrivate: false }
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

/** The repositories of the hub: folders, read once, and those that were made here. */
export function openRepositories(
  { repositories, largeBytes }: HubSettings,
  file: StateFile,
  objects: Objects,
) {
  const opened = repositories.map((repository) => openRepository(repository, largeBytes))
  const unknown = (revision: string) =>
    new HubError(404, `Invalid rev id: ${revision}`, { code: 'RevisionNotFound' })

  function atCommit(model: Model, revision: string): OpenedRepository {
    const { id, isPrivate } = model
    const tagged = model.tags.find(({ name }) => name === revision)?.commit
    const newest = model.commits.at(-1)
    const found =
      revision === 'main'
        ? newest
        : model.commits.find(({ oid }) => oid === revision || oid === tagged)
    if (!found) throw unknown(revision)
    const files = found.files.map((one) => ({ ...one, path: objects.pathOf(one.sha256) }))
    return { id, isPrivate, isGated: false, revision: found.oid, files }
  }

  return {
    all: opened,
    /** One that was made here; undefined for another. */
    made: (id: string): Model | undefined => file.state.models.find((model) => model.id === id),
    /** @throws HubError 404 as the service has it, for a repository or a commit that is not there */
    find(id: string, revision: string): OpenedRepository {
      const made = file.state.models.find((model) => model.id === id)
      if (made) return atCommit(made, revision)
      const found = opened.find((repository) => repository.id === id)
      if (!found) throw noRepository()
      if (revision === 'main' || revision === found.revision) return found
      throw unknown(revision)
    },
  }
}

/** What a stranger is told of a private repository too. */
export const noRepository = (): HubError =>
  new HubError(404, 'Repository not found', { code: 'RepoNotFound' })

export type Repositories = ReturnType<typeof openRepositories>

/** @throws HubError 404 */
export function fileOf(repository: OpenedRepository, path: string): HubFile {
  const found = repository.files.find(({ name }) => name === path)
  if (found) return found
  throw new HubError(404, 'Entry not found', { code: 'EntryNotFound' })
}
