import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { versionOf } from '../artifacts/adapter.ts'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import type { PutWhole } from '../control/publishing.ts'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { folderArtifacts } from './folder-artifacts.ts'

export interface PublishFolderOptions {
  readonly artifacts: Pick<ArtifactStore, 'read'>
  /** The service's own folder, into which nothing is published. */
  readonly dataDir: string
}

/**
 * Publishes into a folder of this machine: PATH/VERSION with the files of the manifest, the manifest, and the card as CARD.md. They are
 * written beside it and flushed; one rename makes the version. One that is there with the same manifest is left as it is.
 */
export function publishFolder({ artifacts, dataDir }: PublishFolderOptions): PutWhole {
  return async (what, target) => {
    if (target.kind !== 'folder') throw new AppError('internal', `${target.kind} is no folder`)
    const root = resolve(target.path)
    if (`${root}${sep}`.startsWith(`${resolve(dataDir)}${sep}`)) {
      throw new AppError('invalid', `${root} is the service's own data folder`, {
        code: 'target_invalid',
        next: 'Publish to another folder',
      })
    }
    const version = versionOf(what.adapter)
    const place = join(root, version)
    try {
      if (await isThere(place, what.adapter.manifestSha256)) return place
      const part = `.publishing-${version}`
      await rm(join(root, part), { recursive: true, force: true })
      // Not what is above it: a disk that is not mounted must not be written to as if it were.
      await mkdir(root).catch(unlessThere)
      await mkdir(join(root, part))
      const into = folderArtifacts(root)
      for (const { name, bytes, sha256 } of what.manifest.files) {
        const body = await artifacts.read(`${what.prefix}/${name}`)
        await into.receive(`${part}/${name}`, body, { bytes, sha256 })
      }
      const texts = { 'CARD.md': what.card(null), 'manifest.json': what.manifestText }
      for (const [name, text] of Object.entries(texts)) {
        const expected = { bytes: Buffer.byteLength(text), sha256: sha256Hex(text) }
        await into.receive(`${part}/${name}`, inOnePiece(text), expected)
      }
      await rename(join(root, part), place)
      await flush(root)
      return place
    } catch (error) {
      throw troubleOf(error, root)
    }
  }
}

/** @throws AppError `conflict` (`folder_taken`) where something else stands there */
async function isThere(place: string, manifestSha256: string): Promise<boolean> {
  const names = await readdir(place).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (names === undefined) return false
  const text = names.includes('manifest.json') ? await readFile(join(place, 'manifest.json')) : ''
  if (sha256Hex(text) === manifestSha256) return true
  throw new AppError('conflict', `${place} is there already, and it is something else`, {
    code: 'folder_taken',
    next: 'Move it away, or publish to another folder',
  })
}

function unlessThere(error: unknown): void {
  if (systemCode(error) !== 'EEXIST') throw error
}

async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function troubleOf(error: unknown, root: string): unknown {
  if (error instanceof AppError) return error
  const code = systemCode(error)
  if (code === undefined) return error
  return new AppError('invalid', `nothing can be written to ${root}: ${messageOf(error)}`, {
    code: 'folder_refused',
    next: `Check that ${dirname(root)} is there and that the service may write to it`,
    cause: error,
  })
}

async function* inOnePiece(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
