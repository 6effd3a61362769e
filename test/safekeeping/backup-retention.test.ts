import fc from 'fast-check'
import { expect, it } from 'vitest'
import { removableBackups } from '../../src/safekeeping/backup-retention.ts'

const now = new Date('2026-11-22T12:00:00Z')
const hour = 3_600_000
const at = (hoursAgo: number) => ({
  name: `b${hoursAgo}`,
  madeAt: new Date(now.getTime() - hoursAgo * hour),
})
const rule = { days: 7, weeks: 4 }

it('keeps one of each of seven days, one of each of four weeks, and all of the last two days', () => {
  const all = Array.from({ length: 60 * 2 }, (_, i) => at(i * 12 + 1))
  const gone = new Set(removableBackups(all, rule, null, now).map(({ name }) => name))
  const kept = all.filter(({ name }) => !gone.has(name)).map(({ madeAt }) => madeAt.toISOString())
  expect(kept).toEqual([
    '2026-11-22T11:00:00.000Z',
    '2026-11-21T23:00:00.000Z',
    '2026-11-21T11:00:00.000Z',
    '2026-11-20T23:00:00.000Z',
    '2026-11-19T23:00:00.000Z',
    '2026-11-18T23:00:00.000Z',
    '2026-11-17T23:00:00.000Z',
    '2026-11-16T23:00:00.000Z',
    '2026-11-15T23:00:00.000Z', // Sundays
    '2026-11-08T23:00:00.000Z',
    '2026-11-01T23:00:00.000Z',
  ])
})

it('never lets the newest go, nor the newest that was proven, whatever the rule', () => {
  const hours = fc.uniqueArray(fc.nat(5000), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(hours, fc.nat(3), fc.nat(3), fc.nat(), (ages, days, weeks, pick) => {
      const all = ages.map(at)
      const proven = all[pick % all.length]
      const gone = removableBackups(all, { days, weeks }, proven?.name ?? null, now)
      const newest = all.toSorted((a, b) => b.madeAt.getTime() - a.madeAt.getTime())[0]
      expect(gone).not.toContainEqual(proven)
      expect(gone).not.toContainEqual(newest)
    }),
  )
})
