import { describe, expect, it } from 'vitest'
import { unreachableFrom } from '../../src/rotation/reach.ts'
import { accountOf, runOf } from '../store/fixture.ts'
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
