import { describe, expect, it } from 'vitest'
import type { Alert } from '../../src/alerts/alert.ts'
import type { Digest } from '../../src/alerts/digest.ts'
import { alertWatch, type Room, type WeekOfAccount } from '../../src/control/alert-watch.ts'
import { weekOf } from '../../src/rotation/week.ts'
import { settableClock } from '../settable-clock.ts'
import { accountOf, HOUR, start } from '../store/fixture.ts'

const quiet: Digest = { nodes: [], gpuHours: 0, steps: 0, sessions: 0, undelivered: 0 }

function watched(options: { zone?: string; digest?: Digest; since?: string } = {}) {
  const clock = settableClock(start)
  const account = accountOf('ana', { reset: { weekday: 6, hour: 0, zone: 'Europe/Lisbon' } })
  const told: Alert[] = []
  const asked: [string, string][] = []
  const world = {
    usedSeconds: 0,
    rooms: [] as Room[],
    digest: options.digest ?? quiet,
    isThere: true,
  }
  const watch = alertWatch({
    weeks: async (): Promise<WeekOfAccount[]> => [
      {
        account,
        week: weekOf(account.reset, clock.now()),
        plannableSeconds: 30 * HOUR,
        usedSeconds: world.usedSeconds,
      },
    ],
    rooms: async () => world.rooms,
    digestSince: async (since, until) => {
      asked.push([since.toISOString(), until.toISOString()])
      return world.digest
    },
    wasThere: async () => world.isThere,
    isKnown: async (id) => told.some((alert) => alert.id === id),
    tell: async (alert) => void told.push(alert),
    digest: { minute: 8 * 60, zone: options.zone ?? 'Europe/Lisbon' },
    now: () => clock.now(),
  })
  return { clock, world, told, asked, look: watch.look, kinds: () => told.map(({ kind }) => kind) }
}

describe('an account’s week', () => {
  it('is told at four fifths, when it is spent, and when the next one begins: once each', async () => {
    const { world, look, told, kinds, clock } = watched()
    for (const hours of [10, 23.9, 24, 25, 29.9, 30]) {
      world.usedSeconds = hours * HOUR
      await look()
      await look()
    }
    expect(kinds()).toEqual(['budget-low', 'budget-spent'])
    expect(told[0]).toMatchObject({
      about: 'ana',
      facts: { percent: 80, leftHours: 6, weeklyHours: 30 },
    })
    world.usedSeconds = 0
    clock.set('2026-03-13T23:59:00Z')
    await look()
    expect(kinds()).toHaveLength(2)
    clock.set('2026-03-14T00:10:00Z')
    await look()
    await look()
    expect(kinds()).toEqual(['budget-low', 'budget-spent', 'budget-reset'])
  })

  it('across a change of clocks is one week still', async () => {
    const { world, look, kinds, clock } = watched()
    clock.set('2026-03-27T12:00:00Z')
    world.usedSeconds = 30 * HOUR
    await look()
    world.usedSeconds = 0
    clock.set('2026-03-28T01:00:00Z')
    await look()
    clock.set('2026-04-03T23:30:00Z') // by the summer's clock a new week has begun
    world.usedSeconds = 30 * HOUR
    await look()
    clock.set('2026-04-04T00:00:00Z')
    await look()
    expect(kinds()).toEqual(['budget-spent', 'budget-reset', 'budget-spent'])
  })
})

it('a store is told of once a day while less than a tenth is free', async () => {
  const { world, look, kinds, clock } = watched()
  world.rooms = [{ store: 'the disk', freeBytes: 11, totalBytes: 100 }]
  await look()
  expect(kinds()).toEqual([])
  world.rooms = [{ store: 'the disk', freeBytes: 9, totalBytes: 100 }]
  await look()
  await look()
  clock.advance(24 * HOUR)
  await look()
  expect(kinds()).toEqual(['store-nearly-full', 'store-nearly-full'])
})

describe('the digest of a day', () => {
  const busy: Digest = { ...quiet, steps: 5 }

  it('comes at eight by the operator’s clock, for the day before, over a change of clocks', async () => {
    const { look, told, asked, clock } = watched({ digest: busy })
    for (const at of ['2026-03-28T07:59:00Z', '2026-03-28T08:00:00Z', '2026-03-28T08:05:00Z']) {
      clock.set(at)
      await look()
    }
    expect(told.map(({ id }) => id)).toEqual(['digest_2026-03-28'])
    clock.set('2026-03-29T07:01:00Z') // summer time: an hour earlier
    await look()
    expect(told.map(({ id }) => id)).toEqual(['digest_2026-03-28', 'digest_2026-03-29'])
    expect(asked).toEqual([
      ['2026-03-27T08:00:00.000Z', '2026-03-28T08:00:00.000Z'],
      ['2026-03-28T08:00:00.000Z', '2026-03-29T07:00:00.000Z'],
    ])
  })

  it('does not come where there is nothing to tell, nor hours later, nor of a day that nobody was there', async () => {
    const { look, kinds, clock, world } = watched()
    clock.set('2026-03-11T08:01:00Z')
    await look()
    world.digest = busy
    clock.set('2026-03-12T15:00:00Z')
    await look()
    world.isThere = false
    clock.set('2026-03-13T08:01:00Z')
    await look()
    expect(kinds()).toEqual([])
  })
})
