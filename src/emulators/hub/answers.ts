import { createReadStream } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { Travel } from '../answer.ts'
import { deliver } from '../transfer.ts'
import type { HubFile, OpenedRepository } from './repositories.ts'
import type { Commit, Model } from './state.ts'
import { HubError } from './wire.ts'

/** A file as a listing shows it. */
export const treeEntry = ({ name, bytes, oid, largeOid }: HubFile) => ({
  type: 'file',
  oid,
  size: bytes,
  path: name,
  ...(largeOid === null ? {} : { lfs: { oid: largeOid, size: bytes, pointerSize: 134 } }),
})

/** A repository as its own page of the API shows it. */
export const modelInfo = ({ id, revision, isGated, isPrivate, files }: OpenedRepository) => ({
  _id: revision.slice(0, 24),
  id,
  modelId: id,
  author: id.split('/')[0],
  sha: revision,
  private: isPrivate,
  disabled: false,
  gated: isGated ? 'auto' : false,
  downloads: 0,
  likes: 0,
  tags: [],
  siblings: files.map(({ name }) => ({ rfilename: name })),
})

/** The branches and tags of a repository. */
export const refsOf = ({ revision }: OpenedRepository, made: Model | undefined) => ({
  branches: [{ name: 'main', ref: 'refs/heads/main', targetCommit: revision }],
  converts: [],
  tags: (made?.tags ?? []).map(({ name, commit }) => ({
    name,
    ref: `refs/tags/${name}`,
    targetCommit: commit,
  })),
})

/** A commit as the history shows it. */
export const commitEntry = ({ oid, title, description, at, by }: Commit) => ({
  id: oid,
  title,
  message: description,
  authors: [{ user: by, avatar: '' }],
  date: at,
})

export const etagOf = ({ oid, largeOid }: HubFile): string => `"${largeOid ?? oid}"`

/** Sends a file's bytes, or the range of them that was asked for. @throws HubError 416 */
export async function sendFile(
  response: ServerResponse,
  file: HubFile,
  asked: { readonly isHead: boolean; readonly range: string | undefined },
  travel: Travel,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked.range ?? '') ?? []
  const start = Number(from ?? 0)
  const end = to === undefined || to === '' ? file.bytes : Math.min(file.bytes, Number(to) + 1)
  if (from !== undefined && start >= file.bytes) {
    throw new HubError(416, 'Range not satisfiable', {
      headers: { 'content-range': `bytes */${file.bytes}` },
    })
  }
  const length = end - start
  response.writeHead(from === undefined ? 200 : 206, {
    'content-type': 'application/octet-stream',
    'content-length': length,
    'accept-ranges': 'bytes',
    etag: etagOf(file),
    ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${file.bytes}` }),
    ...headers,
  })
  if (asked.isHead || length === 0) return void response.end()
  await deliver(response, createReadStream(file.path, { start, end: end - 1 }), travel(length))
}
