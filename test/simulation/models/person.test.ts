import { expect, it } from 'vitest'
import { builtInFaults, type Faults } from '../../../src/simulation/faults.ts'
import { person } from '../../../src/simulation/models/person.ts'

const minute = 60_000
const hour = 60 * minute
const noon = Date.UTC(2026, 10, 30, 12)
const links = 4000

const visits = (changes: Partial<Faults>, asked = noon, zone = 'UTC') => {
  const faults = { ...builtInFaults('none'), ...changes }
  const somebody = person(3, faults, 'cris', zone)
  return Array.from({ length: links }, () => somebody.asked(asked))
}

it('comes after half the time in half of all cases', () => {
  const opened = visits({
    personMinutes: 40,
    personSpread: 2.5,
    personToHour: 24,
    personFromHour: 0,
  })
  const soon = opened.filter(({ opensMs }) => opensMs !== null && opensMs - noon < 40 * minute)
  expect(soon.length / links).toBeCloseTo(0.5, 1)
  expect(opened.every(({ opensMs, againMs }) => opensMs !== null && againMs === null)).toBe(true)
})

it.each([
  ['personNeverShare', ({ opensMs }: { opensMs: number | null }) => opensMs === null],
  ['personAgainShare', ({ againMs }: { againMs: number | null }) => againMs !== null],
] as const)('does as often as %s says', (name, did) => {
  const times = visits({ [name]: 0.3, personAgainMinutes: 20 }).filter(did).length
  expect(times / links).toBeCloseTo(0.3, 1)
})

it('is late by hours when late', () => {
  const opened = visits({
    personLateShare: 1,
    personLateHours: 14,
    personFromHour: 0,
    personToHour: 24,
  })
  const waits = opened.map(({ opensMs }) => ((opensMs ?? 0) - noon) / hour)
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / links
  expect(mean).toBeGreaterThan(13)
  expect(mean).toBeLessThan(15.5)
})

it.each([
  ['by day', 'UTC', 8, 23, Date.UTC(2026, 10, 30, 3), '2026-11-30T08'],
  ['over midnight', 'UTC', 20, 4, Date.UTC(2026, 10, 30, 10), '2026-11-30T20'],
  ['far away', 'America/Sao_Paulo', 8, 23, Date.UTC(2026, 10, 30, 4), '2026-11-30T11'],
  [
    'in the night of winter time',
    'Europe/Lisbon',
    8,
    23,
    Date.UTC(2026, 9, 24, 23, 20),
    '2026-10-25T08',
  ],
  [
    'in the night of summer time',
    'Europe/Lisbon',
    8,
    23,
    Date.UTC(2026, 2, 29, 0, 20),
    '2026-03-29T07',
  ],
] as const)('comes after waking up: %s', (_why, zone, from, to, asked, hourText) => {
  const opened = visits({ personFromHour: from, personToHour: to, personMinutes: 5 }, asked, zone)
  const hours = new Set(
    opened.map(({ opensMs }) => new Date(opensMs ?? 0).toISOString().slice(0, 13)),
  )
  expect([...hours]).toEqual([hourText])
})
