import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NodeSight } from '../../src/simulation/models/notebook-node.ts'
import { prober } from '../../src/simulation/prober.ts'
import { virtualTime } from '../../src/simulation/virtual-time.ts'

const startMs = Date.UTC(2026, 0, 6, 18)

/** A node under a prober that writes down what it does, with the second in which it did. */
function bench(id = 'ses_1') {
  const time = virtualTime(startMs)
  const at = () => (time.now() - startMs) / 1000
  const state = { sight: 'up' as NodeSight, isDown: false, isOpen: true, fails: false }
  const done: [what: string, second: number][] = []
  const note = (what: string) => async () => {
    if (state.fails) throw new Error('nothing can be written')
    done.push([what, at()])
    if (what === 'replaced') state.isOpen = false
  }
  const looks = prober({
    time,
    isDown: () => state.isDown,
    isOpen: () => state.isOpen,
    sightOf: () => state.sight,
    hear: async () => {},
    askRestart: note('restarted'),
    lose: note('replaced'),
  })
  return {
    state,
    done,
    time,
    at,
    to: (second: number) => time.advanceTo(startMs + second * 1000),
    turn(sight: NodeSight, noticedMs = Number.POSITIVE_INFINITY) {
      state.sight = sight
      looks.suspect(id, noticedMs)
    },
  }
}

const moments = fc.record({ id: fc.string(), second: fc.nat(2000) })

describe('a node whose tunnel is gone', () => {
  it('is replaced at once when that is known, within 330 s, whatever its turn', async () => {
    const delays: number[] = []
    await fc.assert(
      fc.asyncProperty(moments, async ({ id, second }) => {
        const world = bench(id)
        await world.to(second)
        world.turn('tunnel-gone')
        await world.to(second + 2000)
        const [[what, at] = ['nothing', 0], ...more] = world.done
        expect([what, more]).toEqual(['replaced', []])
        delays.push(at - second)
        expect(at - second).toBeGreaterThan(20)
        expect(at - second).toBeLessThanOrEqual(330)
      }),
    )
    // The turns are spread over the interval.
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(150)
  })

  it('is looked at as soon as a heartbeat tells of it', async () => {
    const world = bench()
    world.turn('tunnel-gone', startMs + 5000)
    await world.to(400)
    expect(world.done).toEqual([['replaced', 25]])
  })

  it('for one look alone is left', async () => {
    const world = bench()
    world.turn('tunnel-gone', startMs + 1000)
    await world.to(5)
    world.turn('up')
    await world.to(3000)
    expect(world.done).toEqual([])
    expect(world.time.nextAt()).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a node whose server hangs', () => {
  it('is restarted first, and replaced ten minutes later to the second when it stays away', async () => {
    await fc.assert(
      fc.asyncProperty(moments, async ({ id, second }) => {
        const world = bench(id)
        await world.to(second)
        world.turn('hung')
        await world.to(second + 2000)
        const [[first, restartedAt] = ['', 0], [then, replacedAt] = ['', 0], ...more] = world.done
        expect([first, then, more]).toEqual(['restarted', 'replaced', []])
        expect(restartedAt - second).toBeLessThanOrEqual(330)
        expect(replacedAt - restartedAt).toBeCloseTo(600, 6)
      }),
    )
  })

  it('is left alone when it is back in time, found by two good looks', async () => {
    await fc.assert(
      fc.asyncProperty(moments, fc.nat(260), async ({ id }, seconds) => {
        const world = bench(id)
        world.turn('hung', startMs)
        await world.to(30 + seconds)
        world.turn('up')
        await world.to(3000)
        expect(world.done).toEqual([['restarted', 20]])
      }),
    )
  })

  it('is waited for when it is good at the last look, though that is no recovery yet', async () => {
    const world = bench()
    world.turn('hung', startMs)
    await world.to(619)
    world.turn('up')
    await world.to(3000)
    expect(world.done).toEqual([['restarted', 20]])
  })

  it('is restarted anew when it hangs again later', async () => {
    const world = bench()
    world.turn('hung', startMs)
    await world.to(100)
    world.turn('up')
    await world.to(3000)
    world.turn('hung', startMs + 3_000_000)
    await world.to(3100)
    expect(world.done).toEqual([
      ['restarted', 20],
      ['restarted', 3020],
    ])
  })
})

it('does late what the service could not do, and once', async () => {
  const world = bench()
  world.state.isDown = true
  world.turn('tunnel-gone', startMs)
  await world.to(1000)
  expect(world.done).toEqual([])
  world.state.isDown = false
  world.state.fails = true
  await world.to(1100)
  expect(world.done).toEqual([])
  world.state.fails = false
  await world.to(1200)
  expect(world.done).toHaveLength(1)
})

it('forgets a node whose session has ended', async () => {
  const world = bench()
  world.turn('tunnel-gone', startMs)
  world.state.isOpen = false
  await world.to(1000)
  expect(world.done).toEqual([])
  expect(world.time.nextAt()).toBe(Number.POSITIVE_INFINITY)
})
