import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Preset } from '../../../src/alerts/channel.ts'
import type { Letter } from '../../../src/alerts/outbox.ts'
import { addressGuard } from '../../../src/providers/probe/address-guard.ts'
import { guardedCall } from '../../../src/providers/webhook/post.ts'
import { attemptOfAnswer, webhookSender } from '../../../src/providers/webhook/webhook-sender.ts'

const now = new Date('2026-03-10T12:00:00Z')
const letter: Letter = {
  id: 'envelope-1',
  channel: 'hook',
  kind: 'node-down',
  subject: 'gpu-1 is down',
  body: '{"text":"nó"}',
  html: null,
  headers: { 'content-type': 'application/json' },
  messageId: '<x>',
  inReplyTo: null,
  references: [],
  recipients: [],
  createdAt: now,
}

/** A receiver on loopback that answers with that status, and keeps what it got. */
async function receiver(status: number, headers: Record<string, string> = {}, answers = true) {
  const got: { url: string; method: string; headers: IncomingMessage['headers']; body: string }[] =
    []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      got.push({
        url: request.url ?? '',
        method: request.method ?? '',
        headers: request.headers,
        body,
      })
      if (answers) response.writeHead(status, headers).end('a secret of the inner network')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    got,
    port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const open = (
  url: string,
  {
    preset = 'generic',
    secret = null,
    allowed = ['127.0.0.1'],
    timeoutMs = 3000,
    resolve,
  }: {
    preset?: Preset
    secret?: string | null
    allowed?: string[]
    timeoutMs?: number
    resolve?: () => Promise<{ address: string; family: number }[]>
  } = {},
) =>
  webhookSender({
    preset,
    target: { url, secret },
    call: guardedCall({
      guard: addressGuard(allowed),
      timeoutMs,
      ...(resolve === undefined ? {} : { resolve }),
    }),
    now: () => now,
  })

describe('a webhook', () => {
  it('gets the message with its key, and a signature over time and body', async () => {
    await using hook = await receiver(204)
    const sender = open(`http://127.0.0.1:${hook.port}/in?a=b`, { secret: 'a long secret' })
    expect(await sender.send(letter)).toEqual({ kind: 'accepted', said: '204 No Content' })
    const [got] = hook.got
    expect(got).toMatchObject({ url: '/in?a=b', method: 'POST', body: letter.body })
    expect(got?.headers['idempotency-key']).toBe('envelope-1')
    const [, t, v1] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(got?.headers['x-rodizio-signature'])) ?? []
    expect(Number(t) * 1000).toBe(now.getTime())
    expect(v1).toBe(createHmac('sha256', 'a long secret').update(`${t}.${got?.body}`).digest('hex'))
  })

  it('of Telegram gets its chat within the body, and one of ntfy its token', async () => {
    await using hook = await receiver(200)
    const base = `http://127.0.0.1:${hook.port}`
    await open(`${base}/botTOKEN/sendMessage?chat_id=-100`, { preset: 'telegram' }).send(letter)
    await open(`${base}/topic`, { preset: 'ntfy', secret: 'tk_1' }).send(letter)
    expect(hook.got[0]).toMatchObject({ url: '/botTOKEN/sendMessage' })
    expect(JSON.parse(hook.got[0]?.body ?? '')).toEqual({ chat_id: '-100', text: 'nó' })
    expect(hook.got[1]?.headers.authorization).toBe('Bearer tk_1')
    expect(hook.got[1]?.headers['x-rodizio-signature']).toBeUndefined()
  })

  it('that answers 429 is given the time it asks for', async () => {
    await using hook = await receiver(429, { 'retry-after': '90' })
    expect(await open(`http://127.0.0.1:${hook.port}/`).send(letter)).toEqual({
      kind: 'later',
      said: '429 Too Many Requests',
      retryAfterSeconds: 90,
    })
  })

  it('is not followed elsewhere, and what it says beside its status is not repeated', async () => {
    await using other = await receiver(200)
    await using hook = await receiver(302, { location: `http://127.0.0.1:${other.port}/` })
    const said = await open(`http://127.0.0.1:${hook.port}/token`).send(letter)
    expect(said).toMatchObject({ kind: 'refused', said: expect.stringContaining('302 Found') })
    expect(JSON.stringify(said)).not.toMatch(/secret|token/)
    expect(other.got).toEqual([])
  })

  it('that never answers is given up, and tried later', async () => {
    await using hook = await receiver(200, {}, false)
    const sender = open(`http://127.0.0.1:${hook.port}/token`, { timeoutMs: 200 })
    expect(await sender.send(letter)).toEqual({
      kind: 'later',
      said: '127.0.0.1: no answer within 200 ms',
    })
  })

  it('in a private network is refused, by its address and by what its name leads to', async () => {
    await using hook = await receiver(200)
    const url = `http://hooks.example:${hook.port}/token`
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
    expect(
      await open(`http://127.0.0.1:${hook.port}/`, { allowed: [] }).send(letter),
    ).toMatchObject({
      kind: 'refused',
      said: expect.stringContaining('private'),
    })
    expect(await open(url, { allowed: [], resolve }).send(letter)).toMatchObject({
      kind: 'refused',
      said: expect.stringMatching(/hooks\.example leads to 127\.0\.0\.1/),
    })
    expect(hook.got).toEqual([])
    expect(await open(url, { allowed: ['hooks.example'], resolve }).send(letter)).toMatchObject({
      kind: 'accepted',
    })
  })
})

it.each([
  [200, 'accepted'],
  [400, 'refused'],
  [401, 'refused'],
  [404, 'refused'],
  [408, 'later'],
  [425, 'later'],
  [500, 'later'],
  [503, 'later'],
])('an answer of %d is %s', (status, kind) => {
  const answer = { status, words: '', retryAfter: null }
  expect(attemptOfAnswer(answer, now)).toEqual({ kind, said: String(status) })
})

it.each([
  ['Tue, 10 Mar 2026 12:01:00 GMT', 60],
  ['7', 7],
  ['1000000', 86_400],
  ['Tue, 10 Mar 2026 11:00:00 GMT', 0],
  ['soon', undefined],
])('Retry-After of %j is %s seconds', (retryAfter, seconds) => {
  const attempt = attemptOfAnswer({ status: 503, words: '', retryAfter }, now)
  expect('retryAfterSeconds' in attempt ? attempt.retryAfterSeconds : undefined).toBe(seconds)
})
