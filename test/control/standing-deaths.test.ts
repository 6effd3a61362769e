import { describe, expect, it } from 'vitest'
import { openedRunId } from '../../src/control/standing-desk.ts'
import { startRun } from '../../src/control/start-run.ts'
import { atEachCall, dying } from './dying.ts'
import { DAY, standingWorld, weekly } from './standing-world.ts'

type World = Awaited<ReturnType<typeof standingWorld>>

/** Each run once, each told once, and the book agrees with what is there. */
async function expectRuns(world: World, count: number, when: string) {
  const names = Array.from({ length: count }, (_, index) => `weekly-${index + 1}`)
  expect(await world.names(), when).toEqual(names)
  expect(
    (await world.told('run.started')).map(({ run }) => run),
    when,
  ).toEqual(names)
  expect(
    (await world.told('standing.opened')).map(({ run }) => run),
    when,
  ).toEqual(names)
  const { standing, runs } = await world.desk.show('weekly')
  expect(standing, when).toMatchObject({ count, lastRunId: openedRunId('std_weekly', count) })
  expect(
    runs.map(({ run }) => run.name),
    when,
  ).toEqual(names)
}

describe.each(['before', 'after'] as const)('a process that dies %s a call', (when) => {
  it('at the beginning leaves one standing run with one run, once it is asked again', async () => {
    const calls = await atEachCall(async (at) => {
      await using world = await standingWorld()
      const process = dying(at, when)
      await world
        .started(process)
        .start(weekly)
        .catch(() => undefined)
      await process.buried()
      // Who asked had no answer, and sends the same request again; or the next look goes on.
      if (at % 2 === 0 && (await world.rows.find('weekly'))) await world.started().look()
      else await world.started().start(weekly)
      await world.started().look()
      await expectRuns(world, 1, `call ${at}`)
      return process.state.isDead
    })
    expect(calls).toBeGreaterThan(5)
  }, 60_000)

  it('at an opening, and once more at the next try, opens one run and not two', async () => {
    let deaths = 0
    const calls = await atEachCall(async (at) => {
      for (const again of [2, 5, at]) {
        await using world = await standingWorld()
        await world.desk.start(weekly)
        await world.ends('weekly-1', 'completed')
        world.clock.advance(7 * DAY)
        const first = dying(at, when)
        await world
          .started(first)
          .look()
          .catch(() => undefined)
        await first.buried()
        const second = dying(again, when)
        await world
          .started(second)
          .look()
          .catch(() => undefined)
        await second.buried()
        if (second.state.isDead) deaths += 1
        await world.started().look()
        await world.started().look()
        await expectRuns(world, 2, `calls ${at} and ${again}`)
        if (!first.state.isDead) return false
      }
      return true
    })
    expect(calls).toBeGreaterThan(5)
    expect(deaths).toBeGreaterThan(10)
  }, 60_000)
})

describe('a run that stands without a word of it in the book', () => {
  it('is taken for what it is, by its id, and not opened again', async () => {
    await using world = await standingWorld()
    const { desk, look, book, clock } = world
    await desk.start(weekly)
    await world.ends('weekly-1', 'completed')
    clock.advance(7 * DAY)
    // As a process would leave it that stores the run and dies before it can say so.
    const ports = { ...look, runNamed: look.run, insertRun: book.insertRun, now: () => clock.now() }
    const id = openedRunId('std_weekly', 2)
    await startRun(ports, { ...weekly.request, id, name: 'weekly-2' }, false)
    await desk.look()
    await desk.look()
    await expectRuns(world, 2, 'after both looks')
  })
})

describe('two that look at the same moment', () => {
  it('open one run', async () => {
    await using world = await standingWorld()
    await world.desk.start(weekly)
    await world.ends('weekly-1', 'completed')
    world.clock.advance(7 * DAY)
    await Promise.all([world.started().look(), world.started().look(), world.desk.look()])
    await expectRuns(world, 2, 'after all looks')
    expect(world.troubles).toEqual([])
  })
})
