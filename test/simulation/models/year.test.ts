import { expect, it } from 'vitest'
import { builtInFaults } from '../../../src/simulation/faults.ts'
import { simulatedYear } from './year.ts'

const sum = (parts: Readonly<Record<string, number>>): number =>
  Object.values(parts).reduce((total, part) => total + part, 0)

it.each(['none', 'usual', 'all'] as const)(
  'gives every millisecond of a year of machines to some use, with faults: %s',
  async (set) => {
    // A second press is a second process on the same machine; an unheard machine runs nothing.
    const faults = { ...builtInFaults(set), personAgainShare: 0, launchUnheardShare: 0 }
    const year = await simulatedYear({ seed: 7, faults, everyHours: 40, pollSeconds: 3600 })
    expect(year.sessions.length).toBeGreaterThan(500)
    expect(sum({ ...year.spent })).toBe(year.gpuMs)
    expect(year.duplicates).toEqual([])
  },
)

it('meets with every fault of the whole set', async () => {
  const year = await simulatedYear({
    seed: 7,
    faults: builtInFaults('all'),
    everyHours: 40,
    pollSeconds: 3600,
  })
  const { redoneMs, frozenMs, savingMs, trainingMs } = year.spent
  for (const ms of [redoneMs, frozenMs, savingMs, trainingMs]) expect(ms).toBeGreaterThan(0)
  expect(year.denials).toBeGreaterThan(5)
  expect(year.sessions.length).toBeLessThan(year.launches)
})

it('is the same for the same seed, and another for another', async () => {
  const year = (seed: number) =>
    simulatedYear({ seed, faults: builtInFaults('all'), everyHours: 100, pollSeconds: 3600 })
  const [first, again, other] = [await year(1), await year(1), await year(2)]
  expect(again).toEqual(first)
  expect(other.gpuMs).not.toBe(first.gpuMs)
})

it('costs about a hundred events for each session, heartbeats left out', async () => {
  const faults = builtInFaults('usual')
  const year = await simulatedYear({ seed: 7, faults, everyHours: 50, pollSeconds: null })
  expect(year.launches).toBeGreaterThan(690)
  expect(year.events / year.sessions.length).toBeLessThan(150)
})
