import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  balanceSeconds,
  grantedSeconds,
  plannableSeconds,
  type QuotaReading,
  reserve,
  roundedToMinute,
  settle,
  totals,
} from '../../src/rotation/ledger.ts'
import { weekOf } from '../../src/rotation/week.ts'
import { accountOf, HOUR } from '../store/fixture.ts'

const ana = accountOf('ana')
const midWeek = new Date('2026-03-10T12:00:00Z')
const nearReset = new Date('2026-03-13T23:00:00Z') // an hour before Saturday 00:00 UTC
const thisWeek = weekOf(ana.reset, nearReset)

const reading = (changes: Partial<QuotaReading> = {}): QuotaReading => ({
  account: 'ana',
  readAt: midWeek,
  usedSeconds: 0,
  reservedSeconds: 0,
  allowedSeconds: 30 * HOUR,
  refreshesAt: new Date('2026-03-14T00:00:00Z'),
  ...changes,
})

const inWeek = (weekStart: Date, gpuSeconds: number, kind: 'settle' | 'adjust' = 'settle') => ({
  id: `x:${kind}:${weekStart.toISOString()}`,
  sessionId: null,
  kind,
  weekStart,
  account: 'ana',
  gpuSeconds,
  note: null,
})

describe('the longest session that an account may start', () => {
  const week = weekOf(ana.reset, midWeek).start
  it.each([
    ['its own limit', [], null, 0, 9 * HOUR],
    ['what the week has left', [inWeek(week, 25 * HOUR)], null, 0, 5 * HOUR],
    ['nothing when the week is spent', [inWeek(week, 30 * HOUR)], null, 0, 0],
    ['nothing, never less, when it is overspent', [inWeek(week, 31 * HOUR)], null, 0, 0],
    [
      'what an adjustment gives back',
      [inWeek(week, 30 * HOUR), inWeek(week, HOUR, 'adjust')],
      null,
      0,
      HOUR,
    ],
    ['less what an adjustment takes', [inWeek(week, -29 * HOUR, 'adjust')], null, 0, HOUR],
    ["the provider's book is believed", [], reading({ usedSeconds: 28 * HOUR }), 0, 2 * HOUR],
    [
      "what is reserved in the provider's book is gone",
      [],
      reading({ usedSeconds: 20 * HOUR, reservedSeconds: 8 * HOUR }),
      0,
      2 * HOUR,
    ],
    [
      'what the provider does not show yet is taken off',
      [],
      reading({ usedSeconds: 20 * HOUR }),
      8 * HOUR,
      2 * HOUR,
    ],
    [
      'the provider allows more than we think: that is used, less what is booked here',
      [inWeek(week, 36 * HOUR)],
      reading({ allowedSeconds: 41 * HOUR }),
      0,
      5 * HOUR,
    ],
    [
      'the provider allows less than we think',
      [inWeek(week, 26 * HOUR)],
      reading({ allowedSeconds: 28 * HOUR }),
      0,
      2 * HOUR,
    ],
    [
      'a reading from before its own refresh is no reading',
      [],
      reading({ usedSeconds: 30 * HOUR, refreshesAt: new Date('2026-03-10T12:00:00Z') }),
      0,
      9 * HOUR,
    ],
    [
      'a reading without a refresh time is believed',
      [],
      reading({ usedSeconds: 29 * HOUR, refreshesAt: null }),
      0,
      HOUR,
    ],
    ['whole minutes only', [inWeek(week, 30 * HOUR - 119)], null, 0, 60],
    ['the provider overdrawn', [], reading({ usedSeconds: 40 * HOUR }), 0, 0],
  ] as const)('is %s', (_why, rows, quota, unseen, seconds) => {
    expect(grantedSeconds(ana, rows, quota, unseen, midWeek)).toBe(seconds)
  })

  it('runs over the reset into hours that the next week has', () => {
    expect(grantedSeconds(ana, [], null, 0, nearReset)).toBe(9 * HOUR)
    const next = [inWeek(thisWeek.end, 28 * HOUR)]
    expect(grantedSeconds(ana, next, null, 0, nearReset)).toBe(3 * HOUR)
  })

  it('ends before the reset when this week has less than the time until then', () => {
    const rows = [inWeek(thisWeek.start, 29.5 * HOUR)]
    expect(grantedSeconds(ana, rows, null, 0, nearReset)).toBe(HOUR / 2)
  })

  it('keeps the margin back', () => {
    expect(plannableSeconds(accountOf('ana', { marginPercent: 5 }))).toBe(28.5 * HOUR)
  })
})

describe('the rows of a session', () => {
  it('reserve the whole in the weeks that it touches', () => {
    const rows = reserve(ana, 'ses_1', nearReset, 3 * HOUR)
    expect(rows.map(({ id, kind, gpuSeconds }) => [id, kind, gpuSeconds])).toEqual([
      ['ses_1:reserve:2026-03-07T00:00:00.000Z', 'reserve', HOUR],
      ['ses_1:reserve:2026-03-14T00:00:00.000Z', 'reserve', 2 * HOUR],
    ])
  })

  it('settle each week for its part and give everything else back', () => {
    const booked = reserve(ana, 'ses_1', nearReset, 3 * HOUR)
    const rows = [...booked, ...settle(ana, 'ses_1', booked, nearReset, HOUR + 61)]
    expect(totals(rows, thisWeek.start)).toEqual({
      chargedSeconds: HOUR,
      settledSeconds: HOUR,
      reservedSeconds: 0,
      adjustedSeconds: 0,
    })
    expect(totals(rows, thisWeek.end).chargedSeconds).toBe(120)
  })

  it.each([
    [0, 0],
    [1, 60],
    [60, 60],
    [61, 120],
  ])('are by the started minute: %i s are %i s', (used, booked) => {
    expect(roundedToMinute(used)).toBe(booked)
  })

  it('never charge any week more than was reserved in it, however late the launch', () => {
    const lengths = fc.constantFrom(60, 3600, 3660, 7200)
    const delays = fc.constantFrom(0, 1, 30, 59, 60, 61, 119)
    const offsets = fc.constantFrom(-7200, -3600, -3599, -60, -59, -1, 0, 1)
    fc.assert(
      fc.property(
        lengths,
        delays,
        offsets,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (...drawn) => {
          const [seconds, delay, offset, share] = drawn
          const from = new Date(thisWeek.end.getTime() + offset * 1000)
          const launched = new Date(from.getTime() + delay * 1000)
          const used = Math.floor(seconds * share)
          const booked = reserve(ana, 's', from, seconds)
          const rows = [...booked, ...settle(ana, 's', booked, launched, used)]
          for (const { weekStart, gpuSeconds } of booked) {
            const { chargedSeconds, reservedSeconds } = totals(rows, weekStart)
            expect(chargedSeconds).toBeLessThanOrEqual(gpuSeconds)
            expect(reservedSeconds).toBe(0)
          }
          const sum = rows.reduce((total, row) => total + row.gpuSeconds, 0)
          expect(sum).toBe(roundedToMinute(used))
        },
      ),
      { numRuns: 1000 },
    )
  })
})

it('leaves a week what it grants, less what is charged, with what is adjusted', () => {
  const rows = [inWeek(thisWeek.start, HOUR), inWeek(thisWeek.start, -HOUR, 'adjust')]
  expect(balanceSeconds(ana, rows, thisWeek.start)).toBe(28 * HOUR)
  expect(balanceSeconds(ana, rows, thisWeek.end)).toBe(30 * HOUR)
})
