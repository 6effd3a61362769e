import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { check } from '../admin-calls.ts'
import { readJson } from '../request-body.ts'
import { notModelled } from '../service-error.ts'
import { receive } from '../transfer.ts'
import type { Doorkeeper } from './doorkeeper.ts'
import type { Change, Models } from './models.ts'
import type { Objects } from './objects.ts'
import type { HubSettings, HubUser } from './options.ts'
import type { Repositories } from './repositories.ts'
import type { Route, WriteName } from './routes.ts'
import type { Signed } from './signed.ts'
import { HubError } from './wire.ts'

export interface WritingOptions {
  readonly models: Models
  readonly objects: Objects
  readonly repositories: Repositories
  readonly doorkeeper: Doorkeeper
  readonly signed: Signed
  readonly settings: HubSettings
  readonly url: string
}

/** An answer to a call that changes something. */
export interface Written {
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const NewRepository = z.looseObject({
  name: z.string().regex(/^[\w.-]+(?:\/[\w.-]+)?$/),
  organization: z.string().nullish(),
  type: z.string().default('model'),
  visibility: z.string().nullish(),
  private: z.boolean().nullish(),
})
const Preupload = z.looseObject({
  files: z.array(z.looseObject({ path: z.string(), size: z.number(), sample: z.string() })),
})
const Oid = z.string().regex(/^[0-9a-f]{64}$/)
const Batch = z.looseObject({
  operation: z.string(),
  transfers: z.array(z.string()).default(['basic']),
  objects: z.array(z.looseObject({ oid: Oid, size: z.number().int().min(0) })),
})
const Completion = z.looseObject({
  oid: Oid,
  parts: z.array(z.looseObject({ partNumber: z.number().int(), etag: z.string() })),
})
const Verify = z.looseObject({ oid: Oid, size: z.number() })
const Tag = z.looseObject({ tag: z.string().regex(/^[\w][\w.-]{0,99}$/) })
const Line = z.discriminatedUnion('key', [
  z.object({
    key: z.literal('header'),
    value: z.looseObject({
      summary: z.string(),
      description: z.string().nullish(),
      parentCommit: z.string().nullish(),
    }),
  }),
  z.object({
    key: z.literal('file'),
    value: z.looseObject({
      path: z.string(),
      content: z.string(),
      encoding: z.enum(['utf-8', 'base64']).default('utf-8'),
    }),
  }),
  z.object({
    key: z.literal('lfsFile'),
    value: z.looseObject({ path: z.string(), oid: Oid, size: z.number() }),
  }),
  z.object({ key: z.literal('deletedFile'), value: z.looseObject({ path: z.string() }) }),
])

/** A file's path in a repository. */
const isPath = (path: string): boolean =>
  path !== '' && path.split('/').every((part) => !['', '.', '..', '.git'].includes(part))

/** The calls that change something: repositories, large files, commits, tags. */
export function createWriting(options: WritingOptions) {
  const { models, objects, repositories, doorkeeper, signed, settings, url } = options

  const readCommit = async (request: IncomingMessage) => {
    const text = Buffer.concat(await Array.fromAsync(receive(request, undefined))).toString('utf8')
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    const read = lines.map((line) => check(Line, parsed(line)))
    const header = read.find((line) => line.key === 'header')?.value
    if (!header) throw new HubError(400, 'Invalid input: the header is missing')
    const changes = read.flatMap((line): Change[] => {
      if (line.key === 'header') return []
      const name = line.value.path
      if (!isPath(name)) throw new HubError(400, `Invalid path in the commit: ${name}`)
      if (line.key === 'deletedFile') return [{ kind: 'gone', name }]
      if (line.key === 'lfsFile') {
        return [{ kind: 'large', name, sha256: line.value.oid, bytes: line.value.size }]
      }
      const { content, encoding } = line.value
      return [{ kind: 'small', name, content: Buffer.from(content, encoding) }]
    })
    return { header, changes }
  }

  /** What is asked of a caller with a large file: nothing where it is there, else its address or those of its parts. */
  const actionsFor = (id: string, { oid, size }: { oid: string; size: number }, multi: boolean) => {
    const verify = { href: `${url}/${id}.git/info/lfs/verify` }
    if (!multi || size <= settings.partBytes) {
      return { upload: { href: signed.upload(id, oid, size, 0) }, verify }
    }
    const count = Math.ceil(size / settings.partBytes)
    const parts = Array.from({ length: count }, (_, index) => [
      String(index + 1).padStart(5, '0'),
      signed.upload(id, oid, size, index + 1),
    ])
    const header = { chunk_size: String(settings.partBytes), ...Object.fromEntries(parts) }
    return { upload: { href: signed.upload(id, oid, size, 0), header }, verify }
  }

  const write = async (
    name: Exclude<WriteName, 'lfs-put' | 'lfs-complete' | 'create' | 'validate-yaml'>,
    { subject: id, revision }: Route,
    request: IncomingMessage,
    user: HubUser,
  ): Promise<Written> => {
    if (!repositories.made(id)) {
      repositories.find(id, 'main')
      throw notModelled('writing to a repository that is a folder')
    }
    const model = models.must(id)
    if (model.isPrivate) doorkeeper.showPrivate(model, user)
    doorkeeper.mayWrite(id, user)
    switch (name) {
      case 'preupload': {
        const { files } = check(Preupload, await readJson(request, undefined))
        const found = repositories.find(id, revision).files
        return {
          body: {
            files: files.map(({ path, size }) => ({
              path,
              uploadMode: models.isLarge(path, size) ? 'lfs' : 'regular',
              shouldIgnore: false,
              oid: found.find((one) => one.name === path)?.oid ?? null,
            })),
          },
        }
      }
      case 'lfs-batch': {
        const wanted = check(Batch, await readJson(request, undefined))
        if (wanted.operation !== 'upload') throw notModelled(`LFS ${wanted.operation}`)
        const missing = wanted.objects.filter(({ oid }) => !models.has(model, oid))
        const more = missing.reduce((sum, { size }) => sum + size, 0)
        if (model.isPrivate && models.privateBytes() + more > settings.privateBytes) {
          throw new HubError(
            403,
            'Private repository storage limit reached, please upgrade your plan to increase your private storage limit.',
          )
        }
        const multi = wanted.transfers.includes('multipart')
        const isMulti = multi && missing.some(({ size }) => size > settings.partBytes)
        return {
          headers: { 'content-type': 'application/vnd.git-lfs+json; charset=utf-8' },
          body: {
            transfer: isMulti ? 'multipart' : 'basic',
            objects: wanted.objects.map(({ oid, size }) => ({
              oid,
              size,
              authenticated: true,
              ...(missing.some((one) => one.oid === oid)
                ? { actions: actionsFor(id, { oid, size }, multi) }
                : {}),
            })),
          },
        }
      }
      case 'lfs-verify': {
        const { oid, size } = check(Verify, await readJson(request, undefined))
        if (models.has(model, oid) && objects.sizeOf(oid) === size) return { body: {} }
        throw new HubError(404, 'Object not found')
      }
      case 'commit': {
        if (revision !== 'main') throw notModelled('commits beside main')
        const { header, changes } = await readCommit(request)
        const { summary: title, description, parentCommit } = header
        const wanted = { title, description: description ?? '', parent: parentCommit ?? undefined }
        const made = models.commit(model, { ...wanted, changes }, user.name)
        const commitUrl = `${url}/${id}/commit/${made.oid}`
        return { body: { success: true, commitOid: made.oid, commitUrl, hookOutput: '' } }
      }
      case 'tag': {
        const { tag } = check(Tag, await readJson(request, undefined))
        models.tag(model, tag, repositories.find(id, revision).revision)
        return { body: {} }
      }
      case 'untag':
        models.untag(model, revision)
        return { body: {} }
    }
  }

  return {
    /** Large files go to signed addresses, without a token. */
    async take(
      { name, subject: id, revision: sha256, path }: Route,
      request: IncomingMessage,
      cutAfterBytes: number | undefined,
    ): Promise<Written> {
      const [bytes = 0, part = 0] = path.split('-').map(Number)
      const model = models.must(id)
      if (name === 'lfs-complete') {
        const { parts } = check(Completion, await readJson(request, undefined))
        const told = parts.map(({ partNumber, etag }) => ({ number: partNumber, etag }))
        const count = Math.ceil(bytes / settings.partBytes)
        await objects.complete(sha256, bytes, told, count)
        models.arrived(model, sha256)
        return { body: {} }
      }
      const chunks = cutOff(receive(request, settings.bytesPerSecond), cutAfterBytes)
      if (part > 0) {
        const start = (part - 1) * settings.partBytes
        const size = Math.min(settings.partBytes, bytes - start)
        return {
          body: {},
          headers: { etag: await objects.receivePart(chunks, sha256, part, size) },
        }
      }
      await objects.receive(chunks, sha256, bytes)
      models.arrived(model, sha256)
      return { body: {}, headers: { etag: `"${sha256}"` } }
    },

    /** @throws HubError as the service has it */
    async perform(
      name: Exclude<WriteName, 'lfs-put' | 'lfs-complete'>,
      route: Route,
      request: IncomingMessage,
      caller: HubUser | null,
    ): Promise<Written> {
      if (name === 'validate-yaml') {
        await readJson(request, undefined)
        return { body: { errors: [], warnings: [] } }
      }
      if (!caller) throw new HubError(401, 'Invalid username or password.')
      if (name !== 'create') return await write(name, route, request, caller)
      const wanted = check(NewRepository, await readJson(request, undefined))
      if (wanted.type !== 'model') throw notModelled(`repositories of the type ${wanted.type}`)
      const id = wanted.name.includes('/')
        ? wanted.name
        : `${wanted.organization ?? caller.name}/${wanted.name}`
      doorkeeper.mayCreate(id, caller)
      models.create(id, wanted.private === true || wanted.visibility === 'private', caller.name)
      return { body: { url: `${url}/${id}`, name: id, id } }
    },
  }
}

/** What comes until the line breaks, on demand. */
async function* cutOff(
  chunks: AsyncIterable<Buffer>,
  afterBytes: number | undefined,
): AsyncGenerator<Buffer> {
  let taken = 0
  for await (const chunk of chunks) {
    taken += chunk.length
    if (afterBytes !== undefined && taken > afterBytes) throw new Cut()
    yield chunk
  }
}

/** The line broke on the way in. */
export class Cut extends Error {}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new HubError(400, 'Invalid input: a line is no JSON')
  }
}
