import { z } from 'zod'
import type { HubRepositories, NewCommit } from '../../artifacts/hub-repository.ts'
import type { SignedUpload } from '../../artifacts/publication.ts'
import { AppError } from '../../lib/errors.ts'
import { hubClient } from './client.ts'
import { garbledAnswer, networkFailure } from './failures.ts'
import { type HubAddress, hubSend } from './send.ts'
import { signedUpload } from './signed-upload.ts'
import { writeFailure } from './write-failures.ts'

const Sha = z.string().regex(/^[0-9a-f]{40}$/)
const Refs = z.looseObject({
  branches: z.array(z.looseObject({ name: z.string(), targetCommit: Sha })),
  tags: z.array(z.looseObject({ name: z.string(), targetCommit: Sha })),
})
const Preupload = z.looseObject({
  files: z.array(
    z.looseObject({
      path: z.string(),
      uploadMode: z.enum(['lfs', 'regular']),
      shouldIgnore: z.boolean().nullish(),
    }),
  ),
})
const Action = z.looseObject({
  href: z.string(),
  header: z.record(z.string(), z.unknown()).nullish(),
})
const Batch = z.looseObject({
  transfer: z.string().nullish(),
  objects: z.array(
    z.looseObject({
      oid: z.string(),
      error: z.looseObject({ code: z.number(), message: z.string() }).nullish(),
      actions: z.looseObject({ upload: Action.nullish() }).nullish(),
    }),
  ),
})
const Committed = z.looseObject({ commitOid: Sha })

/** Titles that are looked through for a commit that was made before. */
const mostCommits = 300
const lfsJson = 'application/vnd.git-lfs+json'

/**
 * Repositories of the Hub, to write to. Its library (loaded at the first use) makes the calls that it has without bytes passing; its
 * `commit` wants to carry the files itself, and tags it has none: these are ours. A token goes to the hub's own address alone.
 */
export function hubRepositories(address: HubAddress): HubRepositories {
  const { baseUrl } = address
  const { send } = hubSend(address, writeFailure)
  const reading = hubClient(address)
  const apiOf = (id: string): string => `${baseUrl}/api/models/${id}`

  async function call<Schema extends z.ZodType>(
    url: string,
    { token, schema, doing, id, ...init }: RequestInit & Call<Schema>,
  ): Promise<z.output<Schema>> {
    const headers = { authorization: `Bearer ${token}`, ...init.headers }
    const response = await send(url, { ...init, headers }, doing, id)
    const json: unknown = await response.json().catch(() => undefined)
    const read = schema.safeParse(json)
    if (!read.success) throw garbledAnswer(doing)
    return read.data
  }

  const posted = (value: unknown, type = 'application/json') => ({
    method: 'POST',
    headers: { 'content-type': type, accept: type },
    body: JSON.stringify(value),
  })
  const carry = (doing: string, id: string) => ({
    hubUrl: baseUrl,
    fetch: (url: unknown, init: RequestInit = {}) => send(String(url), init, doing, id),
  })
  const failed = (doing: string) => (error: unknown) => {
    throw networkFailure(error, doing)
  }

  return {
    files: reading.files,
    bytes: reading.bytes,
    async refs(token, id) {
      const doing = `looking for ${id}`
      const found = await call(`${apiOf(id)}/refs`, { token, schema: Refs, doing, id }).catch(
        (error: unknown) => {
          if (error instanceof AppError && error.code === 'hub_not_found') return null
          throw error
        },
      )
      if (!found) return null
      const main = found.branches.find(({ name }) => name === 'main')
      if (!main) throw garbledAnswer(doing)
      const tags = found.tags.map(({ name, targetCommit }) => [name, targetCommit] as const)
      return { main: main.targetCommit, tags: new Map(tags) }
    },
    async create(token, id) {
      const doing = `making the repository ${id}`
      const { createRepo } = await import('@huggingface/hub')
      const repo = { type: 'model', name: id } as const
      const wanted = { repo, visibility: 'private' as const, accessToken: token }
      await createRepo({ ...wanted, ...carry(doing, id) }).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'hub_there_already') return
        failed(doing)(error)
      })
    },
    async history(token, id) {
      const doing = `looking through the commits of ${id}`
      const { listCommits } = await import('@huggingface/hub')
      const repo = { type: 'model', name: id } as const
      const found: { id: string; title: string }[] = []
      try {
        for await (const { oid, title } of listCommits({
          repo,
          accessToken: token,
          ...carry(doing, id),
        })) {
          found.push({ id: oid, title })
          if (found.length >= mostCommits) break
        }
      } catch (error) {
        failed(doing)(error)
      }
      return found
    },
    async sorted(token, id, files) {
      const doing = `asking how the files of ${id} are stored`
      const asked = files.map(({ path, bytes, sample }) => ({
        path,
        size: bytes,
        sample: Buffer.from(sample).toString('base64'),
      }))
      const body = posted({ files: asked })
      const url = `${apiOf(id)}/preupload/main`
      const said = await call(url, { ...body, token, schema: Preupload, doing, id })
      return new Map(
        said.files.map(({ path, uploadMode, shouldIgnore }) => [
          path,
          shouldIgnore ? 'ignored' : uploadMode === 'lfs' ? 'large' : 'small',
        ]),
      )
    },
    async missing(token, id, objects) {
      if (objects.length === 0) return []
      const doing = `asking which large files of ${id} have arrived`
      const order = {
        operation: 'upload',
        transfers: ['basic', 'multipart'],
        hash_algo: 'sha256',
        ref: { name: 'main' },
        objects: objects.map(({ bytes, sha256 }) => ({ oid: sha256, size: bytes })),
      }
      const url = `${baseUrl}/${id}.git/info/lfs/objects/batch`
      const said = await call(url, { ...posted(order, lfsJson), token, schema: Batch, doing, id })
      return objects.flatMap((object): SignedUpload[] => {
        const answer = said.objects.find(({ oid }) => oid === object.sha256)
        if (!answer) throw garbledAnswer(doing)
        const { error, actions } = answer
        if (error) {
          const headers = new Headers({ 'x-error-message': error.message })
          throw writeFailure({ status: error.code, headers }, doing, baseUrl, id)
        }
        const upload = actions?.upload
        return upload ? [signedUpload(object, upload, baseUrl, doing)] : []
      })
    },
    async commit(token, id, commit) {
      const doing = `committing to ${id}`
      const headers = { 'content-type': 'application/x-ndjson' }
      const init = { method: 'POST', headers, body: linesOf(commit) }
      const url = `${apiOf(id)}/commit/main`
      return (await call(url, { ...init, token, schema: Committed, doing, id })).commitOid
    },
    async tag(token, id, commit, name) {
      const doing = `tagging ${id} ${name}`
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify({ tag: name }) }
      const response = await send(`${apiOf(id)}/tag/${commit}`, init, doing, id)
      await response.body?.cancel()
    },
  }
}

interface Call<Schema> {
  readonly token: string
  readonly schema: Schema
  readonly doing: string
  readonly id: string
}

/** A commit as the hub reads it, one JSON text a line: huggingface.co/docs/hub/api (read 2026-09). */
function linesOf({ title, description, parent, small, large, gone }: NewCommit): string {
  const lines = [
    { key: 'header', value: { summary: title, description, parentCommit: parent } },
    ...small.map(({ path, content }) => ({
      key: 'file',
      value: { path, encoding: 'base64', content: Buffer.from(content).toString('base64') },
    })),
    ...large.map(({ path, bytes, sha256 }) => ({
      key: 'lfsFile',
      value: { path, algo: 'sha256', oid: sha256, size: bytes },
    })),
    ...gone.map((path) => ({ key: 'deletedFile', value: { path } })),
  ]
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
