import fc from 'fast-check'
import { expect, it } from 'vitest'
import { uptimeOf } from '../../src/health/history.ts'
import { added, counted, percentile } from '../../src/health/latencies.ts'

const sample = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 300 })

it('a percentile is off by less than 5 %, whatever the latencies', () => {
  fc.assert(
    fc.property(sample, fc.constantFrom(0.5, 0.95, 1), (latencies, share) => {
      const sorted = latencies.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
      const read = percentile(counted(latencies), share) ?? Number.NaN
      expect(Math.abs(read - exact)).toBeLessThanOrEqual(0.05 * (exact + 1) + 0.5)
    }),
  )
})

it('counts of parts add up to those of the whole', () => {
  fc.assert(
    fc.property(sample, sample, (one, other) => {
      expect(added([counted(one), counted(other)])).toEqual(counted([...one, ...other]))
    }),
  )
})

it('without probes nothing is known, and what was unknown counts neither way', () => {
  const none = { up: 0, bad: 0, unknown: 5, latencies: {}, causes: {} }
  expect(uptimeOf([none])).toEqual({ percent: null, probes: 0, p50Ms: null, p95Ms: null })
  expect(uptimeOf([none, { ...none, up: 3, bad: 1 }]).percent).toBe(75)
})
