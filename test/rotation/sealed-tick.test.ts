import { expect, it } from 'vitest'
import { beat, fill, report, sealedWorld } from '../control/sealed-world.ts'

/** A sealed session that runs and was heard. */
async function running() {
  const world = await sealedWorld()
  await world.tick()
  await world.say(beat(1))
  const later = async (seconds: number) => {
    world.clock.advance(seconds)
    await world.tick()
  }
  await later(20)
  expect(await world.session()).toMatchObject({ state: 'running', toStep: 1 })
  return Object.assign(world, { first: await world.order(), later })
}

it('asks about a session that is heard no more often than its log is read, and leaves it', async () => {
  await using world = await running()
  const asked = world.kaggle.asked.length
  await world.say(beat(2))
  await world.later(60)
  await world.say(beat(3))
  await world.later(100)
  expect(world.kaggle.asked.length).toBe(asked)
  expect((await world.session()).toStep).toBe(3)
})

it.each([
  ['preempted', true, 'preempted'],
  ['gone without a word', false, 'lost'],
] as const)('a silent session that was %s leaves what it stored', async (_why, failed, outcome) => {
  await using world = await running()
  await fill(world.first, 0, 8)
  world.kaggle.end((await world.session()).name, failed)
  await world.later(170)
  expect(await world.session()).toMatchObject({ endedAt: null })
  await world.later(20)
  expect(await world.session(1)).toMatchObject({ outcome, lastCheckpointStep: 8 })
  expect((await world.order(2)).resume?.step).toBe(8)
})

it('a silent session that still runs goes on', async () => {
  await using world = await running()
  for (let look = 0; look < 4; look += 1) await world.later(200)
  expect(await world.session()).toMatchObject({ state: 'running' })
  expect(world.kaggle.launches).toHaveLength(1)
})

it('overdue, it is lost whatever its provider says, and what it stored is kept', async () => {
  await using world = await running()
  await fill(world.first, 0, 8)
  await world.later(1800 + 200)
  expect(await world.session(1)).toMatchObject({ outcome: 'lost', lastCheckpointStep: 8 })
  expect(world.kaggle.killed).toHaveLength(1)
  expect((await world.order(2)).resume?.step).toBe(8)
})

it('heard for the first time after a queue as long as its cap, it is not overdue', async () => {
  await using world = await sealedWorld()
  await world.tick()
  await world.say(beat(1, { secondsLeft: 1700 }))
  world.clock.advance(1800 + 300)
  await world.tick()
  expect(await world.session()).toMatchObject({ state: 'running', generation: 1 })
})

it('ended between two looks, it has its last word', async () => {
  await using world = await running()
  const { name } = await world.session()
  const { observe } = world.provider
  world.provider.observe = async (...asked) => {
    world.kaggle.end(name, false)
    await fill(world.first, 0, 8)
    await world.say({ ...report('limit', 8), filled: [0] })
    world.provider.observe = observe
    return observe(...asked)
  }
  await world.later(200)
  expect(await world.session(1)).toMatchObject({ outcome: 'limit', lastCheckpointStep: 8 })
})

it('that ended before a word is a failure, with its log', async () => {
  await using world = await sealedWorld()
  await world.tick()
  const { name } = await world.session()
  world.kaggle.logs.set(name, 'Traceback: no such module')
  world.kaggle.end(name)
  world.clock.advance(20)
  await world.tick()
  expect(await world.session(1)).toMatchObject({
    outcome: 'failed',
    logTail: 'Traceback: no such module',
  })
})

it('asked to stop, it runs to its own end, and the run stops then', async () => {
  await using world = await running()
  await world.db.run("update runs set stop_asked = 1, state = 'stopping'")
  await world.say(beat(2))
  await world.later(60)
  expect(await world.session()).toMatchObject({ state: 'stopping', endedAt: null })
  expect(world.kaggle.killed).toEqual([])
  await fill(world.first, 0, 8)
  await world.say({ ...report('limit', 8), filled: [0] })
  await world.later(60)
  expect(await world.session()).toMatchObject({ outcome: 'limit', lastCheckpointStep: 8 })
  expect((await world.run()).state).toBe('stopped')
  expect(world.kaggle.launches).toHaveLength(1)
})

it('is sealed from its planning on, whatever the configuration says later', async () => {
  await using world = await running()
  world.kaggle.sealed = false
  await world.say(beat(5))
  await world.later(60)
  expect(await world.session()).toMatchObject({ sealed: true, toStep: 5 })
  await world.say(report('limit', 5))
  await world.later(60)
  await world.later(60)
  expect(await world.session(2)).toMatchObject({ sealed: false, generation: 2 })
})
