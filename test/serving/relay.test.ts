import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { openRelay, type PollWords, type Relay } from '../../src/serving/relay.ts'
import { relayLimits } from '../../src/serving/relay-limits.ts'
import type { RelayRequest } from '../../src/serving/relay-request.ts'

const keySha256 = 'a'.repeat(64)
const caller = { policyId: 'pol_1', keySha256 }
const asked = { method: 'GET', path: '/v1/models', headers: {}, body: null } as const
const never = new AbortController().signal
const words = (changes: Partial<PollWords> = {}): PollWords => ({
  ready: true,
  keySha256,
  most: 8,
  waitMs: 1000,
  ...changes,
})
const session = (number = 1) => ({
  sessionId: `ses_${number}`,
  policyId: 'pol_1',
  generation: number,
})
const head = (status = 200, headers: object = { 'content-type': 'text/plain' }) =>
  `${JSON.stringify({ status, headers })}\n`
async function* sent(...pieces: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}
const text = async (body: AsyncIterable<Uint8Array>) => {
  let all = ''
  for await (const piece of body) all += Buffer.from(piece).toString()
  return all
}
const one = async (taken: Promise<RelayRequest[]>): Promise<RelayRequest> => {
  const [request] = await taken
  if (!request) throw new Error('nothing was handed out')
  return request
}
const open = (times = {}) => openRelay({ clock: systemClock, times })
const ask = (relay: Relay, signal = never) => relay.ask(caller, asked, signal)
/** What has been settled by now; undefined where it still waits. */
const soon = <T>(promise: Promise<T>, ms = 40) =>
  Promise.race([promise, systemClock.sleep(ms).then(() => undefined)])

describe('a request', () => {
  it('goes to who polls already, and its answer comes back', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const request = await one(poll)
    expect(request).toMatchObject(asked)
    const done = relay.answer('ses_1', request.id, sent(head(201), 'so', ' it is'))
    const { status, headers, body } = await answer
    expect([status, headers, await text(body)]).toEqual([
      201,
      { 'content-type': 'text/plain' },
      'so it is',
    ])
    await done
  })

  it('is handed to no session that has ended, however fresh its last poll', async () => {
    const relay = open()
    await relay.take(session(), words({ waitMs: 0 }), never)
    await relay.take(session(2), words({ waitMs: 0 }), never)
    relay.onlyThese('pol_2', new Set())
    expect(() => relay.admit('pol_1', keySha256)).not.toThrow()
    relay.onlyThese('pol_1', new Set(['ses_2']))
    const answer = ask(relay)
    expect(await one(relay.take(session(2), words(), never))).toMatchObject(asked)
    relay.onlyThese('pol_1', new Set())
    await expect(ask(relay)).rejects.toMatchObject({ code: 'no_node' })
    void answer.catch(() => undefined)
  })

  it('waits between two polls, and for nobody where none was', async () => {
    const relay = open({ aliveMs: 30 })
    await expect(ask(relay)).rejects.toMatchObject({ code: 'no_node', retryAfterSeconds: 10 })
    await relay.take(session(), words({ waitMs: 0 }), never)
    const answer = ask(relay)
    const request = await one(relay.take(session(), words(), never))
    await Promise.all([
      relay.answer('ses_1', request.id, sent(head(), 'x')),
      text((await answer).body),
    ])
    await systemClock.sleep(60)
    await expect(ask(relay)).rejects.toMatchObject({ code: 'no_node' })
  })

  it('that was handed to a poll which was lost is handed out again, and answered once', async () => {
    const relay = open({ claimMs: 30 })
    const answer = ask.bind(undefined, relay)
    const lost = relay.take(session(), words(), never)
    const waiting = answer()
    const first = await one(lost)
    const again = await one(relay.take(session(), words(), never))
    expect(again.id).toBe(first.id)
    const done = relay.answer('ses_1', again.id, sent(head(), 'x'))
    await expect(relay.answer('ses_1', first.id, sent(head(), 'y'))).rejects.toMatchObject({
      code: 'answer_begun',
    })
    expect(await text((await waiting).body)).toBe('x')
    await done
  })

  it('that waits again is still its first session’s to take up', async () => {
    const relay = open({ claimMs: 20 })
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    await systemClock.sleep(50)
    const done = relay.answer('ses_1', id, sent(head(), 'late, not lost'))
    expect(await text((await answer).body)).toBe('late, not lost')
    await done
    expect(await soon(relay.take(session(), words(), never))).toBeUndefined()
  })

  it('that a poll took whose connection was gone goes to the next one', async () => {
    const relay = open()
    const gone = new AbortController()
    const dead = relay.take(session(), words(), gone.signal)
    gone.abort()
    expect(await dead).toEqual([])
    const answer = ask(relay)
    const { id } = await one(relay.take(session(), words(), never))
    const done = relay.answer('ses_1', id, sent(head(), 'x'))
    expect(await text((await answer).body)).toBe('x')
    await done
  })

  it('that nobody begins to answer in time is late, and its node is told that nobody waits', async () => {
    const relay = open({ beginMs: 40 })
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    const never_ending = (async function* () {
      await systemClock.sleep(2000)
      yield Buffer.from('')
    })()
    const taken = relay.answer('ses_1', id, never_ending)
    taken.catch(() => undefined)
    await expect(answer).rejects.toMatchObject({ code: 'node_late' })
    await expect(taken).rejects.toMatchObject({ code: 'caller_gone' })
    await expect(relay.answer('ses_1', id, sent(head()))).rejects.toMatchObject({
      code: 'answer_unknown',
    })
  })

  it.each([
    ['nothing', [], 'it ended before it began'],
    ['no JSON', ['200 OK\n'], 'its first line is no JSON'],
    ['another shape', ['{"status":"fine"}\n'], 'its first line is not status and headers'],
    ['a status that is none', [head(42)], 'its first line is not status and headers'],
    ['a line without end', ['x'.repeat(relayLimits.headBytes + 1)], 'its first line is too long'],
  ])('that is answered with %s is lost', async (_what, pieces, why) => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    const refused = relay.answer('ses_1', id, sent(...pieces)).catch(({ code }) => code)
    await expect(answer).rejects.toMatchObject({
      code: 'node_lost',
      message: `the node's answer is lost: ${why}`,
    })
    expect(await refused).toBe('node_lost')
  })

  it('whose node breaks off in the middle ends with an error, after what had come', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    const broken = (async function* () {
      yield Buffer.from(head())
      yield Buffer.from('half of')
      throw new Error('aborted')
    })()
    const done = relay.answer('ses_1', id, broken).catch(({ code }) => code)
    const pieces: string[] = []
    const { body } = await answer
    await expect(
      (async () => {
        for await (const piece of body) pieces.push(Buffer.from(piece).toString())
      })(),
    ).rejects.toMatchObject({ code: 'node_lost' })
    expect(pieces).toEqual(['half of'])
    expect(await done).toBe('node_lost')
  })

  it('is read no faster than its caller takes it', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    let read = 0
    const long = (async function* () {
      yield Buffer.from(head())
      for (; read < 100; read += 1) yield Buffer.from('piece')
    })()
    const done = relay.answer('ses_1', id, long)
    const { body } = await answer
    await systemClock.sleep(20)
    expect(read).toBe(0)
    expect(await text(body)).toHaveLength(500)
    await done
  })

  it('whose answer is longer than may be ends with an error', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    const megabyte = Buffer.alloc(1024 * 1024)
    const endless = (async function* () {
      yield Buffer.from(head())
      for (;;) yield megabyte
    })()
    const done = relay.answer('ses_1', id, endless).catch(({ code }) => code)
    let size = 0
    const read = async () => {
      for await (const piece of (await answer).body) size += piece.length
    }
    await expect(read()).rejects.toMatchObject({ code: 'node_lost' })
    expect(size).toBe(relayLimits.answerBytes)
    expect(await done).toBe('node_lost')
  })
})

describe('a caller who leaves', () => {
  it('while the request waits takes it along', async () => {
    const relay = open()
    await relay.take(session(), words({ waitMs: 0 }), never)
    const left = new AbortController()
    const answer = ask(relay, left.signal)
    left.abort()
    await expect(answer).rejects.toMatchObject({ code: 'caller_gone' })
    expect(await soon(relay.take(session(), words(), never))).toBeUndefined()
  })

  it('before or in the middle of the answer ends its upload', async () => {
    for (const pieces of [[], [head(), 'begun']]) {
      const relay = open()
      const poll = relay.take(session(), words(), never)
      const left = new AbortController()
      const answer = ask(relay, left.signal)
      answer.catch(() => undefined)
      const { id } = await one(poll)
      const upload = (async function* () {
        yield* sent(...pieces)
        await systemClock.sleep(2000)
      })()
      const done = relay.answer('ses_1', id, upload).catch(({ code }) => code)
      const reading = pieces.length === 0 ? undefined : (await answer).body[Symbol.asyncIterator]()
      if (reading) expect((await reading.next()).done).toBe(false)
      const rest = reading?.next().catch(({ code }) => code)
      left.abort()
      expect(await done).toBe('caller_gone')
      if (rest) expect(await rest).toBe('caller_gone')
    }
  })

  it('by reading no further ends its upload as well', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const answer = ask(relay)
    const { id } = await one(poll)
    const done = relay.answer('ses_1', id, sent(head(), 'a', 'b')).catch(({ code }) => code)
    for await (const _piece of (await answer).body) break
    expect(await done).toBe('caller_gone')
  })
})

describe('of several sessions of a policy', () => {
  it('the newest that is ready gets what comes, and the older again when it is not', async () => {
    const relay = open()
    const older = relay.take(session(1), words(), never)
    const newer = relay.take(session(2), words({ ready: false }), never)
    void ask(relay).catch(() => undefined)
    expect(await one(older)).toBeDefined()
    expect(await soon(newer)).toBeUndefined()
    const olderAgain = relay.take(session(1), words(), never)
    await relay.take(session(2), words({ waitMs: 0 }), never)
    void ask(relay).catch(() => undefined)
    expect(await one(newer)).toBeDefined()
    await relay.take(session(2), words({ waitMs: 0, ready: false }), never)
    void ask(relay).catch(() => undefined)
    expect(await one(olderAgain)).toBeDefined()
  })

  it('each answers only what it was handed', async () => {
    const relay = open()
    const poll = relay.take(session(1), words(), never)
    void ask(relay).catch(() => undefined)
    const { id } = await one(poll)
    await expect(relay.answer('ses_2', id, sent(head()))).rejects.toMatchObject({
      kind: 'conflict',
      code: 'answer_of_another',
    })
    await expect(relay.answer('ses_1', 'req_none', sent(head()))).rejects.toMatchObject({
      kind: 'not-found',
      code: 'answer_unknown',
    })
  })

  it('that was shut out gives back what it was handed, and another gets it', async () => {
    const relay = open()
    const poll = relay.take(session(2), words(), never)
    const other = relay.take(session(1), words(), never)
    void ask(relay).catch(() => undefined)
    const request = await one(poll)
    relay.giveBack('ses_2', [request])
    expect((await one(other)).id).toBe(request.id)
    await expect(relay.answer('ses_2', request.id, sent(head()))).rejects.toMatchObject({
      code: 'answer_of_another',
    })
  })

  it('each is asked with the key that it knows alone', async () => {
    const relay = open()
    const other = 'b'.repeat(64)
    const older = relay.take(session(1), words(), never)
    const newer = relay.take(session(2), words({ keySha256: other }), never)
    expect([keySha256, other, 'c'.repeat(64)].map((key) => relay.knowsKey('pol_1', key))).toEqual([
      true,
      true,
      false,
    ])
    expect(relay.knowsKey('pol_2', keySha256)).toBe(false)
    void ask(relay).catch(() => undefined)
    expect(await one(older)).toBeDefined()
    void ask(relay).catch(() => undefined) // while the older one is between two polls
    expect(await soon(newer)).toBeUndefined()
    expect(await one(relay.take(session(1), words(), never))).toBeDefined()
  })
})

describe('limits', () => {
  it('a node has so many requests in hand, and the next when one of them is over', async () => {
    const relay = open()
    const left = new AbortController()
    const taken: RelayRequest[] = []
    await relay.take(session(), words({ waitMs: 0 }), never)
    const first = ask(relay, left.signal)
    first.catch(() => undefined)
    for (let n = 0; n < relayLimits.inFlight; n += 1) ask(relay).catch(() => undefined)
    while (taken.length < relayLimits.inFlight) {
      const more = await relay.take(session(), words({ most: 100 }), never)
      expect(more.length).toBeLessThanOrEqual(relayLimits.most)
      taken.push(...more)
    }
    expect(taken).toHaveLength(relayLimits.inFlight)
    const next = relay.take(session(), words(), never)
    expect(await soon(next)).toBeUndefined()
    left.abort()
    expect(await next).toHaveLength(1)
  })

  it('a poll takes as many large ones as fit together, and one at the least', async () => {
    const relay = open()
    await relay.take(session(), words({ waitMs: 0 }), never)
    const body = new Uint8Array(relayLimits.requestBytes)
    for (let n = 0; n < 5; n += 1)
      relay.ask(caller, { ...asked, body }, never).catch(() => undefined)
    const taken = [3, 2, 1].map(() => relay.take(session(), words(), never))
    expect((await Promise.all(taken)).map(({ length }) => length)).toEqual([2, 2, 1])
  })

  it('so many wait, of so many bytes together, and no more', async () => {
    const relay = open()
    await relay.take(session(), words({ waitMs: 0 }), never)
    const body = new Uint8Array(relayLimits.requestBytes)
    const heavy = () => relay.ask(caller, { ...asked, body }, never)
    for (let n = 0; n < 16; n += 1) heavy().catch(() => undefined)
    await expect(heavy()).rejects.toMatchObject({ code: 'queue_full' })
    for (let n = 16; n < relayLimits.queue; n += 1) ask(relay).catch(() => undefined)
    await expect(ask(relay)).rejects.toMatchObject({ code: 'queue_full', retryAfterSeconds: 5 })
  })
})

describe('a look', () => {
  const health = { 'content-type': 'application/json', 'x-more': 'no', server: 'uvicorn' }

  it('goes the whole way, also to a session that is not ready, and past those in hand', async () => {
    const relay = open()
    const poll = relay.take(session(), words({ ready: false }), never)
    const look = relay.look('ses_1', 1000)
    const request = await one(poll)
    expect(request).toMatchObject({ method: 'GET', path: '/health', body: null })
    await relay.answer('ses_1', request.id, sent(head(503, health), '{"status":', '"failing"}'))
    expect(await look).toEqual({
      kind: 'answered',
      status: 503,
      headers: { 'content-type': 'application/json' },
      body: '{"status":"failing"}',
      isCut: false,
      ms: expect.any(Number),
      certificateEndsAt: null,
    })
  })

  it('sees no more of a body than its cap', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const look = relay.look('ses_1', 1000)
    const { id } = await one(poll)
    const piece = 'x'.repeat(60_000)
    await relay.answer('ses_1', id, sent(head(), piece, piece, piece)).catch(() => undefined)
    const seen = await look
    expect(seen.kind === 'answered' && [seen.isCut, seen.body.length]).toEqual([true, 65_536])
  })

  it('without a poll in its time is a timeout, and is handed to none that comes later', async () => {
    const relay = open()
    expect(await relay.look('ses_1', 30)).toMatchObject({
      kind: 'failed',
      at: 'timeout',
      why: 'no poll of its session came within 30 ms',
    })
    expect(await soon(relay.take(session(), words(), never))).toBeUndefined()
  })

  it('without an answer in its time is another timeout, and one that breaks off is cut', async () => {
    const relay = open()
    const poll = relay.take(session(), words(), never)
    const late = relay.look('ses_1', 40)
    await one(poll)
    expect(await late).toMatchObject({ at: 'timeout', why: 'no whole answer within 40 ms' })
    const next = relay.take(session(), words(), never)
    const cut = relay.look('ses_1', 1000)
    const { id } = await one(next)
    await relay.answer('ses_1', id, sent()).catch(() => undefined)
    expect(await cut).toMatchObject({ kind: 'failed', at: 'cut' })
  })
})

it('tells when a session has last polled', async () => {
  const relay = open()
  expect(relay.lastPollAt('ses_1')).toBeUndefined()
  const before = systemClock.now()
  await relay.take(session(), words({ waitMs: 0 }), never)
  expect(relay.lastPollAt('ses_1')?.getTime()).toBeGreaterThanOrEqual(before.getTime())
})
