import { createHash } from 'node:crypto'
import { addSeconds, iso } from '../../lib/clock.ts'
import type { Objects } from './objects.ts'
import type { HubSettings } from './options.ts'
import { gitOid, noRepository, pointerOid } from './repositories.ts'
import type { Commit, CommittedFile, Model, StateFile } from './state.ts'
import { HubError } from './wire.ts'

/** What a new repository has from the beginning: which files are stored apart, whatever their size. */
const largeEndings = ['bin', 'gz', 'model', 'npz', 'onnx', 'pt', 'pth', 'safetensors', 'zip']
const gitAttributes = largeEndings
  .map((ending) => `*.${ending} filter=lfs diff=lfs merge=lfs -text\n`)
  .join('')

/** One change of a commit. */
export type Change =
  | { readonly kind: 'small'; readonly name: string; readonly content: Buffer }
  | {
      readonly kind: 'large'
      readonly name: string
      readonly sha256: string
      readonly bytes: number
    }
  | { readonly kind: 'gone'; readonly name: string }

export interface WantedCommit {
  readonly title: string
  readonly description: string
  readonly parent: string | undefined
  readonly changes: readonly Change[]
}

export interface ModelsOptions {
  readonly file: StateFile
  readonly objects: Objects
  readonly settings: HubSettings
  readonly now: () => Date
  readonly url: string
}

/** The repositories that are made by calls: their commits, tags and large files. */
export function createModels({ file, objects, settings, now, url }: ModelsOptions) {
  const small = (name: string, content: Buffer): CommittedFile => ({
    name,
    bytes: content.length,
    oid: gitOid(content),
    largeOid: null,
    sha256: objects.put(content),
  })

  function must(id: string): Model {
    const found = file.state.models.find((model) => model.id === id)
    if (!found) throw noRepository()
    return found
  }

  function append(
    model: Model,
    what: Pick<Commit, 'title' | 'description' | 'by' | 'files'>,
  ): Commit {
    const text = JSON.stringify([model.commits.at(-1)?.oid ?? model.id, what, iso(now())])
    const oid = createHash('sha1').update(text).digest('hex')
    const made = { oid, at: iso(now()), ...what }
    model.commits.push(made)
    file.save()
    return made
  }

  function fileOf(model: Model, change: Exclude<Change, { kind: 'gone' }>): CommittedFile {
    const { name } = change
    if (change.kind === 'small') {
      if (change.content.length < settings.largeBytes) return small(name, change.content)
      throw new HubError(400, `Your push was rejected because ${name} is too large: use LFS.`)
    }
    const { sha256, bytes } = change
    if (!model.objects.includes(sha256) || objects.sizeOf(sha256) !== bytes) {
      throw new HubError(
        400,
        `Your push was rejected because an LFS pointer pointed to a file that does not exist: ${name}`,
      )
    }
    return { name, bytes, oid: pointerOid(sha256, bytes), largeOid: sha256, sha256 }
  }

  return {
    must,
    /** @throws HubError 409 for one that is there */
    create(id: string, isPrivate: boolean, by: string): void {
      const isFolder = settings.repositories.some((one) => one.id === id)
      if (isFolder || file.state.models.some((model) => model.id === id))
        throw new HubError(409, `You already created this model repo: ${id}`, {
          body: { url: `${url}/${id}` },
        })
      const model: Model = { id, isPrivate, commits: [], tags: [], objects: [] }
      file.state.models.push(model)
      const files = [small('.gitattributes', Buffer.from(gitAttributes))]
      append(model, { title: 'initial commit', description: '', by, files })
    },
    isLarge: (name: string, bytes: number): boolean =>
      bytes >= settings.largeBytes || largeEndings.includes(name.split('.').at(-1) ?? ''),
    /** Bytes of large files that private repositories hold. */
    privateBytes: (): number =>
      file.state.models
        .filter(({ isPrivate }) => isPrivate)
        .flatMap((model) => model.objects)
        .reduce((sum, sha256) => sum + objects.sizeOf(sha256), 0),
    has: (model: Model, sha256: string): boolean => model.objects.includes(sha256),
    /** A large file has arrived for a repository. */
    arrived(model: Model, sha256: string): void {
      if (!model.objects.includes(sha256)) model.objects.push(sha256)
      file.save()
    },
    /** @throws HubError 412 when `parent` is main no longer, 429 beyond the commits of an hour, 400 for a file that cannot be */
    commit(model: Model, wanted: WantedCommit, by: string): Commit {
      const head = model.commits.at(-1)
      if (!head) throw noRepository()
      if (wanted.parent !== undefined && wanted.parent !== head.oid) {
        throw new HubError(412, 'A commit has happened since. Please refresh and try again.')
      }
      const hourAgo = iso(addSeconds(now(), -3600))
      if (model.commits.filter(({ at }) => at > hourAgo).length > settings.hourlyCommits) {
        throw new HubError(
          429,
          `You have exceeded the rate limit for repository commits (${settings.hourlyCommits} per hour). You can retry this action in about 1 hour.`,
          { headers: { 'retry-after': '3600' } },
        )
      }
      const files = new Map(head.files.map((one) => [one.name, one]))
      for (const change of wanted.changes) {
        if (change.kind === 'gone') files.delete(change.name)
        else files.set(change.name, fileOf(model, change))
      }
      const { title, description } = wanted
      const all = [...files.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
      // One that changes nothing is one too: the hub leaves it to its clients not to make it.
      return append(model, { title, description, by, files: all })
    },
    /** @throws HubError 409 for a name that is taken */
    tag(model: Model, name: string, commit: string): void {
      if (model.tags.some((tag) => tag.name === name))
        throw new HubError(409, 'Tag reference exists already.')
      model.tags.push({ name, commit })
      file.save()
    },
    /** @throws HubError 404 */
    untag(model: Model, name: string): void {
      if (!model.tags.some((tag) => tag.name === name))
        throw new HubError(404, `Invalid rev id: ${name}`, { code: 'RevisionNotFound' })
      model.tags = model.tags.filter((tag) => tag.name !== name)
      file.save()
    },
  }
}

export type Models = ReturnType<typeof createModels>
