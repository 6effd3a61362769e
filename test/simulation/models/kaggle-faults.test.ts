import { expect, it } from 'vitest'
import type { LaunchResult } from '../../../src/rotation/session-provider.ts'
import type { Faults } from '../../../src/simulation/faults.ts'
import { kaggleModel } from '../../../src/simulation/models/kaggle.ts'
import { virtualTime } from '../../../src/simulation/virtual-time.ts'
import { accountOf } from '../../store/fixture.ts'
import { quiet, scriptedRun } from './scripted-run.ts'

const HOUR = 3600
const DAY = 24 * HOUR
const monday = Date.UTC(2026, 10, 30, 8)
const ana = accountOf('ana')

function bench(faults: Partial<Faults> = {}, seed = 1) {
  const time = virtualTime(monday)
  const { run, killed } = scriptedRun(time)
  const provider = kaggleModel({ time, seed, faults: quiet(faults), run })
  let names = 0
  return {
    time,
    provider,
    killed,
    advance: (seconds: number) => time.advanceTo(time.now() + seconds * 1000),
    observe: async (name: string) => (await provider.observe(ana, name, null)).kind,
    /** Launches under the next name and gives it. */
    async launch(behaviour = 'runs', timeoutSeconds = 12 * HOUR) {
      names += 1
      const name = `session-${names}`
      const order = { account: ana, name, notebook: behaviour, timeoutSeconds }
      return { name, result: await provider.launch({ ...order, outputsOf: [], models: [] }) }
    },
    truth: () => provider.truth('ana'),
  }
}

/** What became of so many launches, each of a session of a minute, four hours after the one before. */
async function results(faults: Partial<Faults>, times = 400) {
  const world = bench({ kaggleLeastHours: 168, kaggleMostHours: 168, ...faults })
  const kinds: LaunchResult['kind'][] = []
  for (let index = 0; index < times; index += 1) {
    kinds.push((await world.launch('ends 60')).result.kind)
    await world.advance(4 * HOUR)
  }
  const count = (kind: LaunchResult['kind']) => kinds.filter((one) => one === kind).length / times
  return { ...world, count, started: world.truth().sessions.length / times }
}

it.each([
  ['launchRefusedShare', 'refused', 0.7],
  ['launchLostShare', 'unknown', 0.7],
  ['launchUnheardShare', 'unknown', 1],
] as const)('has as many launches go wrong as %s says', async (name, kind, started) => {
  const world = await results({ [name]: 0.3 })
  expect(world.count(kind)).toBeCloseTo(0.3, 1)
  expect(world.count('started')).toBeCloseTo(0.7, 1)
  expect(world.started).toBeCloseTo(started, 1)
})

it('takes machines back as often as told, with the words of the service', async () => {
  const world = bench({
    kagglePreemptionsPerGpuHour: 0.5,
    kaggleLeastHours: 168,
    kaggleMostHours: 168,
  })
  for (let index = 0; index < 300; index += 1) {
    const { name } = await world.launch()
    await world.advance(13 * HOUR)
    expect(await world.observe(name)).toBe('ended')
  }
  const hours = world.truth().sessions.reduce((sum, { gpuMs }) => sum + gpuMs / 3_600_000, 0)
  expect(300 / hours).toBeCloseTo(0.5, 1)
  expect(world.killed.length).toBe(300)
})

it('shows a session that ended as running for a while, its slot taken', async () => {
  const world = bench({ statusLagMinutes: 10 })
  const { name } = await world.launch('ends 60')
  await world.launch()
  await world.advance(61)
  expect(await world.observe(name)).toBe('running')
  expect((await world.launch()).result).toMatchObject({
    reason: expect.stringContaining('count of 2'),
  })
  await world.advance(2 * HOUR)
  expect(await world.observe(name)).toBe('ended')
  expect((await world.launch()).result.kind).toBe('started')
})

it('shows a stuck session as running for ever, but its slot comes back', async () => {
  const world = bench({ statusStuckShare: 1 })
  const { name } = await world.launch('ends 60')
  await world.advance(30 * DAY)
  expect(await world.observe(name)).toBe('running')
  await world.launch()
  expect((await world.launch()).result.kind).toBe('started')
})

it('shows a new session within the time for which the service waits', async () => {
  const world = bench({ launchShowsSeconds: 15 })
  const { name } = await world.launch()
  expect(await world.observe(name)).toBe('absent')
  await world.advance(15)
  expect(await world.observe(name)).toBe('running')
})

it('answers nothing while it is down, and no book while that is away', async () => {
  const down = bench({ providerDownSpellsPerWeek: 60, providerDownMinutes: 10_000 })
  await down.advance(DAY)
  const { result } = await down.launch()
  expect(['unknown', 'refused']).toContain(result.kind)
  expect(await down.observe('session-1')).toBe('unknown')
  await expect(down.provider.quota(ana)).rejects.toMatchObject({ kind: 'unavailable' })
  expect(down.truth().sessions).toEqual([])

  const away = bench({ quotaAwaySpellsPerWeek: 60, quotaAwayMinutes: 10_000 })
  await away.advance(DAY)
  expect((await away.launch()).result.kind).toBe('started')
  await expect(away.provider.quota(ana)).rejects.toMatchObject({ kind: 'unavailable' })
})

it('grants hours that float from week to week, and reads them out', async () => {
  const world = bench({ kaggleLeastHours: 28, kaggleMostHours: 41 })
  const hours: number[] = []
  for (let week = 0; week < 200; week += 1) {
    hours.push(((await world.provider.quota(ana))?.allowedSeconds ?? 0) / HOUR)
    await world.advance(7 * DAY)
  }
  expect(Math.min(...hours)).toBeLessThan(29.5)
  expect(Math.max(...hours)).toBeGreaterThan(38)
  expect(hours.every((granted) => granted >= 28 && granted <= 41 && granted % 0.5 === 0)).toBe(true)
})

it('reads out reserved hours that are wrong now and then, and none that are used', async () => {
  const world = bench({ erraticReservedShare: 0.5 })
  await world.launch()
  const readings = await Promise.all(Array.from({ length: 200 }, () => world.provider.quota(ana)))
  const reserved = readings.map((reading) => reading?.reservedSeconds)
  expect(reserved.filter((seconds) => seconds === 12 * HOUR).length).toBeGreaterThan(70)
  expect(reserved).toContain(0)
  expect(new Set(reserved).size).toBeGreaterThan(20)
  expect(new Set(readings.map((reading) => reading?.usedSeconds))).toEqual(new Set([0]))
})

it('tells the truth: hours by week, overruns, and names that were started twice', async () => {
  const world = bench({ kaggleLeastHours: 28, kaggleMostHours: 28 })
  await world.advance(4 * DAY + 10 * HOUR) // Friday, 18:00
  const order = {
    account: ana,
    notebook: 'runs',
    timeoutSeconds: 12 * HOUR,
    outputsOf: [],
    models: [],
  }
  await world.provider.launch({ ...order, name: 'twice' })
  await world.advance(HOUR)
  await world.provider.launch({ ...order, name: 'twice' })
  await world.advance(20 * HOUR)
  await world.provider.launch({ ...order, name: 'twice' })
  await world.advance(HOUR)
  const { sessions, usedByWeek, overruns, duplicates } = world.truth()
  expect(sessions.map(({ gpuMs, endedMs }) => [gpuMs / 3_600_000, endedMs === null])).toEqual([
    [12, false],
    [12, false],
    [1, true],
  ])
  const saturday = Date.UTC(2026, 11, 5)
  const hours = [...usedByWeek].map(([week, ms]) => [
    (week - saturday) / 86_400_000,
    ms / 3_600_000,
  ])
  expect(hours).toEqual([
    [-7, 11],
    [0, 14],
  ])
  expect(duplicates.map(({ name, atOnce }) => [name, atOnce])).toEqual([
    ['twice', true],
    ['twice', false],
  ])
  expect(overruns).toEqual([])
})

it('lets what runs go on beyond the hours of the week, and tells of the overrun', async () => {
  const world = bench({ kaggleLeastHours: 3, kaggleMostHours: 3 })
  await world.launch('runs', 5 * HOUR)
  await world.advance(6 * HOUR)
  expect(world.truth().overruns).toEqual([
    { weekStartMs: Date.UTC(2026, 10, 28), usedMs: 5 * HOUR * 1000, allowedMs: 3 * HOUR * 1000 },
  ])
})

it('gives each user luck of their own, the same each time', async () => {
  const fates = async (seed: number) => {
    const world = bench({ kagglePreemptionsPerGpuHour: 1 }, seed)
    await world.launch()
    await world.advance(13 * HOUR)
    return world.truth().sessions
  }
  expect(await fates(1)).toEqual(await fates(1))
  expect(await fates(1)).not.toEqual(await fates(2))
})
