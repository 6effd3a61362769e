import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { bookNodes, fakeNode, key, type Taken } from './fake-node.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
let books: Awaited<ReturnType<typeof bookNodes>>
let node: ReturnType<typeof fakeNode>
let token: string
beforeAll(async () => {
  service = await runningService()
  books = await bookNodes(service)
  token = await books.begin('nights')
  node = fakeNode(service.url, token)
})
afterAll(async () => {
  await books[Symbol.asyncDispose]()
  await service[Symbol.asyncDispose]()
})

const LONG = `/openai/v1/${'a'.repeat(1200)}`
const at = (path: string) => `${service.url}/v1/nodes/nights${path}`
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
const ask = (path: string, init: RequestInit = {}, secret = key) =>
  fetch(at(path), { ...init, headers: { ...bearer(secret), ...init.headers } })
const chat = (init: RequestInit = {}) =>
  ask('/openai/v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify({ model: 'rodizio', messages: [] }),
    ...init,
    headers: { 'content-type': 'application/json' },
  })
/** The error that clients of OpenAI's interface read. */
const errorOf = async (response: Response) => {
  const { error } = (await response.json()) as { error: Record<string, unknown> }
  expect(error).toMatchObject({ message: expect.any(String), type: expect.any(String) })
  return [response.status, error.type, error.code]
}
/** A node that is there, and does nothing. */
const there = () => node.poll({ waitSeconds: 0 })

it('nobody is asked while no node polls', async () => {
  const response = await chat()
  expect(response.headers.get('retry-after')).toBe('10')
  expect(await errorOf(response)).toEqual([503, 'server_error', 'no_node'])
})

describe('a request', () => {
  it('arrives as it was sent, with the headers that are passed on and no other', async () => {
    await there()
    const body = Buffer.from([0, 255, 128, 10, 13, 0])
    const asking = ask('/openai/v1/embeddings?dims=3', {
      method: 'POST',
      body,
      headers: {
        accept: 'text/plain',
        'content-type': 'x/y',
        cookie: 'a=b',
        'x-own': '1',
        te: 'gzip',
      },
    })
    const taken = await node.take()
    expect(taken).toEqual({
      id: expect.stringMatching(/^req_/),
      method: 'POST',
      path: '/v1/embeddings?dims=3',
      headers: { accept: 'text/plain', 'content-type': 'x/y', authorization: `Bearer ${key}` },
      body: body.toString('base64'),
    })
    const answer = node.answer(taken.id)
    answer.head(418, {
      'Content-Type': 'x/z',
      'Retry-After': '7',
      'Set-Cookie': 'c=d',
      Connection: 'keep-alive, x-hop',
      'Content-Length': '1',
      'Transfer-Encoding': 'identity',
      Server: 'uvicorn',
    })
    expect(await answer.end('whole')).toEqual({ status: 204, code: '' })
    const response = await asking
    expect([response.status, await response.text()]).toEqual([418, 'whole'])
    const { headers } = response
    expect([headers.get('content-type'), headers.get('retry-after')]).toEqual(['x/z', '7'])
    for (const name of ['set-cookie', 'content-length', 'server', 'x-hop']) {
      expect([name, headers.get(name)]).toEqual([name, null])
    }
  })

  it('asks for health by the policy’s name', async () => {
    const asking = ask('/health')
    const taken = await node.take()
    expect(taken).toMatchObject({ method: 'GET', path: '/health', body: null })
    const answer = node.answer(taken.id)
    answer.head()
    await answer.end('{"status":"ok"}')
    expect(await (await asking).json()).toEqual({ status: 'ok' })
  })

  it('is answered piece by piece as the pieces come', async () => {
    const asking = chat()
    const answer = node.answer((await node.take()).id)
    answer.head(200, { 'content-type': 'text/event-stream' })
    const response = await asking
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (const piece of ['data: a\n\n', 'data: b\n\n', 'data: [DONE]\n\n']) {
      answer.write(piece)
      expect(await reader?.read()).toEqual({ done: false, value: piece })
    }
    expect((await answer.end()).status).toBe(204)
    expect((await reader?.read())?.done).toBe(true)
  })

  it('may be one of several under way, answered in any order', async () => {
    const asked: Promise<Response>[] = []
    const taken: Taken[] = []
    for (const body of ['first', 'second', 'third']) {
      asked.push(chat({ body }))
      taken.push(await node.take())
    }
    for (const { id, body } of taken.toReversed()) {
      const answer = node.answer(id)
      answer.head()
      await answer.end(Buffer.from(body ?? '', 'base64').toString())
    }
    const answers = await Promise.all(asked.map(async (response) => (await response).text()))
    expect(answers).toEqual(['first', 'second', 'third'])
  })
})

describe('nobody gets in', () => {
  it('without the key of that policy, whatever else is known', async () => {
    await there()
    for (const secret of ['', 'rzk_another', service.adminToken, token, sha256Hex(key)]) {
      const response = await ask('/openai/v1/models', {}, secret)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(await errorOf(response)).toEqual([401, 'authentication_error', 'invalid_api_key'])
    }
    for (const name of ['days', 'nobody', '%00']) {
      const response = await fetch(`${service.url}/v1/nodes/${name}/health`, {
        headers: bearer(key),
      })
      expect([name, response.status]).toEqual([name, 401])
    }
    expect((await there()).status).toBe(204)
  })

  it.each([
    ['GET', '/openai/adapters/load', 404],
    ['POST', '/openai/generate', 404],
    ['POST', '/openai/v1/%2e%2e/adapters/load', 404],
    ['POST', '/openai/v1/..%2fadapters/load', 404],
    ['POST', '/openai/v1/%252e%252e/adapters/load', 404],
    ['POST', '/openai/v1/a\\..\\b', 400],
    ['GET', '/openai/v1/', 404],
    ['GET', '(long)', 404],
    ['DELETE', '/openai/v1/models', 405],
    ['PUT', '/health', 405],
  ])('by %s %s', async (method, path, status) => {
    const { hostname, port } = new URL(service.url)
    // By hand: fetch would tidy the path up.
    const answered = await new Promise<number | undefined>((resolve, reject) => {
      const asked = {
        hostname,
        port,
        method,
        path: `/v1/nodes/nights${path === '(long)' ? LONG : path}`,
        headers: bearer(key),
      }
      request(asked, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(answered).toBe(status)
    expect((await there()).status).toBe(204)
  })

  it('with more than a node reads, told before or not, or packed', async () => {
    await there()
    const big = Buffer.alloc(1024 * 1024 + 1, 'x')
    expect(await errorOf(await chat({ body: big }))).toEqual([
      413,
      'invalid_request_error',
      'body_too_large',
    ])
    const stream = () => new Blob([big]).stream()
    const init = { body: stream(), duplex: 'half' } as RequestInit
    expect((await errorOf(await chat(init)))[0]).toBe(413)
    const packed = await ask('/openai/v1/completions', {
      method: 'POST',
      body: 'x',
      headers: { 'content-encoding': 'gzip' },
    })
    expect(await errorOf(packed)).toEqual([415, 'invalid_request_error', 'encoding_unknown'])
    expect((await there()).status).toBe(204)
    const most = chat({ body: Buffer.alloc(1024 * 1024, 'x') })
    const { id, body } = await node.take()
    expect(Buffer.from(body ?? '', 'base64')).toHaveLength(1024 * 1024)
    const answer = node.answer(id)
    answer.head()
    await answer.end()
    expect((await most).status).toBe(200)
  })

  it('when too many wait already', async () => {
    await there()
    const left = new AbortController()
    const waiting = Array.from({ length: 64 }, () =>
      chat({ signal: left.signal }).catch(() => undefined),
    )
    await expect.poll(async () => (await chat()).status).toBe(429)
    const refused = await chat()
    expect(refused.headers.get('retry-after')).toBe('5')
    expect(await errorOf(refused)).toEqual([429, 'rate_limit_error', 'queue_full'])
    left.abort()
    await Promise.all(waiting)
    await expect.poll(async () => (await node.poll({ waitSeconds: 0 })).status).toBe(204)
  })
})

describe('an end before the end', () => {
  it('of the caller ends the upload, and says why', async () => {
    for (const begins of [false, true]) {
      const left = new AbortController()
      const asking = chat({ signal: left.signal })
      asking.catch(() => undefined)
      const answer = node.answer((await node.take()).id)
      if (begins) {
        answer.head()
        answer.write('half')
        await asking
      } else await delay(20)
      left.abort()
      expect(await answer.said).toEqual({ status: 409, code: 'caller_gone' })
    }
  })

  it('of a node is an error for the caller: of the connection, or of the gateway before it began', async () => {
    for (const begins of [false, true]) {
      const asking = chat()
      const answer = node.answer((await node.take()).id)
      if (begins) {
        answer.head()
        answer.write('half')
        const response = await asking
        await delay(20)
        answer.breakOff()
        await expect(response.text()).rejects.toThrow()
      } else {
        await delay(30) // until it is heard of
        answer.breakOff()
        expect(await errorOf(await asking)).toEqual([502, 'server_error', 'node_lost'])
      }
    }
  })

  it('of a node is one also while its caller is slow to read', async () => {
    const asking = new Promise<import('node:http').IncomingMessage>((resolve) => {
      request(at('/openai/v1/models'), { headers: bearer(key) }, resolve).end()
    })
    const answer = node.answer((await node.take()).id)
    answer.head()
    const slow = await asking
    for (let n = 0; n < 8; n += 1) answer.write(Buffer.alloc(1024 * 1024))
    await delay(100)
    answer.breakOff()
    await delay(100)
    const read = async () => {
      for await (const _piece of slow) {
        // only its end matters
      }
    }
    await expect(read()).rejects.toThrow(/aborted|hang up/)
  })
})

it('a caller who reads slowly holds the node back', async () => {
  const asking = new Promise<import('node:http').IncomingMessage>((resolve) => {
    request(at('/openai/v1/models'), { headers: bearer(key) }, resolve).end()
  })
  const answer = node.answer((await node.take()).id)
  answer.head()
  const slow = await asking
  const piece = Buffer.alloc(1024 * 1024)
  for (let n = 0; n < 30; n += 1) answer.write(piece)
  // Until what lies between has been filled up.
  for (let before = -1; before !== answer.sent.writableLength; ) {
    before = answer.sent.writableLength
    await delay(300)
  }
  expect(answer.sent.writableLength).toBeGreaterThan(15 * 1024 * 1024)
  let size = 0
  slow.on('data', (part: Buffer) => {
    size += part.length
  })
  expect((await answer.end()).status).toBe(204)
  await expect.poll(() => size).toBe(30 * 1024 * 1024)
})

describe('what a session may', () => {
  const code = async (response: Response) =>
    [response.status, ((await response.json()) as { code: string }).code] as const

  it('is told that there is nothing, after the time that it waits', async () => {
    const began = performance.now()
    expect((await node.poll({ waitSeconds: 0.2 })).status).toBe(204)
    expect(performance.now() - began).toBeGreaterThan(190)
  })

  it('is not what one without a token, or one that trains, may', async () => {
    expect(await code(await fakeNode(service.url, 'rzs_none').poll())).toEqual([
      401,
      'token_unknown',
    ])
    const admin = fakeNode(service.url, service.adminToken)
    expect((await admin.poll()).status).toBe(401)
    const training = fakeNode(service.url, await books.begin('days'))
    expect(await code(await training.poll())).toEqual([400, 'not_serving'])
    expect((await training.answer('req_none').said).status).toBe(400)
    expect(await code(await node.poll({ ready: 'yes' }))).toEqual([400, 'invalid'])
  })

  it('ends with it: it takes nothing, and what came while it waited goes to another', async () => {
    const token = await books.begin('nights')
    const ending = fakeNode(service.url, token)
    const waiting = ending.poll({ waitSeconds: 1 })
    await delay(50)
    await books.end(token)
    const asking = chat()
    const answer = node.answer((await node.take()).id)
    expect((await waiting).status).toBe(204)
    answer.head()
    await answer.end('{}')
    expect((await asking).status).toBe(200)
    expect(await code(await ending.poll())).toEqual([409, 'fenced'])
  })

  it('is not to answer what another was asked, or nobody, or what is answered already', async () => {
    const other = fakeNode(service.url, await books.begin('nights'))
    const asking = chat()
    const { id } = await node.take()
    expect(await other.answer(id).said).toEqual({ status: 409, code: 'answer_of_another' })
    expect(await node.answer('req_none').said).toEqual({ status: 404, code: 'answer_unknown' })
    const answer = node.answer(id)
    answer.head()
    await asking
    expect(await node.answer(id).said).toEqual({ status: 409, code: 'answer_begun' })
    expect((await answer.end()).status).toBe(204)
    expect(await node.answer(id).said).toEqual({ status: 404, code: 'answer_unknown' })
  })
})

it('a key that was changed is known at once, and the old one where its node still is', async () => {
  const fresh = 'rzk_a-new-key'
  await there()
  const change = { keySha256: sha256Hex(fresh) }
  await service.call('/v1/serving/nights', { json: change, method: 'PATCH' })
  expect(await errorOf(await ask('/openai/v1/models', {}, fresh))).toEqual([
    503,
    'server_error',
    'no_node',
  ])
  const asking = ask('/openai/v1/models')
  const answer = node.answer((await node.take()).id)
  answer.head()
  await answer.end('{}')
  expect((await asking).status).toBe(200)
  await node.poll({ waitSeconds: 0, ...change })
  expect((await ask('/openai/v1/models')).status).toBe(401)
})

it('of a policy whose nodes are reached elsewhere that is said, to who has the key', async () => {
  await books.reach('local')
  const response = await ask('/openai/v1/models', {}, 'rzk_a-new-key')
  expect(response.headers.get('retry-after')).toBe('60')
  const { error } = (await response.json()) as { error: { message: string } }
  expect([response.status, error.message]).toEqual([
    503,
    expect.stringContaining('are not reached here'),
  ])
  expect((await ask('/openai/v1/models', {}, 'rzk_wrong')).status).toBe(401)
})
