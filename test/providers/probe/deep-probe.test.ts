import { describe, expect, it } from 'vitest'
import { deepVerdictOf } from '../../../src/health/deep-verdict.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { addressGuard } from '../../../src/providers/probe/address-guard.ts'
import {
  type DeepOptions,
  type DeepTarget,
  deepProbe,
} from '../../../src/providers/probe/deep-probe.ts'
import { freshFronts } from '../../emulators/fronts-fixture.ts'
import { tokenServer, type Way } from './token-server.ts'

const key = 'sk-the-key-that-nobody-may-see'
const here = async () => [{ address: '127.0.0.1', family: 4 }]
const home = addressGuard(['127.0.0.1'])
/** Long beside what loopback takes, so that a busy machine is not mistaken for a slow target. */
const patientMs = 5000
const shortMs = 400

async function ask(
  url: string,
  options: Partial<DeepOptions> = {},
  target: Partial<DeepTarget> = {},
) {
  const began = performance.now()
  const usual = { guard: home, clock: systemClock, timeoutMs: patientMs }
  const probe = deepProbe({ ...usual, ...options })
  const seen = await probe({ base: `${url}/v1`, model: 'tiny', key, ...target })
  return { seen, verdict: deepVerdictOf(seen, key !== null), tookMs: performance.now() - began }
}

describe('one token', () => {
  it('is asked for as the interface is asked, with the key', async () => {
    await using server = await tokenServer()
    const { seen } = await ask(server.url)
    expect(seen).toMatchObject({ kind: 'answered', status: 200, end: 'whole' })
    expect(server.asked).toEqual([
      {
        method: 'POST',
        path: '/v1/chat/completions',
        authorization: `Bearer ${key}`,
        body: {
          model: 'tiny',
          messages: [{ role: 'user', content: 'Say one word.' }],
          max_tokens: 1,
          stream: true,
        },
      },
    ])
    await ask(server.url, {}, { model: null, key: null })
    expect(server.asked[1]).toMatchObject({ authorization: undefined })
    expect(server.asked[1]?.body).not.toHaveProperty('model')
  })

  it('that comes late is measured from the start to the token, cut as it may be', async () => {
    await using server = await tokenServer('late')
    const { seen } = await ask(server.url)
    const { tokenMs, ms } = seen as Extract<typeof seen, { kind: 'answered' }>
    // Timers of the other side may fire a moment early.
    expect(tokenMs).toBeGreaterThanOrEqual(server.lateMs - 5)
    expect(ms).toBeGreaterThanOrEqual(tokenMs ?? 0)
  })

  it.each<Way>(['well', 'thinks', 'half-letter', 'whole-json'])(
    'of a server that is %s is one',
    async (way) => {
      await using server = await tokenServer(way)
      expect((await ask(server.url)).verdict).toMatchObject({
        kind: 'good',
        endMs: expect.any(Number),
      })
    },
  )

  it('is enough of a server that never stops', async () => {
    await using server = await tokenServer('drips-tokens')
    const { verdict, tookMs } = await ask(server.url, { timeoutMs: 30_000 })
    expect(verdict).toMatchObject({ kind: 'good', endMs: null })
    expect(tookMs).toBeLessThan(4000)
  })
})

describe('a server', () => {
  it.each<[Way, string, RegExp]>([
    ['no-token', 'no-token', /ends without a token/],
    ['says-done', 'no-token', /ends without a token/],
    ['error-in-stream', 'no-token', /is an error/],
    ['page', 'no-token', /ends without a token/],
    ['cut', 'no-token', /broke off/],
    ['huge', 'no-token', /long, and holds no token/],
    [401, 'refused', /the key is refused \(HTTP 401\)/],
    [403, 'refused', /the key is refused \(HTTP 403\)/],
    [404, 'asked-wrong', /does not take the request/],
    [429, 'limited', /too often/],
    [500, 'no-token', /HTTP 500/],
    ['redirects', 'asked-wrong', /not followed/],
  ])('that does %s is %s, and its words hold nothing that was sent', async (way, kind, words) => {
    await using server = await tokenServer(way)
    const { seen, verdict, tookMs } = await ask(server.url)
    expect(verdict).toMatchObject({ kind, words: expect.stringMatching(words) })
    expect(tookMs).toBeLessThan(patientMs)
    expect(server.asked.length).toBe(1)
    expect(JSON.stringify([seen, verdict])).not.toContain(key)
    if (way === 429) expect(verdict).toMatchObject({ retryAfterSeconds: 77 })
  })

  it.each<Way>(['hangs', 'drips'])('that %s is given up when the time is over', async (way) => {
    await using server = await tokenServer(way)
    const { verdict, tookMs } = await ask(server.url, { timeoutMs: shortMs })
    expect(verdict.kind).toBe('no-token')
    expect(tookMs).toBeLessThan(shortMs + 1500)
  })

  it('that hangs is left at once by whoever stops', async () => {
    await using server = await tokenServer('hangs')
    const stop = new AbortController()
    const probe = deepProbe({ guard: home, clock: systemClock, timeoutMs: 60_000 })
    const asked = probe({ base: `${server.url}/v1`, model: null, key }, stop.signal)
    await expect.poll(() => server.asked.length).toBe(1)
    stop.abort()
    expect(await asked).toMatchObject({ kind: 'failed', at: 'cut' })
  })

  it('of a gigabyte is read as far as the cap, and no further', async () => {
    await using server = await tokenServer('huge')
    await ask(server.url)
    expect(server.sent).toBeGreaterThan(0)
    expect(server.sent).toBeLessThan(64 * 1024 ** 2)
  })

  it('that is gone, or whose certificate nobody vouches for, generates nothing', async () => {
    await using world = await freshFronts()
    world.behave({ kind: 'certificate' })
    const { secureUrl, targetUrl, admin } = world.flaky
    const tls = await ask(secureUrl, { ca: admin.trusted(), resolve: here })
    expect(tls.seen).toMatchObject({ kind: 'failed', at: 'tls' })
    await world.flaky.close()
    const gone = await ask(targetUrl)
    expect(gone.seen).toMatchObject({ kind: 'failed', at: 'connect' })
    expect(JSON.stringify([tls, gone])).not.toContain(key)
  })

  it('with a broken stream of HTTP breaks off', async () => {
    await using world = await freshFronts()
    world.behave({ kind: 'garbage' })
    expect((await ask(world.flaky.targetUrl)).seen).toMatchObject({ kind: 'failed', at: 'cut' })
  })
})

describe('the guard', () => {
  it('admits no private address, and no name that leads to one: nothing is sent', async () => {
    await using server = await tokenServer()
    const guard = addressGuard()
    const { port } = new URL(server.url)
    const private_ = await ask(server.url, { guard })
    expect(private_.verdict.kind).toBe('asked-wrong')
    const named = await ask(`http://node.example:${port}`, { guard, resolve: here })
    expect(named.seen).toMatchObject({ at: 'refused' })
    expect(JSON.stringify(named)).toContain('node.example leads to 127.0.0.1')
    expect(server.asked).toEqual([])
  })

  it('refuses a key that no header can hold, and does not show it', async () => {
    await using server = await tokenServer()
    const { seen } = await ask(server.url, {}, { key: 'sk-\nsecret' })
    expect(seen).toMatchObject({ kind: 'failed', at: 'refused' })
    expect(JSON.stringify(seen)).not.toContain('secret')
    expect(server.asked).toEqual([])
  })
})
