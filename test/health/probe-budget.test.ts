import { expect, it } from 'vitest'
import {
  freeTunnelRequests,
  intervalWithin,
  probeShare,
  probesPerMonth,
} from '../../src/health/probe-budget.ts'
import { nextTurn } from '../../src/health/turn.ts'

it.each([
  [0, 300],
  [1, 300],
  [2, 600],
  [3, 900],
  [10, 3000],
])('%i nodes behind one free account are looked at every %i s', (nodes, seconds) => {
  expect(intervalWithin(nodes, freeTunnelRequests, 300)).toBe(seconds)
})

it('a node behind no account that counts keeps its interval', () => {
  expect(intervalWithin(50, null, 300)).toBe(300)
})

it.each([1, 2, 3])('a month of %i nodes stays within the share, counted look by look', (nodes) => {
  const interval = intervalWithin(nodes, freeTunnelRequests, 300)
  const from = Date.UTC(2026, 2, 1)
  const until = Date.UTC(2026, 3, 1)
  let looks = 0
  for (let node = 0; node < nodes; node += 1) {
    for (let at = nextTurn(`node-${node}`, interval, from); at < until; ) {
      looks += 1
      at = nextTurn(`node-${node}`, interval, at)
    }
  }
  expect(looks).toBeLessThanOrEqual(freeTunnelRequests * probeShare)
  expect(looks).toBe(probesPerMonth(nodes, interval))
})
