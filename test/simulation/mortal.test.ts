import { expect, it } from 'vitest'
import { Died, life, mortal } from '../../src/simulation/mortal.ts'

/** A look at the world: an intent, a call, and the answer written down. */
function bench() {
  const done: string[] = []
  const alive = life()
  const store = mortal(
    {
      name: 'store',
      async write(what: string) {
        done.push(what)
        return what
      },
    },
    alive,
  )
  const provider = mortal(
    {
      tells: () => true,
      async launch() {
        done.push('launch')
        return 'a-session'
      },
    },
    alive,
  )
  const look = async () => {
    await store.write('intent')
    const handle = await provider.launch()
    await store.write(handle)
  }
  return { alive, store, provider, look, done }
}

it.each([
  [1, []],
  [2, ['intent']],
  [3, ['intent']],
  [4, ['intent', 'launch']],
  [5, ['intent', 'launch']],
  [6, ['intent', 'launch', 'a-session']],
])('dies at step %d with so much done: %s', async (steps, done) => {
  const world = bench()
  world.alive.dieAt(steps)
  await expect(world.look()).rejects.toBeInstanceOf(Died)
  expect(world.done).toEqual(done)
  expect(world.alive.isDead()).toBe(true)
  expect(() => world.provider.tells()).toThrow(Died)
  await expect(async () => world.store.write('more')).rejects.toBeInstanceOf(Died)
  expect(world.done).toEqual(done)
})

it('lives on when its death is not due, and again when it was revived', async () => {
  const world = bench()
  world.alive.dieAt(7)
  await world.look()
  expect(world.alive.isDead()).toBe(false)
  await expect(world.look()).rejects.toBeInstanceOf(Died)
  world.alive.revive()
  await world.look()
  expect(world.done).toEqual(['intent', 'launch', 'a-session', 'intent', 'launch', 'a-session'])
  expect(world.store.name).toBe('store')
})
