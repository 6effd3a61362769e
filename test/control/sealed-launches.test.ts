import { describe, expect, it } from 'vitest'
import { endSession } from '../store/by-hand.ts'
import { beat, fill, put, report, type SealedOrder, sealedWorld } from './sealed-world.ts'

describe('a launch that is repeated', () => {
  /** Two launches of one session whose answers, or requests, were lost; the first order and the second. */
  async function launchedTwice() {
    const world = await sealedWorld({}, [{ kind: 'unheard' }, { kind: 'unheard' }])
    await world.tick()
    const first = await world.order()
    world.clock.advance(20)
    await world.tick()
    expect(world.kaggle.launches).toHaveLength(2)
    return Object.assign(world, { first, second: await world.order() })
  }

  it.each(['first', 'second'] as const)(
    'saves what the %s notebook stores, should that one run',
    async (which) => {
      await using world = await launchedTwice()
      world.kaggle.run((await world.session()).name)
      world.clock.advance(20)
      await world.tick()
      expect(await world.session()).toMatchObject({ state: 'starting' })
      await fill(world[which], 0, 8)
      await world.say(beat(8, { filled: [0] }))
      await world.follow()
      expect(await world.committed()).toEqual([8])
      await fill(world[which], 2, 100)
      await world.say({ ...report('limit', 100), filled: [0, 2] })
      await world.follow()
      await world.now().desk.sweep()
      expect(world.stored().filter(({ path }) => path.startsWith('sealed'))).toEqual([])
      expect(await world.db.all('select step from artifacts')).toEqual([{ step: 100 }])
    },
  )

  it('takes nothing twice, should both run', async () => {
    await using world = await launchedTwice()
    world.kaggle.run((await world.session()).name)
    world.clock.advance(20)
    await world.tick()
    await fill(world.first, 0, 8)
    await expect(fill(world.second, 0, 16)).rejects.toThrow('409')
    await fill(world.second, 1, 8)
    await world.say(beat(8, { filled: [0, 1] }))
    await world.follow()
    await world.follow()
    expect(await world.committed()).toEqual([8])
    const told = await world.db.all("select 1 from events where kind = 'checkpoint.committed'")
    expect(told).toHaveLength(1)
    expect(world.troubles).toEqual([])
    const [checkpoint] = await world.now().checkpoints.committed('run_one')
    expect(checkpoint && (await world.now().checkpoints.wholeFiles(checkpoint))).toHaveLength(3)
  })

  it('stops at what the first has stored: that one runs, and is found', async () => {
    await using world = await sealedWorld({}, [{ kind: 'unheard' }])
    await world.tick()
    await fill(await world.order(), 0, 8)
    world.clock.advance(20)
    await world.tick()
    expect(world.kaggle.launches).toHaveLength(1)
    expect(world.troubles).toMatchObject([{ code: 'session_stores' }])
    world.kaggle.run((await world.session()).name)
    await world.say(beat(8, { filled: [0] }))
    world.clock.advance(20)
    await world.tick()
    world.clock.advance(60)
    await world.tick()
    expect(await world.committed()).toEqual([8])
  })

  it('waits for the client that opened the slots before', async () => {
    await using world = await sealedWorld({}, [{ kind: 'unheard' }])
    await world.tick()
    world.google.clientId = 'another'
    world.restart()
    world.clock.advance(20)
    await world.tick()
    expect(world.troubles).toMatchObject([{ code: 'drive_other_client' }])
    expect(world.kaggle.launches).toHaveLength(1)
  })
})

describe('a zombie', () => {
  const storesNothing = async (order: SealedOrder) => {
    for (const { urls } of order.slots) {
      for (const url of urls) expect((await put(url, Buffer.from('late'))).ok).toBe(false)
    }
  }

  it('stores nothing that anybody sees once its session was swept', async () => {
    await using world = await sealedWorld()
    await world.tick()
    const order = await world.order()
    const half = order.slots[1]?.urls[1] ?? ''
    const chunk = Buffer.alloc(256 * 1024)
    const begun = await fetch(half, {
      method: 'PUT',
      body: chunk,
      headers: { 'content-range': `bytes 0-${chunk.length - 1}/${2 * chunk.length}` },
    })
    expect(begun.status).toBe(308)
    await world.say(report('limit', 0))
    await world.follow()
    await world.now().desk.sweep()
    const before = world.emulator.admin.state().files
    await storesNothing(order)
    expect(world.emulator.admin.state().files).toEqual(before)
    expect(await world.db.all('select 1 from sealed_files')).toEqual([])
  })

  it('of an older generation commits nothing and changes nothing, whatever its log says', async () => {
    await using world = await sealedWorld()
    await world.tick()
    const order = await world.order()
    const old = await world.session()
    await fill(order, 0, 8)
    await world.say(beat(9, { filled: [0] }), { ...report('finished', 100), filled: [0] })
    await endSession(world.store, old.id, {
      outcome: 'lost',
      reason: 'silent',
      failure: null,
      logTail: null,
      holdUntil: null,
    })
    await world.tick()
    const next = await world.session(2)
    expect(next.generation).toBe(2)
    const { desk } = world.now()
    expect(await desk.follow(old, world.account, world.provider)).toMatchObject({
      outcome: 'lost',
    })
    await desk.collect(old)
    expect(await world.committed()).toEqual([])
    expect(await world.run()).toMatchObject({ step: 0, state: 'training' })
    expect(await world.session(2)).toEqual(next)
    await desk.sweep()
    expect(world.stored().some(({ path }) => path.startsWith('sealed-g1'))).toBe(false)
    expect(world.stored().some(({ path }) => path.startsWith('sealed-g2'))).toBe(true)
  })

  it('whose slots another client opened keeps its row until that one can close them', async () => {
    await using world = await sealedWorld()
    await world.tick()
    const order = await world.order()
    await world.say(report('limit', 0))
    await world.follow()
    world.google.clientId = 'another'
    world.restart()
    await world.now().desk.sweep()
    expect(await world.db.all('select 1 from sealed_files')).not.toEqual([])
    world.google.clientId = 'mine'
    world.restart()
    await world.now().desk.sweep()
    await storesNothing(order)
    expect(await world.db.all('select 1 from sealed_files')).toEqual([])
  })
})
