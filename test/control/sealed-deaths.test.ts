import { describe, expect, it } from 'vitest'
import { tick } from '../../src/rotation/tick.ts'
import { endSession } from '../store/by-hand.ts'
import { endOf } from '../store/fixture.ts'
import { atEachCall, Died, type Dying, dying } from './dying.ts'
import { beat, fill, put, report, type SealedWorld, sealedWorld } from './sealed-world.ts'

/** Has the work done by a process that dies at its n-th call, and then whole by one that lives; false when it never died. */
async function killedAt(
  process: Dying,
  world: SealedWorld,
  work: (objects: ReturnType<SealedWorld['started']>) => Promise<unknown>,
): Promise<boolean> {
  try {
    await work(world.started(process))
  } catch (error) {
    if (!process.state.isDead) throw error
  }
  await process.buried()
  world.restart()
  await work(world.now())
  return process.state.isDead
}

/** Each committed checkpoint is whole; nothing else of the run is on Drive once its sessions are swept. */
async function expectNothingLost(world: SealedWorld, steps: number[]): Promise<void> {
  const { checkpoints, desk } = world.now()
  await desk.sweep()
  await checkpoints.sweep()
  const committed = await checkpoints.committed('run_one')
  expect(committed.map(({ step }) => step).toSorted((a, b) => a - b)).toEqual(steps)
  for (const checkpoint of committed) {
    expect(await checkpoints.wholeFiles(checkpoint)).toHaveLength(3)
  }
  const expected = committed.flatMap(({ step, generation }) =>
    ['manifest.json', 'state.json', 'weights.bin'].map(
      (name) => `checkpoints/${step}-g${generation}/${name}`,
    ),
  )
  const stored = world.stored()
  const files = stored.filter(
    ({ bytes, path }) => bytes !== null && path.startsWith('checkpoints/'),
  )
  expect(files.map(({ path }) => path).toSorted()).toEqual(expected.toSorted())
  expect(stored.filter(({ path }) => path.startsWith('sealed-'))).toEqual([])
  expect(await world.db.all('select 1 from sealed_files')).toEqual([])
}

const times = async (world: SealedWorld, kind: string) =>
  (await world.db.all('select session_id from events where kind = $1', kind)).length

/** To have died right before a call and right after the one before it is the same, but where calls stand side by side. */
describe('a process that dies at any call', () => {
  it('while a session is followed to its end, commits each whole slot once', async () => {
    const calls = await atEachCall(async (at) => {
      await using world = await sealedWorld()
      await world.tick()
      const order = await world.order()
      await fill(order, 0, 8)
      await fill(order, 2, 8)
      // The answer to the artifact's last byte was lost: only the store knows of it.
      await world.say(beat(8, { filled: [0] }), { ...report('limit', 8), filled: [0] })
      const session = await world.session()
      const isKilled = await killedAt(dying(at, 'after'), world, async ({ desk }) => {
        await desk.follow(session, world.account, world.provider)
        await desk.sweep()
      })
      expect(await times(world, 'checkpoint.committed'), `call ${at}`).toBe(1)
      expect(await times(world, 'artifact.committed')).toBe(1)
      expect(await world.session()).toMatchObject({ outcome: 'limit', lastCheckpointStep: 8 })
      expect(world.troubles).toEqual([])
      await expectNothingLost(world, [8])
      return isKilled
    })
    expect(calls).toBeGreaterThan(40)
  }, 120_000)

  it('while it collects what a silent session left, with an older one to let go', async () => {
    const calls = await atEachCall(async (at) => {
      await using world = await sealedWorld({ saveSeconds: 600 })
      await world.tick()
      const order = await world.order()
      for (const [slot, step] of [8, 16, 24].entries()) await fill(order, slot, step)
      const session = await world.session()
      await world.now().desk.collect(session)
      await fill(order, 3, 32)
      await put(order.slots[4]?.urls[1] ?? '', Buffer.from('half a slot'))
      const isKilled = await killedAt(dying(at, 'before'), world, ({ desk }) =>
        desk.collect(session),
      )
      await world.say(report('limit', 32))
      await world.follow()
      expect(await times(world, 'checkpoint.committed'), `call ${at}`).toBe(4)
      expect(world.troubles).toEqual([])
      // What was not let go any more is let go at the next checkpoint.
      await world.now().checkpoints.prune('run_one')
      await expectNothingLost(world, [16, 24, 32])
      return isKilled
    })
    expect(calls).toBeGreaterThan(25)
  }, 120_000)

  it('while it collects, and never comes back to it, leaves nothing that no checkpoint owns', async () => {
    const calls = await atEachCall(async (at) => {
      await using world = await sealedWorld()
      await world.tick()
      await fill(await world.order(), 0, 8)
      const session = await world.session()
      const process = dying(at, 'before')
      await world
        .started(process)
        .desk.collect(session)
        .catch((error: unknown) => expect(error).toBeInstanceOf(Died))
      await process.buried()
      world.restart()
      await endSession(world.store, session.id, endOf('lost'))
      await expectNothingLost(world, await world.committed())
      return process.state.isDead
    })
    expect(calls).toBeGreaterThan(20)
  }, 120_000)

  it('while an order is written, leaves nothing on Drive that nobody knows', async () => {
    const calls = await atEachCall(async (at) => {
      // The launch itself has no answer: the order is written again for the same session.
      await using world = await sealedWorld({}, [{ kind: 'unheard' }])
      await world.tick()
      const session = await world.session()
      const run = (await world.store.openRuns())[0]
      if (!run) throw new Error('no run')
      const process = dying(at, 'before')
      try {
        await world.started(process).desk.order(run, session)
      } catch (error) {
        expect(error).toBeInstanceOf(Died)
      }
      await process.buried()
      world.restart()
      await world.db.run("update sessions set ended_at = created_at, state = 'ended'")
      await expectNothingLost(world, [])
      return process.state.isDead
    })
    expect(calls).toBeGreaterThan(20)
  }, 120_000)

  it('while the first order of a session is written, opens its slots at the next', async () => {
    const calls = await atEachCall(async (at) => {
      await using world = await sealedWorld()
      const process = dying(at, 'after')
      const dead = world.started(process)

      await tick(dead.ports)
      await process.buried()
      const known = world.troubles.every((error) => error instanceof Died)
      expect(known).toBe(true)
      world.restart()
      world.clock.advance(20)
      await world.tick()
      const order = await world.order()
      await fill(order, 0, 8)
      await world.say({ ...report('limit', 8), filled: [0] })
      await world.follow()
      expect(world.kaggle.duplicates).toEqual([])
      await expectNothingLost(world, [8])
      return process.state.isDead
    })
    expect(calls).toBeGreaterThan(20)
  }, 120_000)
})
