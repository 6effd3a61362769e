import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitByWeek, type WeekReset, weekOf } from '../../src/rotation/week.ts'

const hours = (from: Date, to: Date) => (to.getTime() - from.getTime()) / 3_600_000
const resetAt = (weekday: number, hour: number, zone: string): WeekReset => ({
  weekday,
  hour,
  zone,
})

// Few values, all of them near a change of clocks in some zone, so that boundaries and gaps are met often.
const zones = fc.constantFrom(
  'UTC',
  'America/Sao_Paulo', // changed at midnight until 2019
  'America/New_York',
  'Europe/Lisbon',
  'Asia/Kolkata', // half an hour off
  'Australia/Lord_Howe', // changes by half an hour
  'Pacific/Apia', // left out a whole day in December 2011
)
const resets = fc.record({
  weekday: fc.constantFrom(0, 1, 5, 6),
  hour: fc.constantFrom(0, 1, 2, 3, 23),
  zone: zones,
})
const days = fc.constantFrom(
  '2026-03-08',
  '2026-03-29',
  '2026-10-25',
  '2026-11-01',
  '2026-04-05',
  '2018-11-04',
  '2018-02-18',
  '2026-06-13',
  '2011-12-30',
)
const instants = fc
  .tuple(days, fc.integer({ min: -14 * 24, max: 14 * 24 }), fc.constantFrom(-1, 0, 1, 1800))
  .map(([day, hour, second]) => new Date(Date.parse(day) + hour * 3_600_000 + second * 1000))

describe('the week of an account', () => {
  it.each([
    ['an ordinary week', resetAt(6, 0, 'UTC'), '2026-03-11T10:00:00Z', '2026-03-07T00:00:00Z', 168],
    ['at the reset', resetAt(6, 0, 'UTC'), '2026-03-14T00:00:00Z', '2026-03-14T00:00:00Z', 168],
    [
      'a second before the reset',
      resetAt(6, 0, 'UTC'),
      '2026-03-13T23:59:59Z',
      '2026-03-07T00:00:00Z',
      168,
    ],
    [
      'clocks go forward in it',
      resetAt(1, 0, 'America/New_York'),
      '2026-03-08T12:00:00Z',
      '2026-03-02T05:00:00Z',
      167,
    ],
    [
      'clocks go back in it',
      resetAt(1, 0, 'America/New_York'),
      '2026-11-01T12:00:00Z',
      '2026-10-26T04:00:00Z',
      169,
    ],
    [
      'the reset falls into the gap: it begins with the hour after it',
      resetAt(0, 2, 'America/New_York'),
      '2026-03-08T12:00:00Z',
      '2026-03-08T07:00:00Z',
      167,
    ],
    [
      'midnight itself falls into the gap',
      resetAt(0, 0, 'America/Sao_Paulo'),
      '2018-11-05T12:00:00Z',
      '2018-11-04T03:00:00Z',
      167,
    ],
    [
      'a zone half an hour off',
      resetAt(1, 0, 'Asia/Kolkata'),
      '2026-03-11T10:00:00Z',
      '2026-03-08T18:30:00Z',
      168,
    ],
  ] as const)('%s', (_why, reset, at, from, length) => {
    const week = weekOf(reset, new Date(at))
    expect(week.start.toISOString()).toBe(new Date(from).toISOString())
    expect(hours(week.start, week.end)).toBe(length)
  })

  it('holds the instant it was asked for', () => {
    fc.assert(
      fc.property(resets, instants, (reset, at) => {
        const { start, end } = weekOf(reset, at)
        expect(start <= at && at < end, `${start.toISOString()} ${end.toISOString()}`).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('is the same for every instant in it, and the next one begins where it ends', () => {
    fc.assert(
      fc.property(resets, instants, (reset, at) => {
        const week = weekOf(reset, at)
        expect(weekOf(reset, week.start)).toEqual(week)
        expect(weekOf(reset, new Date(week.end.getTime() - 1000))).toEqual(week)
        expect(weekOf(reset, week.end).start).toEqual(week.end)
      }),
      { numRuns: 2000 },
    )
  })

  it('is between six and eight days long, whatever the clocks do', () => {
    fc.assert(
      fc.property(resets, instants, (reset, at) => {
        const { start, end } = weekOf(reset, at)
        expect(hours(start, end)).toBeGreaterThanOrEqual(144)
        expect(hours(start, end)).toBeLessThanOrEqual(169)
      }),
    )
  })
})

describe('seconds split by week', () => {
  const lengths = fc.constantFrom(0, 1, 59, 60, 3600, 12 * 3600, 167 * 3600, 169 * 3600, 400 * 3600)

  it('sum to the whole, in whole seconds, each in a week of its own', () => {
    fc.assert(
      fc.property(resets, instants, lengths, (reset, at, seconds) => {
        const parts = splitByWeek(reset, at, seconds)
        expect(parts.reduce((sum, part) => sum + part.seconds, 0)).toBe(seconds)
        for (const [index, part] of parts.entries()) {
          expect(Number.isInteger(part.seconds) && part.seconds > 0).toBe(true)
          if (index > 0) expect(part.week.start).toEqual(parts[index - 1]?.week.end)
        }
      }),
    )
  })

  it('fall before and after the reset as the clock does', () => {
    const parts = splitByWeek(resetAt(6, 0, 'UTC'), new Date('2026-03-13T23:50:00Z'), 3600)
    expect(parts.map(({ week, seconds }) => [week.start.toISOString(), seconds])).toEqual([
      ['2026-03-07T00:00:00.000Z', 600],
      ['2026-03-14T00:00:00.000Z', 3000],
    ])
  })

  it('stay in one week when they end at its reset', () => {
    const parts = splitByWeek(resetAt(6, 0, 'UTC'), new Date('2026-03-13T23:00:00Z'), 3600)
    expect(parts).toHaveLength(1)
  })
})
