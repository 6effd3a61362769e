import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../src/lib/random.ts'
import { hubClient } from '../../../src/providers/hub/client.ts'
import {
  anaToken,
  baseFiles,
  biaToken,
  freshHub,
  gatedId,
  gatedRevision,
  largeBytes,
} from '../../emulators/hub-fixture.ts'

const clientOf = (baseUrl: string, timeoutMs = 5000) => hubClient({ baseUrl, timeoutMs })

/** A hub that answers everything with one thing, and what it was sent. */
async function brokenHub(status: number, headers: Record<string, string>, body = '') {
  const heard: (string | undefined)[] = []
  const server = createServer((request, response) => {
    heard.push(request.headers.authorization)
    response.writeHead(status, headers).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('the client of the hub', () => {
  it('says whose token it is', async () => {
    await using hub = await freshHub()
    expect(await clientOf(hub.url).whoIs(biaToken)).toEqual({ name: 'bia', role: 'read' })
  })

  it('lists all files over several pages, with the hash of those that are stored apart', async () => {
    await using hub = await freshHub({ pageFiles: 4 })
    const files = await clientOf(hub.url).files(anaToken, gatedId, gatedRevision)
    expect(files.map(({ name, bytes, sha256 }) => [name, bytes, sha256]).toSorted()).toEqual(
      Object.entries(baseFiles)
        .map(([name, text]) => [
          name,
          text.length,
          text.length < largeBytes ? null : sha256Hex(text),
        ])
        .toSorted(),
    )
  })

  it('gives an address that needs no token, and never shows the token there', async () => {
    await using hub = await freshHub()
    const name = 'model-00001-of-00002.safetensors'
    const address = await clientOf(hub.url).address(anaToken, gatedId, gatedRevision, name)
    expect(address).not.toContain(anaToken)
    expect(await (await fetch(address)).text()).toBe(baseFiles[name])
    const shown = hub.admin.requests().filter(({ headers }) => 'authorization' in headers)
    expect(shown.map(({ rpc }) => rpc)).toEqual(['resolve'])
  })

  it('reads a small file through the redirects of the hub itself', async () => {
    await using hub = await freshHub()
    const text = baseFiles['config.json'] ?? ''
    const read = (most: number) =>
      clientOf(hub.url).bytes(anaToken, gatedId, gatedRevision, 'config.json', most)
    expect(Buffer.from(await read(text.length)).toString()).toBe(text)
    await expect(read(text.length - 1)).rejects.toMatchObject({ code: 'bad_answer' })
  })

  it.each([
    ['a licence that is not accepted', biaToken, 'not-allowed', 'hub_licence', `/${gatedId}`],
    ['a token that is over', 'hf_over', 'unauthorized', 'hub_token_over', '/settings/tokens'],
  ])('tells %s in one sentence that names the address', async (_why, token, kind, code, path) => {
    await using hub = await freshHub()
    const refused = clientOf(hub.url).address(token, gatedId, gatedRevision, 'tokenizer.model')
    const message = expect.stringContaining(`${hub.url}${path}`)
    await expect(refused).rejects.toMatchObject({ kind, code, message })
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining(token) })
  })

  it.each([
    [
      'a request that its authors have not answered',
      403,
      'GatedRepo',
      'awaiting a review',
      /authors/,
    ],
    ['a token of too narrow rights', 403, undefined, 'enable access', /fine-grained/],
    ['a repository that is not there', 401, 'RepoNotFound', 'no', /nothing while/],
    ['a commit that is not there', 404, 'RevisionNotFound', 'no', /RevisionNotFound/],
    ['too many calls', 429, undefined, 'slow down', /429/],
  ])('tells %s', async (_why, status, code, words, message) => {
    await using hub = await brokenHub(status, {
      'x-error-message': words,
      ...(code === undefined ? {} : { 'x-error-code': code }),
    })
    const refused = clientOf(hub.url).address(anaToken, gatedId, gatedRevision, 'tokenizer.model')
    await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(message) })
  })

  it('does not follow the hub round in circles, nor take nonsense for an answer', async () => {
    await using circle = await brokenHub(307, { location: '/again' })
    const client = clientOf(circle.url)
    const refused = client.address(anaToken, gatedId, gatedRevision, 'tokenizer.model')
    await expect(refused).rejects.toMatchObject({ kind: 'unavailable', code: 'bad_answer' })
    expect(circle.heard).toHaveLength(4)
    await using nonsense = await brokenHub(200, { 'content-type': 'text/html' }, '<html>')
    const listed = clientOf(nonsense.url).files(anaToken, gatedId, gatedRevision)
    await expect(listed).rejects.toMatchObject({ kind: 'unavailable' })
  })

  it('shows a token to no other host, wherever a listing points on', async () => {
    await using stranger = await brokenHub(200, { 'content-type': 'application/json' }, '[]')
    const link = `<${stranger.url}/more>; rel="next"`
    const headers = { 'content-type': 'application/json', link }
    await using hub = await brokenHub(200, headers, '[]')
    const listed = clientOf(hub.url).files(anaToken, gatedId, gatedRevision)
    await expect(listed).rejects.toMatchObject({ code: 'bad_answer' })
    expect(stranger.heard).toEqual([])
  })

  it('is unavailable where nothing answers, or nothing in time', async () => {
    await using hub = await freshHub()
    hub.admin.addFaults({ kind: 'hang', rpc: 'resolve' })
    const late = clientOf(hub.url, 100).address(anaToken, gatedId, gatedRevision, 'config.json')
    await expect(late).rejects.toMatchObject({ kind: 'unavailable', code: 'timeout' })
    const nobody = clientOf('http://127.0.0.1:9').whoIs(anaToken)
    await expect(nobody).rejects.toMatchObject({ kind: 'unavailable' })
  })
})
