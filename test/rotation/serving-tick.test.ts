import { describe, expect, it } from 'vitest'
import { unreachableFrom } from '../../src/rotation/reach.ts'
import { accountOf, runOf } from '../store/fixture.ts'
import { scriptedProvider } from './scripted-provider.ts'
import { tickWorld, type WorldOptions } from './tick-world.ts'

const policy = runOf('nights', {
  engine: 'serve',
  datasetVersion: 'none',
  targetSteps: 0,
  serving: { windows: 'always', overlapSeconds: 600 },
})

/** A world whose accounts have accepted their providers' rules of serving. */
async function servingWorld(options: WorldOptions) {
  const world = await tickWorld(options)
  await world.db.run('update accounts set serves = 1')
  return world
}

describe('a policy that wants two sessions at once, one until a person has come to the other', () => {
  it('gets them one after the other, each with a name, an id and a booking of its own', async () => {
    const short = accountOf('ana', { weeklySeconds: 18 * 60 })
    const clara = accountOf('clara', { provider: 'colab', automation: 'person' })
    await using world = await servingWorld({ accounts: [short, clara], runs: [policy] })
    const colab = scriptedProvider('colab')
    await world.tick([colab.provider])
    expect(await world.sessions('nights')).toHaveLength(1)
    await world.tick([colab.provider])
    expect(world.troubles).toEqual([])
    const sessions = await world.sessions('nights')
    expect(sessions.map(({ account }) => account).toSorted()).toEqual(['ana', 'clara'])
    expect(sessions.map(({ state }) => state).toSorted()).toEqual(['awaiting_person', 'starting'])
    for (const { id, account, plannedSeconds } of sessions) {
      const rows = await world.look.ledger(account, new Date(0))
      expect(rows.map(({ sessionId }) => sessionId)).toEqual([id])
      expect(rows[0]?.gpuSeconds).toBeGreaterThanOrEqual(plannedSeconds)
    }
    await world.tick([colab.provider])
    expect(await world.sessions('nights')).toHaveLength(2)
  })
})

it('a policy whose window ends soon asks one person, and nobody besides while they are on their way', async () => {
  const clara = accountOf('clara', { provider: 'colab', automation: 'person' })
  const dora = accountOf('dora', { provider: 'colab', automation: 'person' })
  const noon = { weekdays: [2], fromHour: 9, toHour: 12 + 35 / 60, zone: 'UTC' }
  const lunch = { ...policy, serving: { windows: [noon], overlapSeconds: 600 } }
  await using world = await servingWorld({ accounts: [clara, dora], runs: [lunch] })
  for (let tick = 0; tick < 5; tick += 1) {
    await world.tick()
    world.clock.advance(10)
  }
  expect(await world.sessions('nights')).toMatchObject([{ state: 'awaiting_person' }])
})

describe('a policy, where sessions could not reach this service', () => {
  it('is given no session, and says why', async () => {
    await using world = await servingWorld({ runs: [policy] })
    world.kaggle.sealed = true
    await world.tick()
    expect(await world.sessions('nights')).toEqual([])
    expect((await world.run('nights')).waiting).toBe(unreachableFrom('Kaggle'))
    world.kaggle.sealed = false
    await world.tick()
    expect(await world.sessions('nights')).toMatchObject([{ serves: true, sealed: false }])
  })

  it('passes over the accounts there beside one that is busy, and says why', async () => {
    const here = accountOf('here', { provider: 'local', maxConcurrent: 0 })
    await using world = await servingWorld({ accounts: [accountOf('ana'), here], runs: [policy] })
    world.kaggle.sealed = true
    const local = { ...world.provider, name: 'local' as const, sealed: () => false }
    await world.tick([local])
    expect(await world.sessions('nights')).toEqual([])
    expect((await world.run('nights')).waiting).toContain(
      `; accounts elsewhere are passed over: ${unreachableFrom('Kaggle')}`,
    )
  })

  it('leaves a training its sealed session', async () => {
    await using world = await servingWorld({ runs: [policy, runOf('one')] })
    world.kaggle.sealed = true
    await world.tick()
    expect(await world.sessions('one')).toMatchObject([{ serves: false, sealed: true }])
    expect(await world.sessions('nights')).toEqual([])
  })
})

it('a policy that nobody serves waits for a rule to be accepted', async () => {
  await using world = await tickWorld({ accounts: [accountOf('ana')], runs: [policy] })
  await world.tick()
  expect((await world.run('nights')).waiting).toContain('no account may serve')
})
