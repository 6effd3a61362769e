import { describe, expect, it } from 'vitest'
import { describeSimulated, simulatedJson } from '../../src/cli/describe-simulated.ts'
import { simulatedWorld } from '../../src/cli/simulated-world.ts'
import { builtInFaults, hasNodeFaults } from '../../src/simulation/faults.ts'
import { mostAtOnce } from '../../src/simulation/score.ts'
import { simulate } from '../../src/simulation/simulate.ts'

const flags = { weeks: '1', seed: '1', faults: 'usual' }

describe('outages of nodes', () => {
  it('happen only where they are asked for', () => {
    expect(hasNodeFaults(simulatedWorld({ ...flags, serve: true }).faults)).toBe(false)
    const world = simulatedWorld({ ...flags, serve: true, nodeFaults: true })
    expect(world.faults).toEqual(builtInFaults('usual'))
    expect(hasNodeFaults(world.faults)).toBe(true)
  })

  it('need a node', () => {
    expect(() => simulatedWorld({ ...flags, nodeFaults: true })).toThrow(
      '--node-faults goes with --serve',
    )
  })

  it('are told beside what would be served without them', async () => {
    const world = simulatedWorld({ ...flags, serve: true, nodeFaults: true })
    const { weeks, faults, scenario } = world
    const result = await simulate({ weeks, seed: 1, faults, scenario })
    const text = (without: number | null) =>
      describeSimulated(
        simulatedJson(world, 1, { ...result, servingAvailability: 0.5 }, without, 7),
      )
    expect(text(0.75)).toContain(
      'Served: 50.0 % of the windows; 75.0 % where no node goes down by itself.',
    )
    expect(text(null)).toContain('Served: 50.0 % of the windows.\n')
  })
})

it.each([
  ['none', [], 0],
  [
    'one after the other',
    [
      [0, 5],
      [5, 9],
    ],
    1,
  ],
  [
    'one within the other',
    [
      [0, 9],
      [3, 4],
    ],
    2,
  ],
  [
    'three, of which two meet',
    [
      [0, 4],
      [3, 6],
      [5, 9],
    ],
    2,
  ],
  [
    'three at once',
    [
      [0, 4],
      [3, 6],
      [2, 9],
    ],
    3,
  ],
] as const)('of spans %s: %j lie upon another at the most %d', (_what, spans, most) => {
  expect(mostAtOnce(spans.map(([fromMs, toMs]) => ({ fromMs, toMs })))).toBe(most)
})
