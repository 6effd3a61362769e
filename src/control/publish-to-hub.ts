import { createHash } from 'node:crypto'
import { type Adapter, versionOf } from '../artifacts/adapter.ts'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import type { FileEntry, Manifest } from '../artifacts/checkpoint.ts'
import { Manifest as ManifestSchema } from '../artifacts/checkpoint.ts'
import type { HubRepositories, RepositoryFile } from '../artifacts/hub-repository.ts'
import type { SignedUpload } from '../artifacts/publication.ts'
import { keptReadme } from '../artifacts/published.ts'
import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'

/** An adapter with all that is published of it. */
export interface Publishable {
  readonly adapter: Adapter
  /** Its folder in the store. */
  readonly prefix: string
  readonly manifest: Manifest
  /** Byte for byte as it was committed. */
  readonly manifestText: string
  /** The README.md of a place. */
  readonly card: (repository: string | null) => string
}

export interface HubTargetPorts {
  readonly hub: HubRepositories
  readonly artifacts: Pick<ArtifactStore, 'read'>
}

export type HubStep =
  /** Tagged; `commit` holds it. */
  | { readonly kind: 'done'; readonly commit: string }
  /** These have to be carried first. */
  | { readonly kind: 'bytes'; readonly uploads: readonly SignedUpload[] }

/** A file up to so many bytes goes with the commit where the hub has it so; a larger one apart. All small ones together have a limit too. */
const smallBytes = 1 << 20
const allSmallBytes = 4 << 20
const sampleBytes = 512 // of each file, by which the hub tells text from others
const mostTries = 3

/** A commit of ours is known by it: what stands there is looked at besides. */
const titleOf = ({ adapter }: Publishable): string =>
  `${versionOf(adapter)} of ${adapter.line.replaceAll(/[^\w .-]/g, '_')} (manifest ${adapter.manifestSha256.slice(0, 16)})`

/**
 * Takes a publication on as far as it goes: the repository, what has to be carried, one commit, one tag. What stands there is looked at
 * before anything is done, so that a step whose answer was lost is done once, and doing all of it again changes nothing.
 * @throws AppError `conflict` (`hub_tag_taken`), `invalid` (`hash_mismatch`) for a damaged store, and as the hub does
 */
export async function publishToHub(
  { hub, artifacts }: HubTargetPorts,
  token: string,
  id: string,
  what: Publishable,
): Promise<HubStep> {
  const tag = versionOf(what.adapter)
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt()
    } catch (error) {
      const isMoved = error instanceof AppError && error.code === 'hub_moved'
      if (!isMoved || tries >= mostTries) throw error
    }
  }

  async function attempt(): Promise<HubStep> {
    const found = await hub.refs(token, id)
    if (!found) await hub.create(token, id)
    const refs = found ?? (await hub.refs(token, id))
    if (!refs) {
      throw new AppError('unavailable', `${id} was made, and the hub does not show it yet`, {
        code: 'hub_slow',
      })
    }
    const tagged = refs.tags.get(tag)
    if (tagged !== undefined) {
      if (holds(await hub.files(token, id, tagged), what)) return { kind: 'done', commit: tagged }
      throw new AppError('conflict', `${id} has a tag ${tag} already, and it is another adapter`, {
        code: 'hub_tag_taken',
        next: `Publish to another repository, or delete that tag: rodizio adapters publish ${tag} --to hub:OWNER/NAME`,
      })
    }
    const before = await committedBefore()
    if (before !== undefined) return await tagOn(before)
    const files = filesOf(what, id)
    const sorted = await sort(files)
    const large = sorted.large.map(({ path, bytes, sha256 }) => ({ name: path, bytes, sha256 }))
    const uploads = await hub.missing(token, id, large)
    if (uploads.length > 0) return { kind: 'bytes', uploads }
    const commit = await hub.commit(token, id, {
      title: titleOf(what),
      description: `Published by Rodízio. Manifest SHA-256: ${what.adapter.manifestSha256}`,
      parent: refs.main,
      small: await Promise.all(
        sorted.small.map(async (file) => ({ ...file, content: await contentOf(file) })),
      ),
      large: sorted.large,
      gone: await outlived(refs.main, files),
    })
    return await tagOn(commit)
  }

  async function tagOn(commit: string): Promise<HubStep> {
    try {
      await hub.tag(token, id, commit, tag)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'hub_there_already') throw error
      const now = (await hub.refs(token, id))?.tags.get(tag)
      if (now !== commit) throw error
    }
    return { kind: 'done', commit }
  }

  /** Of a step whose answer was lost. */
  async function committedBefore(): Promise<string | undefined> {
    const title = titleOf(what)
    for (const commit of await hub.history(token, id)) {
      if (commit.title !== title) continue
      if (holds(await hub.files(token, id, commit.id), what)) return commit.id
    }
    return undefined
  }

  async function sort(files: readonly Wanted[]) {
    const asked = await Promise.all(
      files.map(async (file) => ({
        path: file.path,
        bytes: file.bytes,
        sample: await sampleOf(file),
      })),
    )
    const said = await hub.sorted(token, id, asked)
    const small: Wanted[] = []
    const large: Wanted[] = []
    let together = 0
    for (const file of files.toSorted((a, b) => a.bytes - b.bytes)) {
      const isSmall = said.get(file.path) !== 'large' && file.bytes <= smallBytes
      together += isSmall ? file.bytes : 0
      if (file.text === undefined && (!isSmall || together > allSmallBytes)) large.push(file)
      else small.push(file)
    }
    return { small, large }
  }

  /** What the version on main has brought and this one has not; files of others stay. */
  async function outlived(main: string, files: readonly Wanted[]): Promise<string[]> {
    const there = await hub.files(token, id, main)
    const listed = there.find(({ name }) => name === 'manifest.json')
    if (!listed || listed.bytes > smallBytes || listed.sha256 !== null) return []
    const bytes = await hub.bytes(token, id, main, 'manifest.json', smallBytes)
    const before = ManifestSchema.safeParse(parsed(Buffer.from(bytes).toString('utf8')))
    if (!before.success) return []
    const names = [...before.data.files.map(({ name }) => pathOf(name))]
    return names.filter(
      (name) => there.some((one) => one.name === name) && !files.some(({ path }) => path === name),
    )
  }

  async function sampleOf(file: Wanted): Promise<Uint8Array> {
    if (file.text !== undefined) return Buffer.from(file.text).subarray(0, sampleBytes)
    const to = Math.min(file.bytes, sampleBytes)
    return await read(file, { from: 0, to })
  }

  async function contentOf(file: Wanted): Promise<Uint8Array> {
    if (file.text !== undefined) return Buffer.from(file.text)
    const content = await read(file, { from: 0, to: file.bytes })
    if (sha256Hex(content) === file.sha256) return content
    throw new AppError('invalid', `${file.path} of ${tag} is damaged in the store`, {
      code: 'hash_mismatch',
      next: 'Put it back, or publish another version',
    })
  }

  async function read(file: Wanted, range: { from: number; to: number }): Promise<Uint8Array> {
    const parts = await Array.fromAsync(await artifacts.read(`${what.prefix}/${file.key}`, range))
    return Buffer.concat(parts)
  }
}

/** A file as it shall stand in the repository. */
interface Wanted {
  readonly path: string
  /** Its name in the store. */
  readonly key: string
  readonly bytes: number
  readonly sha256: string
  /** Of one that is made here. */
  readonly text?: string
}

const pathOf = (name: string): string => (name === 'README.md' ? keptReadme : name)

function filesOf(what: Publishable, id: string): Wanted[] {
  const made = (path: string, text: string): Wanted => ({
    path,
    key: path,
    bytes: Buffer.byteLength(text),
    sha256: sha256Hex(text),
    text,
  })
  return [
    made('manifest.json', what.manifestText),
    made('README.md', what.card(id)),
    ...what.manifest.files.map(({ name, bytes, sha256 }: FileEntry) => ({
      path: pathOf(name),
      key: name,
      bytes,
      sha256,
    })),
  ]
}

/** Whether a commit has this very adapter: its manifest byte for byte, and its large files. */
function holds(files: readonly RepositoryFile[], { manifestText, manifest }: Publishable): boolean {
  const oid = createHash('sha1')
    .update(`blob ${Buffer.byteLength(manifestText)}\0${manifestText}`)
    .digest('hex')
  if (files.find(({ name }) => name === 'manifest.json')?.oid !== oid) return false
  return manifest.files.every(({ name, bytes, sha256 }) => {
    const found = files.find((one) => one.name === pathOf(name))
    return found?.bytes === bytes && (found.sha256 === null || found.sha256 === sha256)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no JSON: it fits no schema either
  }
}
