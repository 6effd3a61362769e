import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isBeatMissed } from '../../src/rotation/session.ts'
import type { NodeSaid } from '../../src/rotation/session-gate.ts'
import { memory } from '../../src/simulation/memory.ts'
import { accountOf, plannedOf, runOf, sessionOf, start } from '../store/fixture.ts'

const adapter = 'a'.repeat(64)
const policy = runOf('nights', {
  engine: 'serve',
  targetSteps: 0,
  serving: { windows: 'always', overlapSeconds: 600 },
})

/** A session in the engine's memory that has been let in: of a policy, its node up, or of a training. */
async function world(run = policy) {
  let nowMs = Date.parse(start)
  const now = () => new Date(nowMs)
  const told: string[] = []
  const mind = memory({
    now,
    isAway: () => false,
    applied: ({ changes }) => told.push(...changes.news.map(({ kind }) => kind)),
  })
  const account = accountOf('ana', { serves: true })
  mind.addAccount(account)
  await mind.putRun(run)
  const planned = plannedOf(run, account, now(), 9 * 3600)
  const { id: sessionId } = planned
  const hashes = { ticket: 'ticket', nonce: 'nonce', token: 'token' }
  await mind.store.apply({ kind: 'planned', planned })
  await mind.store.apply({ kind: 'launching', sessionId, ticketHash: 'ticket' })
  await mind.store.apply({ kind: 'enrolled', hashes })
  const beat = async (said: Partial<NodeSaid> = {}) => {
    const node = { ready: true, url: null, adapter, freeVramBytes: null, ...said }
    const event = { step: 0, phase: 'serve', history: [], node }
    const held = { id: sessionId, generation: planned.generation }
    return (await mind.store.apply({ kind: 'heard', held, beat: event })).answer
  }
  return {
    mind,
    told,
    beat,
    sessionId,
    session: () => mind.state.sessions.get(sessionId),
    advance: (seconds: number) => {
      nowMs += seconds * 1000
    },
    now,
    orderAt: async (said: Partial<NodeSaid> = {}) => (await beat(said))?.order,
    ask: async () =>
      (await mind.store.apply({ kind: 'restart-asked', sessionId, reason: 'it hangs' })).done,
    lose: async () =>
      (await mind.store.apply({ kind: 'node-lost', sessionId, reason: 'it is gone' })).done,
    stop: async () => {
      const asked = mind.state.runs.get(run.id)
      if (asked) await mind.putRun({ ...asked, stopAsked: true, state: 'stopping' })
    },
  }
}

describe('a restart', () => {
  it('is ordered by each heartbeat until one says that it has begun, and done when the server is ready again', async () => {
    const { beat, orderAt, ask, session, told, advance, now } = await world()
    expect(await orderAt()).toBe('continue')
    const askedAt = now()
    expect(await ask()).toBe(true)
    expect(session()?.restart).toEqual({ askedAt, begunAt: null })
    advance(60)
    expect(await beat()).toMatchObject({ order: 'restart', reason: 'its server does not answer' })
    expect(await orderAt({ ready: false })).toBe('restart')
    expect(await orderAt({ ready: false, restarts: 1 })).toBe('continue')
    expect(session()).toMatchObject({
      restart: { askedAt, begunAt: now() },
      restarts: 1,
      node: null,
    })
    expect(await ask()).toBe(false)
    advance(90)
    expect(await orderAt({ restarts: 1 })).toBe('continue')
    expect(session()).toMatchObject({ restart: null, restarts: 1, node: { readyAt: now() } })
    expect(told.filter((kind) => kind.startsWith('node.'))).toEqual([
      'node.ready',
      'node.restart_asked',
      'node.restarted',
      'node.ready',
    ])
  })

  it('asked for twice before it is done is one, asked for afterwards another', async () => {
    const { orderAt, ask, told } = await world()
    await orderAt()
    expect([await ask(), await ask()]).toEqual([true, false])
    await orderAt({ restarts: 1 })
    expect(await ask()).toBe(true)
    expect(await orderAt({ restarts: 1 })).toBe('restart')
    expect(await orderAt({ restarts: 2 })).toBe('continue')
    expect(told.filter((kind) => kind === 'node.restart_asked')).toHaveLength(2)
    expect(told.filter((kind) => kind === 'node.restarted')).toHaveLength(2)
  })

  it('is counted once, also when an older heartbeat comes late', async () => {
    const { orderAt, session, told } = await world()
    await orderAt({ restarts: 1 })
    await orderAt({ restarts: 0 })
    expect(session()?.restarts).toBe(1)
    await orderAt({ restarts: 1 })
    expect(told.filter((kind) => kind === 'node.restarted')).toHaveLength(1)
  })

  it('that nobody has taken up within ten minutes is none any more, and may be asked for anew', async () => {
    const { orderAt, ask, advance } = await world()
    await orderAt()
    await ask()
    advance(599)
    expect(await orderAt()).toBe('restart')
    expect(await ask()).toBe(false)
    advance(1)
    expect(await orderAt()).toBe('continue')
    expect(await ask()).toBe(true)
    expect(await orderAt()).toBe('restart')
  })

  it('goes after an order to stop', async () => {
    const { orderAt, ask, stop } = await world()
    await orderAt()
    await ask()
    await stop()
    expect(await orderAt()).toBe('stop')
    expect(await ask()).toBe(false)
  })

  it('goes after the fence', async () => {
    const { orderAt, ask, lose } = await world()
    await orderAt()
    await ask()
    await lose()
    expect(await orderAt()).toBe('fenced')
    expect(await ask()).toBe(false)
  })

  it('is never ordered of a training, nor of a node that has not been up', async () => {
    const training = await world(runOf('one'))
    await training.orderAt()
    expect(await training.ask()).toBe(false)
    expect(await training.orderAt()).toBe('continue')
    const young = await world()
    await young.orderAt({ ready: false })
    expect(await young.ask()).toBe(false)
    expect(
      (await young.mind.store.apply({ kind: 'restart-asked', sessionId: 'ses_x', reason: '' }))
        .done,
    ).toBe(false)
  })

  it('leaves the process that takes the place of its session alone', async () => {
    const { mind, beat, ask, session, sessionId } = await world()
    const person = accountOf('ana', { serves: true, automation: 'person', provider: 'colab' })
    mind.addAccount(person)
    await beat({ restarts: 2 })
    await ask()
    await mind.store.apply({
      kind: 'enrolled',
      hashes: { ticket: 'ticket', nonce: 'another nonce', token: 'another' },
    })
    expect(session()).toMatchObject({ id: sessionId, generation: 2, restart: null, restarts: 0 })
  })
})

/** What happens to a node and to what it says; a heartbeat or its answer may be lost, and a copy of an old one come late. */
const happenings = fc.array(
  fc.oneof(
    { arbitrary: fc.constantFrom('beat', 'unanswered', 'late copy', 'up', 'ask'), weight: 8 },
    { arbitrary: fc.constantFrom('minute', 'six minutes'), weight: 2 },
    { arbitrary: fc.constant('stop'), weight: 1 },
  ),
  { minLength: 1, maxLength: 40 },
)

it('is done once for each time that it was asked for, whatever becomes of the heartbeats', async () => {
  let restartsSeen = 0
  await fc.assert(
    fc.asyncProperty(happenings, async (drawn) => {
      const { mind, beat, ask, stop, advance, told, sessionId } = await world()
      await beat()
      let count = 0
      let isReady = true
      let asked = 0
      let isStopped = false
      let copy: Partial<NodeSaid> = {}
      // As templates/serving_session/session.py: one more than the heartbeat had said is wanted.
      const obey = async (said: number) => {
        const order = (await beat({ ready: isReady, restarts: said }))?.order
        if (isStopped) expect(order).toBe('stop')
        if (order === 'restart' && said + 1 > count) {
          count += 1
          isReady = false
        }
      }
      for (const what of drawn) {
        if (what === 'beat') await obey(count)
        if (what === 'unanswered') copy = { ready: isReady, restarts: count }
        if (what === 'unanswered') await beat(copy)
        if (what === 'late copy') await beat(copy)
        if (what === 'up') isReady = true
        if (what === 'ask' && (await ask())) asked += 1
        if (what === 'minute') advance(60)
        if (what === 'six minutes') advance(360)
        if (what === 'stop' && !isStopped) {
          isStopped = true
          await stop()
        }
        expect(count).toBeLessThanOrEqual(asked)
      }
      if (asked > 0 && (await ask()) === false && !isStopped) {
        await obey(count)
        await obey(count)
        // One that was given up unheard may have been followed by another.
        expect(count).toBeGreaterThan(0)
      }
      expect(told.filter((kind) => kind === 'node.restart_asked').length).toBeGreaterThanOrEqual(
        asked,
      )
      expect(told.filter((kind) => kind === 'node.restarted').length).toBeLessThanOrEqual(count)
      expect(mind.state.sessions.get(sessionId)?.endedAt).toBeNull()
      restartsSeen += count
    }),
    { numRuns: 300 },
  )
  expect(restartsSeen).toBeGreaterThan(50)
})

describe('what a heartbeat says of the tunnel', () => {
  it('is kept as the newest tells it, with the moment of the last bad one', async () => {
    const { beat, session, advance, now } = await world()
    await beat({ tunnel: 'up' })
    expect(session()).toMatchObject({ node: { tunnel: 'up' }, badBeatAt: null })
    advance(60)
    const badAt = now()
    await beat({ tunnel: 'down' })
    expect(session()).toMatchObject({ node: { tunnel: 'down' }, badBeatAt: badAt })
    advance(60)
    await beat({ tunnel: 'up' })
    expect(session()).toMatchObject({ node: { tunnel: 'up' }, badBeatAt: badAt })
    advance(60)
    await beat({ ready: false, tunnel: 'up' })
    expect(session()).toMatchObject({ node: null, badBeatAt: now() })
  })
})

it.each([
  ['on time', { heardAt: at(0) }, 60, false],
  ['a quarter late', { heardAt: at(0) }, 75, false],
  ['later', { heardAt: at(0) }, 75.001, true],
  ['of one that was never heard', { heardAt: null }, 999, false],
  ['of one that has ended', { heardAt: at(0), endedAt: at(1) }, 999, false],
  ['of one that beats each ten seconds', { heardAt: at(0), heartbeatSeconds: 10 }, 13, true],
])('a heartbeat %s is missed: %j after %d s: %s', (_what, changes, seconds, isMissed) => {
  expect(isBeatMissed(sessionOf(changes), at(seconds))).toBe(isMissed)
})

function at(seconds: number): Date {
  return new Date(Date.parse(start) + seconds * 1000)
}
