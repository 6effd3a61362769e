import fc from 'fast-check'
import { expect, it } from 'vitest'
import { covers, type Silence } from '../../src/health/silence.ts'

const silence = (more: Partial<Silence> = {}): Silence => ({
  id: 'sil',
  node: 'house',
  kind: 'silence',
  startsAt: new Date('2026-03-10T12:00:00Z'),
  endsAt: new Date('2026-03-10T14:00:00Z'),
  isWeekly: false,
  zone: 'UTC',
  why: null,
  madeBy: 'Rui',
  createdAt: new Date('2026-03-10T11:00:00Z'),
  endedAt: null,
  ...more,
})

it.each([
  ['its beginning', {}, '2026-03-10T12:00:00Z', true],
  ['a moment before', {}, '2026-03-10T11:59:59.999Z', false],
  ['a moment before its end', {}, '2026-03-10T13:59:59.999Z', true],
  ['its end', {}, '2026-03-10T14:00:00Z', false],
  ['another node', { node: 'lab' }, '2026-03-10T13:00:00Z', false],
  ['all nodes', { node: null }, '2026-03-10T13:00:00Z', true],
  ['one that was taken back', { endedAt: new Date() }, '2026-03-10T13:00:00Z', false],
  ['a week later', {}, '2026-03-17T13:00:00Z', false],
  ['a week later, weekly', { isWeekly: true }, '2026-03-17T13:00:00Z', true],
  ['a week later, weekly, at its end', { isWeekly: true }, '2026-03-17T14:00:00Z', false],
  ['a day later, weekly', { isWeekly: true }, '2026-03-11T13:00:00Z', false],
  ['the week before', { isWeekly: true }, '2026-03-03T13:00:00Z', false],
] as const)('%s', (_what, more, at, isCovered) => {
  expect(covers(silence(more), 'house', new Date(at))).toBe(isCovered)
})

// Clocks go forward in Lisbon on 29 March 2026 at 01:00 UTC, and back on 25 October.
it.each([
  ['2026-03-24T22:30:00Z', true], // 22:30 there, as first set
  ['2026-03-31T21:30:00Z', true], // 22:30 there, an hour earlier by UTC
  ['2026-03-31T22:30:00Z', true], // 23:30
  ['2026-03-31T23:00:00Z', false], // midnight
  ['2026-03-31T20:59:59Z', false],
  ['2026-10-27T22:30:00Z', true], // winter again
  ['2026-10-27T21:30:00Z', false],
])('a weekly one keeps its local time where clocks are moved: %s', (at, isCovered) => {
  const weekly = silence({
    isWeekly: true,
    zone: 'Europe/Lisbon',
    startsAt: new Date('2026-03-24T22:00:00Z'),
    endsAt: new Date('2026-03-25T00:00:00Z'),
  })
  expect(covers(weekly, 'house', new Date(at))).toBe(isCovered)
})

it('one that is not weekly covers exactly its span, in any zone', () => {
  const minutes = fc.integer({ min: -500, max: 500 })
  fc.assert(
    fc.property(
      minutes,
      fc.constantFrom('UTC', 'America/Sao_Paulo', 'Asia/Kolkata'),
      (minute, zone) => {
        const at = new Date(Date.parse('2026-03-10T12:00:00Z') + minute * 60_000)
        expect(covers(silence({ zone }), 'house', at)).toBe(minute >= 0 && minute < 120)
      },
    ),
  )
})
