import { describe, expect, it } from 'vitest'
import { consequenceOf } from '../../src/health/cause.ts'
import { type DeepSeen, type DeepVerdict, deepVerdictOf } from '../../src/health/deep-verdict.ts'
import { type DeepWatch, deepened, newDeepWatch } from '../../src/health/deep-watch.ts'
import { looked, newWatch, type Watch } from '../../src/health/watch.ts'

const start = Date.UTC(2026, 2, 10, 12)
const at = (seconds: number) => new Date(start + seconds * 1000)
const hour = 3600
const good: DeepVerdict = { kind: 'good', tokenMs: 120, endMs: 130 }
const nothing: DeepVerdict = { kind: 'no-token', words: 'no token came in time' }
const wrong: DeepVerdict = { kind: 'asked-wrong', words: 'it does not take the request (HTTP 404)' }
const key: DeepVerdict = { kind: 'refused', words: 'the key is refused (HTTP 401)' }
const often: DeepVerdict = { kind: 'limited', words: 'too often', retryAfterSeconds: null }
const connect = { kind: 'connect', words: 'nobody is there', retryAfterSeconds: null } as const

/** A node that /health found up at the start. */
const up = looked(newWatch(at(-10), at(-10)), 'up', at(-10), at(300)).watch

/** Deep probes one after the other, each when the one before has asked for it; each turn is at a whole hour. */
function play(verdicts: readonly (DeepVerdict | 'own-network')[], watch: Watch = up) {
  let deep: DeepWatch = newDeepWatch(at(0))
  let node = watch
  const told: string[] = []
  const seconds: number[] = []
  for (const verdict of verdicts) {
    const second = (deep.nextAt.getTime() - start) / 1000
    const turn = at((Math.floor(second / hour) + 1) * hour)
    const step = deepened(deep, node, verdict, deep.nextAt, turn)
    seconds.push(second)
    told.push(...step.happened.map(({ kind }) => kind))
    deep = step.deep
    node = step.watch
  }
  return { deep, watch: node, told, seconds, next: (deep.nextAt.getTime() - start) / 1000 }
}

describe('deep probes', () => {
  it('that bring a token go by their own rhythm, and keep how long it took', () => {
    const { deep, watch, told, seconds, next } = play([good, good])
    expect([seconds, next]).toEqual([[0, hour], 2 * hour])
    expect(deep).toMatchObject({ state: 'good', tokenMs: 120, endMs: 130, words: null })
    expect([watch, told]).toEqual([up, []])
  })

  it('one without a token is confirmed a minute later, and brings nothing down by itself', () => {
    const { deep, watch, told, next } = play([good, nothing])
    expect(deep.state).toBe('doubted')
    expect([watch.state, told, next]).toEqual(['up', [], hour + 60])
    expect(play([good, nothing, good])).toMatchObject({
      deep: { state: 'good' },
      watch: up,
      told: [],
    })
  })

  it('two without a token bring down a node that says that it is well, from the first of them on', () => {
    const { deep, watch, told, next } = play([good, nothing, nothing])
    expect(told).toEqual(['went-down'])
    expect(watch).toMatchObject({ state: 'down', badSince: at(hour), cause: { kind: 'no-token' } })
    expect(watch.cause?.words).toBe(
      'it says that it is well, and generates nothing: no token came in time',
    )
    expect([deep.state, next]).toEqual(['no-token', hour + 60 + 300])
    expect(consequenceOf['no-token']).toBe('restart')
  })

  it('a token ends it; what /health says does not', () => {
    const down = play([nothing, nothing]).watch
    let watch = down
    for (const second of [300, 600, 900]) {
      const step = looked(watch, 'up', at(second), at(second + 300))
      expect(step.happened).toEqual([])
      watch = step.watch
    }
    expect(watch.state).toBe('down')
    const step = deepened(play([nothing, nothing]).deep, watch, good, at(960), at(hour))
    expect(step.happened).toEqual([{ kind: 'came-back', downSeconds: 960 }])
    expect(step.watch).toMatchObject({ state: 'up', cause: null, badSince: null })
  })

  it('a node that is down for another reason comes back by /health, and goes down again with the next', () => {
    const fallen = play([nothing, nothing])
    let { watch } = looked(fallen.watch, connect, at(300), at(600))
    const told: string[] = []
    for (const second of [600, 630]) {
      const step = looked(watch, 'up', at(second), at(900))
      told.push(...step.happened.map(({ kind }) => kind))
      watch = step.watch
    }
    expect([told, watch.state]).toEqual([['came-back'], 'up'])
    const again = deepened(fallen.deep, watch, nothing, at(660), at(hour))
    expect(again.happened).toMatchObject([{ kind: 'went-down', from: at(660) }])
  })

  it('flip a node no more often than its probes do: four changes in half an hour are unstable', () => {
    const { told, watch } = play([nothing, nothing, good, nothing, nothing, good])
    expect(told.slice(0, 2)).toEqual(['went-down', 'came-back'])
    let fast = up
    const happened: string[] = []
    for (const [second, one] of [
      [0, nothing],
      [60, good],
      [120, nothing],
      [180, good],
    ] as const) {
      const deep = { ...newDeepWatch(at(second)), state: 'no-token' } as const
      const step = deepened(deep, fast, one, at(second), at(hour))
      happened.push(...step.happened.map(({ kind }) => kind))
      fast = step.watch
    }
    expect(happened).toEqual(['went-down', 'came-back', 'went-down', 'became-unstable'])
    expect(watch.state).toBe('up')
  })

  it.each([
    ['a refused key', key, 'refused'],
    ['a request that was never taken', wrong, 'refused'],
    ['a limit', often, 'limited'],
  ] as const)(
    '%s brings nothing down, however often, and is asked again at its rhythm',
    (_what, verdict, state) => {
      const { deep, watch, told, seconds } = play([verdict, verdict, verdict])
      expect([deep.state, deep.words]).toEqual([state, verdict.words])
      expect([watch, told, seconds]).toEqual([up, [], [0, hour, 2 * hour]])
    },
  )

  it('a request that was taken before, and is not any more, is an outage', () => {
    expect(play([good, wrong, wrong])).toMatchObject({
      told: ['went-down'],
      watch: { state: 'down' },
    })
  })

  it('a limit between two that bring nothing breaks their row', () => {
    const { watch, deep } = play([nothing, often, nothing])
    expect([watch.state, deep.state]).toEqual(['up', 'doubted'])
  })

  it('a limit is waited out for as long as it says', () => {
    const longer: DeepVerdict = { kind: 'limited', words: 'w', retryAfterSeconds: 2 * hour }
    expect(play([longer]).next).toBe(2 * hour)
    expect(play([{ ...longer, retryAfterSeconds: 999_999 }]).next).toBe(24 * hour)
  })

  it('a key that is refused of a silent node leaves it to /health again', () => {
    const { watch } = play([nothing, nothing, key])
    const first = looked(watch, 'up', at(600), at(900))
    const second = looked(first.watch, 'up', at(630), at(900))
    expect(second.happened).toMatchObject([{ kind: 'came-back' }])
  })

  it('learn nothing while the own network is down', () => {
    const { deep, watch, told, next } = play(['own-network', 'own-network', 'own-network'])
    expect([deep.state, watch, told, next]).toEqual(['unknown', up, [], 180])
  })

  it('bring down nothing that /health doubts already, nor by a doubt of long ago', () => {
    const doubted = looked(up, connect, at(-5), at(300)).watch
    expect(play([nothing, nothing, nothing], doubted)).toMatchObject({ told: [], watch: doubted })
    const { deep } = play([nothing])
    const late = deepened(deep, up, nothing, at(2 * hour), at(3 * hour))
    expect([late.happened, late.deep.state]).toEqual([[], 'doubted'])
  })
})

const answered = (more: Partial<Extract<DeepSeen, { kind: 'answered' }>>): DeepSeen => ({
  kind: 'answered',
  status: 200,
  headers: {},
  tokenMs: null,
  end: 'whole',
  isError: false,
  ms: 50,
  ...more,
})
const ngrok = (code: string, status: number) =>
  answered({ status, headers: { 'ngrok-error-code': code } })

it.each<[string, DeepSeen, DeepVerdict['kind'], RegExp?]>([
  ['a token', answered({ tokenMs: 20 }), 'good'],
  ['no token', answered({}), 'no-token', /ends without/],
  ['an error in the stream', answered({ isError: true }), 'no-token', /an error/],
  ['an answer without end', answered({ end: 'capped' }), 'no-token', /is long/],
  ['an answer that drips', answered({ end: 'late' }), 'no-token', /in time/],
  ['an answer that breaks off', answered({ end: 'cut' }), 'no-token', /broke off/],
  ['HTTP 500', answered({ status: 500 }), 'no-token', /HTTP 500/],
  ['HTTP 408', answered({ status: 408 }), 'no-token', /HTTP 408/],
  ['HTTP 401', answered({ status: 401 }), 'refused', /the key is refused/],
  ['HTTP 403', answered({ status: 403 }), 'refused', /the key is refused/],
  ['HTTP 404', answered({ status: 404 }), 'asked-wrong', /HTTP 404/],
  ['a redirect', answered({ status: 307 }), 'asked-wrong', /not followed/],
  ['HTTP 429', answered({ status: 429 }), 'limited', /too often/],
  ['a spent tunnel account', ngrok('ERR_NGROK_727', 403), 'limited'],
  ['a tunnel that is gone', ngrok('ERR_NGROK_3200', 404), 'no-token'],
  ['no connection', { kind: 'failed', at: 'connect', why: 'x', ms: 1 }, 'no-token'],
  [
    'an address that is not asked',
    { kind: 'failed', at: 'refused', why: 'x', ms: 1 },
    'asked-wrong',
  ],
])('%s means what it means', (_what, seen, kind, words = /./) => {
  const verdict = deepVerdictOf(seen, true)
  expect(verdict.kind).toBe(kind)
  if (verdict.kind !== 'good') expect(verdict.words).toMatch(words)
})

it('401 without a key says that one is wanted; the end of an answer that was left is not known', () => {
  expect(deepVerdictOf(answered({ status: 401 }), false)).toMatchObject({
    words: 'it wants a key, and none was given (HTTP 401)',
  })
  expect(deepVerdictOf(answered({ tokenMs: 20, end: 'left', ms: 2020 }), false)).toEqual({
    kind: 'good',
    tokenMs: 20,
    endMs: null,
  })
})
