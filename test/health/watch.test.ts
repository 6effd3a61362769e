import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Cause } from '../../src/health/cause.ts'
import { nextTurn } from '../../src/health/turn.ts'
import { type Happened, looked, newWatch, usualRhythm, type Watch } from '../../src/health/watch.ts'

const cause: Cause = { kind: 'connect', words: 'nobody is there', retryAfterSeconds: null }
const limit = (retryAfterSeconds: number | null): Cause => ({
  kind: 'account-limit',
  words: 'used up',
  retryAfterSeconds,
})
const start = Date.UTC(2026, 2, 10, 12)
const at = (seconds: number) => new Date(start + seconds * 1000)
const secondOf = (date: Date) => (date.getTime() - start) / 1000
/** A look that finds nobody takes as long as its limit. */
const lookSeconds = 5

type Found = 'up' | Cause
interface Told {
  readonly second: number
  readonly what: Happened
}

/** Looks at a node for so many seconds as a prober would; `truth` tells what a look at that second finds. */
function play(truth: (second: number) => Found, seconds: number, firstSecond = 0) {
  let watch = newWatch(at(0), at(firstSecond))
  const told: Told[] = []
  const looks: number[] = []
  for (;;) {
    const second = secondOf(watch.nextProbeAt)
    if (second > seconds) return { watch, told, looks }
    const found = truth(second)
    looks.push(second)
    const turn = firstSecond + (Math.floor((second - firstSecond) / 300) + 1) * 300
    const step = looked(watch, found, at(second), at(turn))
    const known = second + (found === 'up' ? 0 : lookSeconds)
    told.push(...step.happened.map((what) => ({ second: known, what })))
    watch = step.watch
  }
}
const kinds = (told: readonly Told[]) => told.map(({ what }) => what.kind)
const downFrom =
  (from: number, to = Number.POSITIVE_INFINITY) =>
  (second: number): Found =>
    second >= from && second < to ? cause : 'up'

describe('a node', () => {
  it('that dies right after a look is known to be down within 330 s, from its first bad look on', () => {
    const { told } = play(downFrom(0.001), 1000)
    expect(kinds(told)).toEqual(['came-up', 'went-down'])
    expect(told[1]?.second).toBeLessThanOrEqual(330)
    expect(told[1]?.what).toMatchObject({ from: at(300), cause })
  })

  it('that was never up goes down as well', () => {
    const { told } = play(() => cause, 600)
    expect(kinds(told)).toEqual(['went-down'])
    expect(told[0]?.second).toBe(25)
  })

  it('that is back within ten seconds has a blip on record, and no outage', () => {
    const { told, watch, looks } = play(downFrom(299, 309), 1000)
    expect(kinds(told)).toEqual(['came-up', 'blip'])
    expect(told[1]?.what).toMatchObject({ from: at(300), cause })
    expect(watch).toMatchObject({ state: 'up', doubts: 0, cause: null })
    expect(looks).toEqual([0, 300, 310, 600, 900])
  })

  it('that comes back is up after two good looks, half a minute apart, and told with its duration', () => {
    const { told, looks } = play(downFrom(299, 700), 1000)
    expect(kinds(told)).toEqual(['came-up', 'went-down', 'came-back'])
    expect(told[2]).toEqual({ second: 930, what: { kind: 'came-back', downSeconds: 630 } })
    expect(looks).toEqual([0, 300, 310, 320, 600, 900, 930])
  })

  it('whose one good look is followed by a bad one stays down', () => {
    const { told, watch } = play((second) => (second === 600 ? 'up' : downFrom(299)(second)), 700)
    expect(kinds(told)).toEqual(['came-up', 'went-down'])
    expect(watch).toMatchObject({ state: 'down', hopes: 0 })
  })

  it('that flips is told as unstable once, and as what it is when it has been steady for half an hour', () => {
    const flips = (second: number): Found =>
      second < 3600 && Math.floor(second / 300) % 2 === 1 ? cause : 'up'
    const { told, watch } = play(flips, 7200, 10)
    expect(kinds(told)).toEqual([
      'came-up',
      'went-down',
      'came-back',
      'went-down',
      'became-unstable',
      'steadied',
    ])
    expect(told.at(-1)?.what).toEqual({ kind: 'steadied', isUp: true })
    expect(watch).toMatchObject({ state: 'up', changes: [] })
  })

  it('behind an account at its limit is told of once, and left alone until the limit is over', () => {
    const { told, looks } = play((second) => (second < 5000 ? limit(null) : 'up'), 8000)
    expect(kinds(told)).toEqual(['limited', 'came-up'])
    expect(looks.slice(0, 3)).toEqual([0, 3600, 7200])
    expect(play((second) => (second < 50 ? limit(90) : 'up'), 200).looks).toEqual([0, 90])
  })

  it('that is down and meets a limit is no longer told to be down', () => {
    const { watch } = play((second) => (second < 600 ? cause : limit(60)), 650)
    expect(watch).toMatchObject({ state: 'limited', cause: limit(60) })
  })
})

describe('whatever a node does', () => {
  /** Spans of the same truth, as seconds and what is found. */
  const lives = fc.array(
    fc.tuple(fc.constantFrom(5, 10, 40, 300, 600, 2000, 5000), fc.constantFrom<Found>('up', cause)),
    { minLength: 1, maxLength: 30 },
  )
  const truthOf = (life: readonly (readonly [number, Found])[]) => (second: number) => {
    let left = second
    for (const [seconds, found] of life) {
      if (left < seconds) return found
      left -= seconds
    }
    return 'up' as const
  }

  it('no outage is told twice, and no return of what was not down', () => {
    fc.assert(
      fc.property(lives, fc.constantFrom(0, 7, 299), (life, first) => {
        let state: 'up' | 'down' | 'unstable' | 'unknown' = 'unknown'
        for (const { what } of play(truthOf(life), 40_000, first).told) {
          if (what.kind === 'went-down') {
            expect(['up', 'unknown']).toContain(state)
            state = 'down'
          } else if (what.kind === 'came-back') {
            expect(state).toBe('down')
            state = 'up'
          } else if (what.kind === 'came-up') {
            expect(state).toBe('unknown')
            state = 'up'
          } else if (what.kind === 'became-unstable') {
            expect(state).not.toBe('unstable')
            state = 'unstable'
          } else if (what.kind === 'steadied') {
            expect(state).toBe('unstable')
            state = what.isUp ? 'up' : 'down'
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('it is looked at again within its interval, and never more often than every ten seconds', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const { looks } = play(truthOf(life), 20_000)
        for (const [index, second] of looks.slice(1).entries()) {
          const apart = second - (looks[index] ?? 0)
          expect(apart).toBeGreaterThanOrEqual(10)
          expect(apart).toBeLessThanOrEqual(usualRhythm.intervalSeconds)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('in the end it is told as it is: up after an hour of good looks, down after one of bad ones', () => {
    fc.assert(
      fc.property(lives, fc.constantFrom<Found>('up', cause), (life, last) => {
        const { watch }: { watch: Watch } = play(truthOf([...life, [90_000, last]]), 80_000)
        const seconds = life.reduce((sum, [span]) => sum + span, 0)
        fc.pre(seconds < 70_000)
        expect(watch.state).toBe(last === 'up' ? 'up' : 'down')
      }),
      { numRuns: 100 },
    )
  })
})

describe('turns', () => {
  const ids = Array.from({ length: 10_000 }, (_, n) => `node_${n}`)

  it('come once in every interval, also when they are asked for again and again', () => {
    for (const id of ids.slice(0, 200)) {
      let nowMs = start + 12_345
      const first = nextTurn(id, 300, nowMs)
      expect(first - nowMs).toBeGreaterThan(0)
      expect(first - nowMs).toBeLessThanOrEqual(300_000)
      nowMs = first
      expect(nextTurn(id, 300, nowMs)).toBe(first + 300_000)
      expect(nextTurn(id, 300, first - 1)).toBe(first)
    }
  })

  it('of 10,000 nodes are spread: no second has three times the mean', () => {
    const bySecond = new Map<number, number>()
    for (const id of ids) {
      const second = Math.floor((nextTurn(id, 300, start) - start) / 1000)
      bySecond.set(second, (bySecond.get(second) ?? 0) + 1)
    }
    expect(Math.max(...bySecond.values())).toBeLessThan((10_000 / 300) * 3)
    expect(bySecond.size).toBeGreaterThanOrEqual(300)
  })
})
