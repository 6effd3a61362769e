import { createHash } from 'node:crypto'
import {
  createRepo,
  downloadFile,
  HubApiError,
  listCommits,
  listFiles,
  uploadFiles,
} from '@huggingface/hub'
import { describe, expect, it } from 'vitest'
import type { HubEmulatorOptions } from '../../src/emulators/hub/options.ts'
import { type HubEmulator, startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { freshHub } from './hub-fixture.ts'

const [writer, reader, narrow, other] = ['hf_writer', 'hf_reader', 'hf_narrow', 'hf_other']
const id = 'ana/house'
const users: HubEmulatorOptions['users'] = {
  [writer]: { name: 'ana', accepted: [], role: 'write' },
  [reader]: { name: 'ana', accepted: [], role: 'read' },
  [narrow]: { name: 'ana', accepted: [], role: 'fineGrained', writes: [id] },
  [other]: { name: 'bia', accepted: [], role: 'write' },
}
const repo = { type: 'model', name: id } as const
const weights = Buffer.alloc(40_000, 'weights')
const oid = sha256Hex(weights)

const hubWith = (options: Partial<HubEmulatorOptions> = {}) => freshHub({ users, ...options })
const make = (hub: HubEmulator, accessToken: string = writer) =>
  createRepo({ repo, visibility: 'private', accessToken, hubUrl: hub.url })

/** A call as our own client makes it. */
const call = (hub: HubEmulator, path: string, json: unknown, token: string | null = writer) =>
  fetch(hub.url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: typeof json === 'string' ? json : JSON.stringify(json),
  })
const batch = async (hub: HubEmulator, transfers = ['basic', 'multipart']) => {
  const answer = await call(hub, `/${id}.git/info/lfs/objects/batch`, {
    operation: 'upload',
    transfers,
    objects: [{ oid, size: weights.length }],
  })
  const { objects } = (await answer.json()) as {
    objects: { actions?: { upload: { href: string; header?: Record<string, string> } } }[]
  }
  return objects[0]?.actions?.upload
}
const commit = (hub: HubEmulator, lines: unknown[], token = writer) =>
  call(
    hub,
    `/api/models/${id}/commit/main`,
    lines.map((line) => JSON.stringify(line)).join('\n'),
    token,
  )
const header = (summary: string, parentCommit?: string) => ({
  key: 'header',
  value: { summary, ...(parentCommit ? { parentCommit } : {}) },
})
const small = (path: string, text: string) => ({
  key: 'file',
  value: { path, content: Buffer.from(text).toString('base64'), encoding: 'base64' },
})
const commitOf = async (answer: Response) =>
  ((await answer.json()) as { commitOid: string }).commitOid
const refs = async (hub: HubEmulator) =>
  (await (
    await fetch(`${hub.url}/api/models/${id}/refs`, {
      headers: { authorization: `Bearer ${writer}` },
    })
  ).json()) as { branches: { targetCommit: string }[]; tags: { name: string }[] }

describe('the official client for Node', () => {
  it.each([
    ['whole', {}],
    ['in parts', { partBytes: 15_000 }],
  ])('uploads a large file %s, and reads it back at its commit', async (_how, options) => {
    await using hub = await hubWith(options)
    await make(hub)
    const made = await uploadFiles({
      repo,
      accessToken: writer,
      hubUrl: hub.url,
      useXet: false,
      commitTitle: 'one',
      files: [
        { path: 'adapter_model.safetensors', content: new Blob([weights]) },
        { path: 'README.md', content: new Blob(['# card']) },
      ],
    })
    const { oid: revision } = made?.commit ?? { oid: '' }
    const listed = await Array.fromAsync(
      listFiles({ repo, revision, accessToken: writer, hubUrl: hub.url }),
    )
    expect(listed.map(({ path, lfs }) => [path, lfs?.oid])).toEqual([
      ['.gitattributes', undefined],
      ['README.md', undefined],
      ['adapter_model.safetensors', oid],
    ])
    const blob = await downloadFile({
      repo,
      revision,
      path: 'adapter_model.safetensors',
      accessToken: writer,
      hubUrl: hub.url,
    })
    expect(sha256Hex(Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer()))).toBe(oid)
    const titles = listCommits({ repo, accessToken: writer, hubUrl: hub.url })
    expect((await Array.fromAsync(titles)).map(({ title }) => title)).toEqual([
      'one',
      'initial commit',
    ])
    const sent = hub.admin.requests().filter(({ rpc }) => rpc === 'lfs-put')
    expect(sent).toHaveLength(options === undefined || !('partBytes' in options) ? 1 : 3)
    expect(sent.some(({ headers }) => 'authorization' in headers)).toBe(false)
  })

  it('is told that a repository is there already, in the hub’s words', async () => {
    await using hub = await hubWith()
    await make(hub)
    const again = await make(hub).catch((error: unknown) => error)
    expect(again).toBeInstanceOf(HubApiError)
    expect(again).toMatchObject({
      statusCode: 409,
      message: expect.stringContaining('You already created this model repo'),
    })
  })
})

describe('a repository', () => {
  it('is written to by those who may, and shown to its owner alone', async () => {
    await using hub = await hubWith()
    for (const token of [reader, narrow, other]) {
      await expect(make(hub, token)).rejects.toMatchObject({ statusCode: 403 })
    }
    await make(hub)
    const change = [header('two'), small('a.txt', 'a')]
    expect((await commit(hub, change, narrow)).status).toBe(200)
    expect((await commit(hub, change, reader)).status).toBe(403)
    const stranger = await commit(hub, change, other)
    expect([stranger.status, stranger.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound'])
    for (const [token, status] of [
      [reader, 200],
      [other, 404],
      [null, 401],
    ] as const) {
      const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
      for (const path of [`/api/models/${id}`, `/${id}/resolve/main/a.txt`])
        expect((await fetch(hub.url + path, { headers })).status).toBe(status)
    }
  })

  it('takes a commit on the head that it was made for, and no other', async () => {
    await using hub = await hubWith()
    await make(hub)
    const [first] = (await refs(hub)).branches
    const head = first?.targetCommit
    const made = await commitOf(await commit(hub, [header('one', head), small('a.txt', 'a')]))
    const late = await commit(hub, [header('two', head), small('b.txt', 'b')])
    expect([late.status, await late.text()]).toEqual([
      412,
      expect.stringContaining('A commit has happened since. Please refresh and try again.'),
    ])
    const next = await commit(hub, [
      header('three', made),
      small('b.txt', 'b'),
      { key: 'deletedFile', value: { path: 'a.txt' } },
    ])
    const at = (revision: string, name: string) =>
      fetch(`${hub.url}/${id}/resolve/${revision}/${name}`, {
        headers: { authorization: `Bearer ${writer}` },
      }).then(({ status }) => status)
    expect(await at(made, 'a.txt')).toBe(200)
    expect(await at(await commitOf(next), 'a.txt')).toBe(404)
    const tagged = await call(hub, `/api/models/${id}/tag/${made}`, { tag: 'v1' })
    expect(tagged.status).toBe(200)
    expect(await at('v1', 'a.txt')).toBe(200)
    expect((await call(hub, `/api/models/${id}/tag/main`, { tag: 'v1' })).status).toBe(409)
    expect((await refs(hub)).tags.map(({ name }) => name)).toEqual(['v1'])
    const headers = { authorization: `Bearer ${writer}` }
    await fetch(`${hub.url}/api/models/${id}/tag/v1`, { method: 'DELETE', headers })
    expect((await refs(hub)).tags).toEqual([])
  })

  it('names no large file that has not arrived, and no path outside', async () => {
    await using hub = await hubWith()
    await make(hub)
    const lost = { key: 'lfsFile', value: { path: 'w.bin', oid, size: weights.length } }
    expect((await commit(hub, [header('one'), lost])).status).toBe(400)
    expect((await commit(hub, [header('one'), small('../../a', 'a')])).status).toBe(400)
    expect((await commit(hub, [header('one'), small('a.txt', 'a'.repeat(1000))])).status).toBe(400)
  })

  it('survives a restart, large files and tags too', async () => {
    using folder = temporaryFolder()
    const options = { stateDir: folder.path, clock: systemClock, repositories: [], users }
    const before = await startHubEmulator(options)
    await make(before)
    const upload = await batch(before)
    await fetch(upload?.href ?? '', { method: 'PUT', body: weights })
    const file = { key: 'lfsFile', value: { path: 'w.bin', oid, size: weights.length } }
    const made = await commitOf(await commit(before, [header('one'), file]))
    await call(before, `/api/models/${id}/tag/${made}`, { tag: 'v1' })
    await before.close()
    const after = await startHubEmulator(options)
    await fetch(after.url).catch(() => undefined) // on a connection to the one that has ended
    const answer = await fetch(`${after.url}/${id}/resolve/v1/w.bin`, {
      headers: { authorization: `Bearer ${writer}` },
    })
    expect(sha256Hex(Buffer.from(await answer.arrayBuffer()))).toBe(oid)
    expect(await batch(after)).toBeUndefined()
    await after.close()
  })
})

describe('a large file on its way', () => {
  it('is there once its bytes have arrived, told or not, and is asked for no more', async () => {
    await using hub = await hubWith()
    await make(hub)
    const upload = await batch(hub)
    expect(new URL(upload?.href ?? '').origin).not.toBe(hub.url)
    const wrong = await fetch(upload?.href ?? '', { method: 'PUT', body: Buffer.alloc(40_000) })
    expect(wrong.status).toBe(400)
    expect(await batch(hub)).toBeDefined()
    hub.admin.addFaults({ rpc: 'lfs-put', kind: 'started_but_cut' })
    await expect(fetch(upload?.href ?? '', { method: 'PUT', body: weights })).rejects.toThrow()
    expect(await batch(hub)).toBeUndefined()
    const told = { oid, size: weights.length }
    expect((await call(hub, `/${id}.git/info/lfs/verify`, told)).status).toBe(200)
  })

  it('comes in parts, each with its tag, and counts when all are told', async () => {
    await using hub = await hubWith({ partBytes: 15_000 })
    await make(hub)
    const upload = await batch(hub)
    const addresses = Object.entries(upload?.header ?? {}).filter(([name]) => /^\d+$/.test(name))
    expect(addresses.map(([name]) => name)).toEqual(['00001', '00002', '00003'])
    const parts = await Promise.all(
      addresses.map(async ([name, href], index) => {
        const body = weights.subarray(index * 15_000, (index + 1) * 15_000)
        const answer = await fetch(href, { method: 'PUT', body })
        const md5 = createHash('md5').update(body).digest('hex')
        expect(answer.headers.get('etag')).toBe(`"${md5}"`)
        return { partNumber: Number(name), etag: answer.headers.get('etag') }
      }),
    )
    const complete = (told: unknown) =>
      fetch(upload?.href ?? '', { method: 'POST', body: JSON.stringify({ oid, parts: told }) })
    expect((await complete(parts.slice(1))).status).toBe(400)
    expect(await batch(hub)).toBeDefined()
    expect((await complete(parts)).status).toBe(200)
    expect(await batch(hub)).toBeUndefined()
    expect((await batch(hub, ['basic']))?.header).toBeUndefined()
  })

  it('goes to its own address alone, for an hour, and never with a token', async () => {
    await using hub = await hubWith()
    await make(hub)
    const { href = '' } = (await batch(hub)) ?? {}
    const put = (url: string, headers: Record<string, string> = {}) =>
      fetch(url, { method: 'PUT', body: weights, headers }).then(({ status }) => status)
    expect(await put(href.replace(oid, sha256Hex('else')))).toBe(403)
    expect(await put(href, { authorization: `Bearer ${writer}` })).toBe(400)
    hub.admin.advanceClock(3601)
    expect(await put(href)).toBe(403)
  })

  it('has no room beyond the private storage', async () => {
    await using hub = await hubWith({ privateBytes: 30_000 })
    await make(hub)
    const body = { operation: 'upload', objects: [{ oid, size: weights.length }] }
    const full = await call(hub, `/${id}.git/info/lfs/objects/batch`, body)
    expect([full.status, full.headers.get('x-error-message')]).toEqual([
      403,
      expect.stringContaining('storage limit reached'),
    ])
  })
})

describe('limits', () => {
  it('count calls in windows of five minutes, and commits by the hour', async () => {
    await using hub = await hubWith({ apiCalls: 4, hourlyCommits: 2 })
    await make(hub)
    const ask = () =>
      fetch(`${hub.url}/api/models/${id}`, { headers: { authorization: `Bearer ${writer}` } })
    const first = await ask()
    expect(first.headers.get('ratelimit')).toMatch(/^"api";r=2;t=\d+$/)
    await ask()
    await ask()
    const over = await ask()
    expect(over.status).toBe(429)
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0)
    hub.admin.advanceClock(300)
    expect((await ask()).status).toBe(200)
    const statuses: number[] = []
    for (const name of ['a', 'b', 'c']) {
      const made = await commit(hub, [header(name), small(name, name)])
      statuses.push(made.status)
    }
    expect(statuses).toEqual([200, 200, 429])
  })

  it('say of what is not modelled that it is not', async () => {
    await using hub = await hubWith()
    await make(hub)
    const headers = { authorization: `Bearer ${writer}` }
    for (const path of [`/api/models/${id}/xet-write-token/main`, '/api/datasets/a/b']) {
      expect((await fetch(hub.url + path, { headers })).status).toBe(501)
    }
  })
})
