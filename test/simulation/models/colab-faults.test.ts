import { describe, expect, it } from 'vitest'
import { colabGaveNone } from '../../../src/rotation/colab-refusal.ts'
import type { LaunchResult } from '../../../src/rotation/session-provider.ts'
import type { Faults } from '../../../src/simulation/faults.ts'
import { colabModel } from '../../../src/simulation/models/colab.ts'
import { person } from '../../../src/simulation/models/person.ts'
import { virtualTime } from '../../../src/simulation/virtual-time.ts'
import { accountOf } from '../../store/fixture.ts'
import { quiet, scriptedRun } from './scripted-run.ts'

const HOUR = 3600
const monday = Date.UTC(2026, 10, 30, 8)
const reset = { weekday: 1, hour: 0, zone: 'UTC' }
const base = { provider: 'colab', maxConcurrent: 1, reset } as const

function bench(driver: 'link' | 'cli', faults: Partial<Faults> = {}) {
  const time = virtualTime(monday)
  const { run, killed } = scriptedRun(time)
  const all = quiet({ personFromHour: 0, personToHour: 24, ...faults })
  const provider = colabModel({
    time,
    seed: 1,
    faults: all,
    run,
    personOf: ({ owner }) => person(1, all, owner, 'UTC'),
  })
  const cris = accountOf('cris', {
    ...base,
    driver,
    automation: driver === 'cli' ? 'api' : 'person',
  })
  return {
    time,
    provider,
    cris,
    killed,
    advance: (seconds: number) => time.advanceTo(time.now() + seconds * 1000),
    observe: (name: string) => provider.observe(cris, name, null),
    launch: (name: string, behaviour = 'runs', timeoutSeconds = 12 * HOUR) =>
      provider.launch({
        account: cris,
        name,
        notebook: behaviour,
        timeoutSeconds,
        outputsOf: [],
        models: [],
      }),
    truth: () => provider.truth('cris'),
    waits: (answer: LaunchResult) =>
      answer.kind === 'refused' ? (answer.retryAt.getTime() - time.now()) / 60_000 : null,
  }
}

describe('the command line', () => {
  it('starts a session at once, tells of it, and ends it by force', async () => {
    const world = bench('cli')
    expect(world.provider.tells(world.cris)).toBe(true)
    expect(await world.observe('a')).toEqual({ kind: 'absent' })
    expect(await world.launch('a')).toEqual({ kind: 'started', handle: 'a' })
    expect(await world.observe('a')).toEqual({ kind: 'running', handle: 'a' })
    expect(await world.provider.kill(world.cris, 'a')).toBe(true)
    expect(await world.observe('a')).toMatchObject({ kind: 'ended', failed: true })
    expect(world.killed).toEqual(['a'])
  })

  it.each([
    ['ends 60', { kind: 'ended', failed: false, message: null }],
    ['fails 60', { kind: 'ended', failed: true, message: 'ValueError: no rows' }],
  ])('tells how a script went that %s', async (behaviour, end) => {
    const world = bench('cli')
    await world.launch('a', behaviour)
    await world.advance(61)
    expect(await world.observe('a')).toEqual(end)
  })

  it('gives the machine of an earlier session back before it asks for another', async () => {
    const world = bench('cli')
    await world.launch('a')
    await world.advance(HOUR)
    expect((await world.launch('b')).kind).toBe('started')
    expect(world.killed).toEqual(['a'])
    expect(world.truth().sessions.map(({ endedMs }) => endedMs === null)).toEqual([false, true])
  })

  it('refuses with the words and waits of the real one', async () => {
    const used = bench('cli', { colabLeastHours: 2, colabMostHours: 2 })
    await used.launch('a')
    await used.advance(3 * HOUR)
    const spent = await used.launch('b')
    expect(spent).toMatchObject({ kind: 'refused', reason: colabGaveNone })
    expect(used.waits(spent)).toBe(360)

    const none = bench('cli', { colabDenialShare: 1 })
    const answer = await none.launch('a')
    expect(answer).toMatchObject({ reason: expect.stringContaining('Service Unavailable') })
    expect(none.waits(answer)).toBe(30)
    expect(none.truth().sessions).toEqual([])
  })

  it('leaves a machine that nobody heard of, which the next launch gives back, or Colab in the end', async () => {
    const world = bench('cli', { launchUnheardShare: 1 })
    expect((await world.launch('a')).kind).toBe('unknown')
    expect(await world.observe('a')).toEqual({ kind: 'absent' })
    await world.advance(600)
    await world.launch('a')
    await world.advance(6 * HOUR)
    expect(world.truth().sessions.map(({ gpuMs }) => gpuMs / 60_000)).toEqual([10, 90])
    expect(world.truth().duplicates).toEqual([])
  })
})

describe('a link', () => {
  it('that Drive took without saying so is given to the person when it is found there', async () => {
    const world = bench('link', { launchUnheardShare: 1 })
    const answer = await world.launch('a')
    expect(answer.kind).toBe('refused')
    expect(world.waits(answer)).toBe(5)
    await world.advance(4 * HOUR)
    expect(world.truth().sessions).toEqual([])
    expect((await world.observe('a')).kind).toBe('queued')
    await world.advance(4 * HOUR)
    expect(world.truth().sessions.length).toBe(1)
  })

  it('that was lost on its way leaves nothing', async () => {
    const world = bench('link', { launchLostShare: 1 })
    expect((await world.launch('a')).kind).toBe('refused')
    expect(await world.observe('a')).toEqual({ kind: 'absent' })
  })

  it('pressed again is one machine with two processes, and no duplicate of ours', async () => {
    const world = bench('link', { personAgainShare: 1, personAgainMinutes: 30 })
    await world.launch('a')
    await world.advance(30 * HOUR)
    const { sessions, duplicates } = world.truth()
    expect(sessions.length).toBe(1)
    expect(world.killed).toEqual(['a', 'a'])
    expect(sessions[0]?.gpuMs).toBe(12 * HOUR * 1000)
    expect(duplicates).toEqual([])
  })

  it('leads to machines that are taken back as often as told', async () => {
    const world = bench('link', {
      colabPreemptionsPerGpuHour: 0.4,
      colabLeastHours: 168,
      colabMostHours: 168,
    })
    for (let index = 0; index < 300; index += 1) {
      await world.launch(`session-${index}`)
      await world.advance(14 * HOUR)
    }
    const hours = world.truth().sessions.reduce((sum, { gpuMs }) => sum + gpuMs / 3_600_000, 0)
    expect(world.truth().sessions.length).toBe(300)
    expect(300 / hours).toBeCloseTo(0.4, 1)
  })

  it('cannot be put on Drive, nor asked about, while that is down', async () => {
    const world = bench('link', { providerDownSpellsPerWeek: 60, providerDownMinutes: 10_000 })
    await world.advance(24 * HOUR)
    expect((await world.launch('a')).kind).toBe('refused')
    expect((await world.observe('a')).kind).toBe('unknown')
  })
})
