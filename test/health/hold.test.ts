import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Cause, CauseKind } from '../../src/health/cause.ts'
import { askedBy, backSeconds, isOfTunnel, wordOf } from '../../src/health/hold.ts'
import type { Node } from '../../src/health/node.ts'
import { newWatch, type Watch } from '../../src/health/watch.ts'
import { addSeconds } from '../../src/lib/clock.ts'

const zero = new Date('2026-03-10T12:00:00Z')
const at = (seconds: number) => addSeconds(zero, seconds)
const because = (kind: CauseKind): Cause => ({ kind, words: kind, retryAfterSeconds: null })

type More = Omit<Partial<Node>, 'watch'> & { readonly watch?: Partial<Watch> }
const node = (id: string, { watch, ...more }: More = {}): Node => {
  const kept: Watch = { ...newWatch(at(-9000), at(300)), state: 'up', isGood: true, ...watch }
  return {
    id,
    number: 1,
    name: id,
    kind: 'static',
    url: `https://${id}.example`,
    reach: 'url',
    tunnelAccount: null,
    dependsOn: [],
    anyAnswer: false,
    policyId: null,
    sessionId: null,
    expectedRun: null,
    intervalSeconds: 300,
    turnSeconds: 300,
    isPublic: false,
    state: kept.state,
    watch: kept,
    health: null,
    latencyMs: null,
    probedAt: at(5),
    certificateEndsAt: null,
    createdAt: at(-9000),
    ...more,
  }
}
/** Of a node that failed first at 0 and was known to be down at 20. */
const incident = (kind: CauseKind = 'timeout') => ({
  kind: 'down' as const,
  startedAt: at(0),
  openedAt: at(20),
  cause: because(kind),
})
const down = (cause: CauseKind = 'timeout', since = 0): Partial<Watch> => ({
  state: 'down',
  isGood: false,
  badSince: at(since),
  cause: because(cause),
  changes: [at(since + 20)],
})
const lab = node('lab', { watch: down(), probedAt: at(20), tunnelAccount: 'ngrok' })
const tell = { kind: 'tell', account: null }
const hold = (by: string | null = null, ...ask: string[]) => ({ kind: 'hold', by, ask })

describe('an outage of what depends on a router', () => {
  const router = (more: More) => node('router', more)
  it.each<[string, Node, number, unknown]>([
    ['is told at once while the router is well', router({}), 20, tell],
    ['is held while it is down', router({ watch: down() }), 20, hold('router')],
    ['is held while it is down, however long', router({ watch: down() }), 90_000, hold('router')],
    [
      'is held while it is unstable and down',
      router({ watch: { ...down(), state: 'unstable' } }),
      20,
      hold('router'),
    ],
    ['is held while it is in doubt', router({ watch: { doubts: 1 } }), 20, hold()],
    ['is not held by a doubt without end', router({ watch: { doubts: 1 } }), 80, tell],
    ['waits for its first word', router({ probedAt: at(-1) }), 20, hold(null, 'router')],
    ['waits so where it was never probed', router({ probedAt: null }), 29, hold(null, 'router')],
    ['waits no longer than is promised', router({ probedAt: at(-1) }), 30, tell],
    ['does not wait for one left alone', router({ state: 'limited', probedAt: null }), 20, tell],
    ['does not wait for one that is idle', router({ state: 'idle', probedAt: null }), 20, tell],
    [
      'is held for a while after its return, and asked for itself',
      router({ watch: { changes: [at(10), at(500)] } }),
      510,
      hold(null, 'lab'),
    ],
    [
      'is told at once where it is a new one since the return',
      router({ watch: { changes: [at(-90), at(-10)] } }),
      20,
      tell,
    ],
  ])('%s', (_what, parent, now, word) =>
    expect(wordOf(incident(), lab, { above: [parent], beside: [] }, at(now))).toEqual(word),
  )

  const back = router({ watch: { changes: [at(10), at(500)] }, probedAt: at(500) })
  const settled = 500 + backSeconds
  it.each<[string, Node, number, unknown]>([
    ['not asked again meanwhile', node('lab', { watch: down(), probedAt: at(501) }), 510, hold()],
    [
      'asked once more when the two minutes are over',
      node('lab', { watch: down(), probedAt: at(501) }),
      settled,
      hold(null, 'lab'),
    ],
    [
      'told when its own probe then was bad',
      node('lab', { watch: down(), probedAt: at(settled) }),
      settled + 5,
      tell,
    ],
    [
      'not told when that probe was good',
      node('lab', { watch: { ...down(), hopes: 1 }, probedAt: at(settled) }),
      settled + 5,
      hold(),
    ],
    [
      'not told while our own network is down',
      node('lab', { watch: down(), state: 'unknown', probedAt: at(settled) }),
      settled + 5,
      hold(),
    ],
  ])('after the return is %s', (_what, child, now, word) =>
    expect(wordOf(incident(), child, { above: [back], beside: [] }, at(now))).toEqual(word),
  )
})

describe('an outage behind a tunnel account', () => {
  const beside = (id: string, more: More = {}) => node(id, { tunnelAccount: 'ngrok', ...more })
  const fallen = (id: string, cause: CauseKind = 'tunnel-gone', since = 5) =>
    beside(id, { watch: down(cause, since) })
  it.each<[string, CauseKind, Node[], number, unknown]>([
    ['of its only node is told as any', 'tunnel-gone', [], 20, tell],
    ['whose other node is well is told at once', 'tunnel-gone', [beside('b')], 20, tell],
    [
      'of all its nodes is told as one',
      'tunnel-gone',
      [fallen('b'), fallen('c', 'dns')],
      20,
      { kind: 'tell', account: { name: 'ngrok', nodes: 3 } },
    ],
    ['of servers is told as any', 'server-dead', [fallen('b')], 20, tell],
    ['beside a dead server is told as any', 'tunnel-gone', [fallen('b', 'timeout')], 20, tell],
    ['long after the other is told as any', 'tunnel-gone', [fallen('b', 'dns', -301)], 20, tell],
    [
      'waits for the others in doubt',
      'tunnel-gone',
      [fallen('b'), beside('c', { watch: { doubts: 1, cause: because('dns') } })],
      20,
      hold(),
    ],
    [
      'waits for the first word of the others',
      'tunnel-gone',
      [fallen('b'), beside('c', { probedAt: at(-100) })],
      20,
      hold(null, 'c'),
    ],
    [
      'waits no longer than is promised',
      'tunnel-gone',
      [fallen('b'), beside('c', { probedAt: at(-100) })],
      30,
      tell,
    ],
    [
      'at its limit for one and gone for two is told as one',
      'tunnel-gone',
      [fallen('b'), beside('c', { state: 'limited' })],
      20,
      { kind: 'tell', account: { name: 'ngrok', nodes: 3 } },
    ],
    [
      'of two at a limit is told of by the limit alone',
      'tunnel-gone',
      [beside('b', { state: 'limited' })],
      20,
      tell,
    ],
  ])('%s', (_what, cause, others, now, word) =>
    expect(wordOf(incident(cause), lab, { above: [], beside: others }, at(now))).toEqual(word),
  )
})

describe('the first failure of a node', () => {
  const doubted = (kind: CauseKind) =>
    node('lab', { watch: { doubts: 1, badSince: at(0), cause: because(kind) }, probedAt: at(0) })
  const silent = (id: string) => node(id, { probedAt: at(-200) })
  it('asks what it depends on, but not who has spoken since, is down, in doubt or left alone', () => {
    const above = [
      silent('router'),
      node('power', { probedAt: at(1) }),
      node('switch', { probedAt: at(-1), watch: down() }),
      node('wire', { probedAt: at(-1), watch: { doubts: 2 } }),
      node('far', { probedAt: at(-1), state: 'limited' }),
    ]
    expect(askedBy(doubted('timeout'), { above, beside: [silent('b')] })).toEqual(['router'])
  })
  it('asks a few others of its tunnel account when its tunnel is at fault', () => {
    const beside = Array.from({ length: 30 }, (_, index) => silent(`n${index}`))
    expect(askedBy(doubted('dns'), { above: [], beside })).toHaveLength(5)
    expect(isOfTunnel(because('server-dead'))).toBe(false)
  })
})

it('is held for good by nothing but what is down: all else lets go within its time', () => {
  const watch = fc.record({
    state: fc.constantFrom<Watch['state']>('up', 'down', 'unstable', 'unknown'),
    isGood: fc.boolean(),
    doubts: fc.integer({ min: 0, max: 2 }),
    changes: fc.constantFrom<Date[]>([], [at(-50)], [at(40)], [at(0), at(100)]),
  })
  const probedAt = fc.constantFrom(null, at(-5), at(60))
  const parents = fc.array(
    fc.tuple(watch, probedAt).map(([one, probed]) => node('p', { watch: one, probedAt: probed })),
    { maxLength: 3 },
  )
  fc.assert(
    fc.property(parents, (above) => {
      // Its own probes are bad, and newer than all that happened above it.
      const child = node('lab', { watch: down(), probedAt: at(900) })
      const word = wordOf(incident(), child, { above, beside: [] }, at(1000))
      const isDown = above.some(
        ({ watch: one }) => one.state === 'down' || (one.state === 'unstable' && !one.isGood),
      )
      const isDoubted = above.some(({ watch: one }) => {
        const last = one.changes.at(-1)
        return one.doubts > 0 && last !== undefined && last >= at(0)
      })
      expect(word.kind).toBe(isDown || isDoubted ? 'hold' : 'tell')
      if (isDown) expect(word).toMatchObject({ by: expect.any(String) })
    }),
  )
})
