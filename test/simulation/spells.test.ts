import { expect, it } from 'vitest'
import { stream } from '../../src/simulation/random.ts'
import { either, spells } from '../../src/simulation/spells.ts'

const hour = 3_600_000
const year = 365 * 24 * hour

it('are as many and as long as told, over a year', () => {
  const bad = spells(stream(1, 'down'), 0, 1 / (100 * hour), 2 * hour)
  let inside = 0
  for (let ms = 0; ms < year; ms += hour / 4) inside += bad.at(ms) === null ? 0 : 1
  const share = inside / (year / (hour / 4))
  expect(share).toBeGreaterThan(0.01)
  expect(share).toBeLessThan(0.035) // 2 of 102 hours
})

it('say the same of a moment whenever it is asked for', () => {
  const fresh = () => spells(stream(1, 'x'), 0, 1 / hour, hour / 2)
  const forwards = fresh()
  const late = fresh()
  late.at(year)
  for (let ms = 0; ms < 1000 * hour; ms += hour / 3) {
    const spell = forwards.at(ms)
    expect(late.at(ms)).toEqual(spell)
    if (spell) {
      expect(ms >= spell.fromMs && ms < spell.toMs).toBe(true)
      expect(late.at(spell.toMs)).not.toEqual(spell)
      expect(late.at(spell.fromMs)).toEqual(spell)
    }
  }
})

it.each([
  ['no rate', 0, hour],
  ['no length', 1 / hour, 0],
])('never come with %s', (_why, perMs, meanMs) => {
  expect(spells(stream(1, 'x'), 0, perMs, meanMs).at(year)).toBeNull()
})

it('count where either of two does', () => {
  const only = (fromMs: number) => ({
    at: (ms: number) => (ms >= fromMs && ms < fromMs + 1 ? { fromMs, toMs: fromMs + 1 } : null),
  })
  const both = either(only(1), only(5))
  expect([0, 1, 5, 6].map((ms) => both.at(ms) !== null)).toEqual([false, true, true, false])
})
