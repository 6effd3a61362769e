import { describe, expect, it } from 'vitest'
import { giveUpNode } from '../../src/rotation/give-up-node.ts'
import type { Session } from '../../src/rotation/session.ts'
import { accountOf, HOUR, runOf } from '../store/fixture.ts'
import { scriptedProvider } from './scripted-provider.ts'
import { tickWorld } from './tick-world.ts'

const adapter = 'a'.repeat(64)
const policy = runOf('nights', {
  engine: 'serve',
  datasetVersion: 'none',
  targetSteps: 0,
  serving: { windows: 'always', overlapSeconds: 600 },
})
const ana = accountOf('ana', { serves: true })
const bia = accountOf('bia', { serves: true })
/** A person whose Colab serves, at an hour at which they are awake. */
const clara = accountOf('clara', {
  serves: true,
  provider: 'colab',
  automation: 'person',
  weeklySeconds: 40 * HOUR,
})

/** A policy with one session whose node has been up for an hour; Kaggle is scripted, Colab beside it. */
async function servedWorld(accounts = [ana, bia]) {
  const world = await tickWorld({ accounts, runs: [policy] })
  const colab = scriptedProvider('colab')
  const tick = () => world.tick([colab.provider])
  const heard = async (session: Session, ready = true) => {
    const node = { ready, url: null, adapter, freeVramBytes: null }
    const beat = { step: 0, phase: 'serve', history: [], node }
    return world.gate.heartbeat({ id: session.id, generation: session.generation }, beat)
  }
  const up = async () => {
    await tick()
    const session = await world.enrol('nights')
    await heard(session)
    return session
  }
  const first = await up()
  for (let minutes = 0; minutes < 60; minutes += 1) {
    world.clock.advance(60)
    await heard(first)
  }
  const ports = world.portsOver(world.store, world.provider)
  const of = async (id: string) => (await world.sessions('nights')).find((one) => one.id === id)
  return {
    ...world,
    tick,
    up,
    heard,
    first,
    of,
    colab,
    lose: (id: string) => giveUpNode(ports, id, 'its tunnel is gone'),
    kinds: async () => (await world.look.events(0, 300)).map(({ kind }) => kind),
    live: async () => (await world.sessions('nights')).filter(({ endedAt }) => endedAt === null),
  }
}

describe('a node that is lost', () => {
  it('ends its session, charged to this moment, and its machine is stopped where that can be', async () => {
    await using world = await servedWorld()
    expect(await world.lose(world.first.id)).toBe(true)
    expect(await world.of(world.first.id)).toMatchObject({
      state: 'ended',
      outcome: 'lost',
      reason: 'its tunnel is gone',
      usedSeconds: HOUR,
      node: null,
    })
    const rows = await world.look.ledger('ana', new Date(0))
    expect(rows.reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0)).toBe(HOUR)
    expect(world.kaggle.killed).toEqual([world.first.name])
    expect(world.troubles).toEqual([])
  })

  it('is lost once: told again, or of a session that has ended, nothing more is done', async () => {
    await using world = await servedWorld()
    await world.lose(world.first.id)
    const before = await world.kinds()
    const rows = await world.look.ledger('ana', new Date(0))
    world.clock.advance(600)
    expect(await world.lose(world.first.id)).toBe(false)
    expect(await world.lose('ses_of_nobody')).toBe(false)
    expect(await world.kinds()).toEqual(before)
    expect(await world.look.ledger('ana', new Date(0))).toEqual(rows)
    expect(world.kaggle.killed).toHaveLength(1)
  })

  it('is none of a training', async () => {
    await using world = await tickWorld({ accounts: [ana] })
    await world.tick()
    const session = await world.enrol()
    const ports = world.portsOver(world.store, world.provider)
    expect(await giveUpNode(ports, session.id, 'its tunnel is gone')).toBe(false)
    expect((await world.sessions())[0]).toMatchObject({ state: 'running', endedAt: null })
  })

  it('whose session still beats is fenced off, told of once', async () => {
    await using world = await servedWorld()
    await world.lose(world.first.id)
    for (let n = 0; n < 3; n += 1)
      expect(await world.heard(world.first)).toMatchObject({
        order: 'fenced',
        reason: 'the session has ended: its tunnel is gone',
      })
    expect((await world.kinds()).filter((kind) => kind === 'zombie.fenced')).toHaveLength(1)
  })

  it('whose session says nothing, where nobody can stop it, stays charged to its end', async () => {
    await using world = await servedWorld()
    world.clock.advance(181)
    await world.lose(world.first.id)
    const { plannedSeconds } = world.first
    expect(await world.of(world.first.id)).toMatchObject({ usedSeconds: plannedSeconds })
    const rows = await world.look.ledger('ana', new Date(0))
    expect(rows.reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0)).toBe(plannedSeconds)
  })

  it('in a hand-over, its successor up already, has nothing more started', async () => {
    await using world = await servedWorld()
    world.clock.set(
      new Date(
        world.first.createdAt.getTime() + world.first.plannedSeconds * 1000 - 590_000,
      ).toISOString(),
    )
    await world.heard(world.first)
    const second = await world.up()
    expect(second.id).not.toBe(world.first.id)
    await world.lose(world.first.id)
    await world.tick()
    expect((await world.live()).map(({ id }) => id)).toEqual([second.id])
  })

  it('is not restarted for it: a node whose successor is up is told to stop', async () => {
    await using world = await servedWorld()
    const endsMs = world.first.createdAt.getTime() + world.first.plannedSeconds * 1000
    world.clock.set(new Date(endsMs - 590_000).toISOString())
    await world.heard(world.first)
    const input = { sessionId: world.first.id, reason: 'it hangs' }
    await world.store.apply({ kind: 'restart-asked', ...input })
    expect(await world.heard(world.first)).toMatchObject({ order: 'restart' })
    await world.up()
    expect(await world.heard(world.first)).toMatchObject({ order: 'stop' })
  })

  it('that was a successor leaves its forerunner up, and another one is begun', async () => {
    await using world = await servedWorld()
    world.clock.set(
      new Date(
        world.first.createdAt.getTime() + world.first.plannedSeconds * 1000 - 590_000,
      ).toISOString(),
    )
    await world.heard(world.first)
    const second = await world.up()
    await world.lose(second.id)
    expect(await world.heard(world.first)).toMatchObject({ order: 'continue' })
    await world.tick()
    const [before, third] = await world.live()
    expect(before?.id).toBe(world.first.id)
    expect(third?.account).toBe(second.account === 'ana' ? 'bia' : 'ana')
  })
})

it('what is known of a node and its restart is kept', async () => {
  await using world = await servedWorld()
  const { id, generation } = world.first
  const beat = (restarts: number, tunnel: 'up' | 'down') => {
    const node = { ready: true, url: null, adapter, freeVramBytes: null, restarts, tunnel }
    const said = { step: 0, phase: 'serve', history: [], node }
    return world.gate.heartbeat({ id, generation }, said)
  }
  await world.store.apply({ kind: 'restart-asked', sessionId: id, reason: 'it hangs' })
  const askedAt = world.clock.now()
  expect(await world.of(id)).toMatchObject({ restart: { askedAt, begunAt: null }, restarts: 0 })
  world.clock.advance(60)
  const badBeatAt = world.clock.now()
  await beat(0, 'down')
  expect(await world.of(id)).toMatchObject({ node: { tunnel: 'down' }, badBeatAt })
  await world.heard(world.first, false)
  world.clock.advance(60)
  const node = { ready: false, url: null, adapter, freeVramBytes: null, restarts: 2 }
  await world.gate.heartbeat({ id, generation }, { step: 0, phase: 'load', history: [], node })
  const begunAt = world.clock.now()
  expect(await world.of(id)).toMatchObject({
    restart: { askedAt, begunAt },
    restarts: 2,
    node: null,
  })
  await beat(2, 'up')
  expect(await world.of(id)).toMatchObject({ restart: null, restarts: 2, node: { tunnel: 'up' } })
})

describe('what takes the place of a lost node', () => {
  it('is begun in the same moment on another account', async () => {
    await using world = await servedWorld()
    const lost = world.first.account
    await world.lose(world.first.id)
    await world.tick()
    const [next] = await world.live()
    expect(next).toMatchObject({ createdAt: world.clock.now(), state: 'starting' })
    expect(next?.account).toBe(lost === 'ana' ? 'bia' : 'ana')
  })

  it('goes from Kaggle to a person’s Colab, who is asked at once', async () => {
    await using world = await servedWorld([ana, clara])
    expect(world.first.account).toBe('ana')
    await world.lose(world.first.id)
    await world.tick()
    expect(await world.live()).toMatchObject([
      {
        account: 'clara',
        provider: 'colab',
        state: 'awaiting_person',
        createdAt: world.clock.now(),
      },
    ])
  })

  it.each([
    ['there is no other', [ana]],
    ['the other may not serve', [ana, accountOf('bia')]],
    ['the other has no hours', [ana, accountOf('bia', { serves: true, weeklySeconds: 0 })]],
  ])('goes to the same account where %s', async (_why, accounts) => {
    await using world = await servedWorld(accounts)
    await world.lose(world.first.id)
    await world.tick()
    expect(await world.live()).toMatchObject([{ account: 'ana', createdAt: world.clock.now() }])
  })

  it('goes to the same account where the other is held', async () => {
    await using world = await servedWorld()
    const other = world.first.account === 'ana' ? 'bia' : 'ana'
    await world.db.run(
      "update accounts set hold_until = '2026-03-11T12:00:00.000Z', hold_reason = 'no GPU' where name = $1",
      other,
    )
    await world.lose(world.first.id)
    await world.tick()
    expect(await world.live()).toMatchObject([{ account: world.first.account }])
  })

  it('may be on the same account again an hour after the loss', async () => {
    await using world = await servedWorld()
    await world.lose(world.first.id)
    await world.tick()
    const [second] = await world.live()
    if (!second) throw new Error('nothing was begun')
    const session = await world.enrol('nights')
    for (let minutes = 0; minutes < 61; minutes += 1) {
      world.clock.advance(60)
      await world.heard(session)
    }
    await world.lose(session.id)
    await world.tick()
    expect((await world.live())[0]?.account).toBe('ana')
  })
})
