import { expect, it } from 'vitest'
import { learnedSpeed, learnedStart } from '../../../src/rotation/planner/speed.ts'
import { preferenceOf } from '../../../src/rotation/planner/weather.ts'

const hourMs = 3_600_000
const failed = (hours: number) => ({ atMs: hours * hourMs, failed: true })
const good = (hours: number) => ({ atMs: hours * hourMs, failed: false })

it.each([
  ['no launches', [], 1],
  ['one failure', [failed(9)], 1],
  ['two failures in a row', [failed(8), failed(9)], 0.5],
  ['two failures, told in another order', [failed(9), failed(8)], 0.5],
  ['a success between them', [failed(7), good(8), failed(9)], 1],
  ['a success after them', [failed(7), failed(8), good(9)], 1],
  ['the last of them just within six hours', [failed(1), failed(4.001)], 0.5],
  ['the last of them six hours ago', [failed(3), failed(4)], 1],
  ['failures that are still to come', [failed(11), failed(12)], 1],
])('%s', (_why, launches, preference) => {
  expect(preferenceOf(launches, 10 * hourMs)).toBe(preference)
})

const trained = (stepsPerHour: number) => ({ steps: stepsPerHour, seconds: 3600 })

it.each([
  ['the prior without samples', [], 50],
  ['the one sample', [trained(60)], 60],
  ['the middle of two', [trained(60), trained(70)], 65],
  ['the median of the last five', [1, 2, 90, 61, 63, 62, 10].map(trained), 62],
  [
    'nothing of under ten minutes, or without a step',
    [
      { steps: 90, seconds: 599 },
      { steps: 0, seconds: 9000 },
    ],
    50,
  ],
  ['ten minutes', [{ steps: 10, seconds: 600 }], 60],
])('learns a speed from %s', (_why, samples, speed) =>
  expect(learnedSpeed(50, samples)).toBe(speed),
)

it('learns a start as the median of the last five, from the prior on', () => {
  expect(learnedStart(480, [])).toBe(480)
  expect(learnedStart(480, [10_000, 300, 400, 900, 350, 320])).toBe(350)
  expect(learnedStart(480, [Number.NaN, -1])).toBe(480)
})
