import { expect, it } from 'vitest'
import { Died, mortal } from '../../src/simulation/mortal.ts'

/** A look at the world: an intent, a call, and the answer written down. */
function bench() {
  const done: string[] = []
  const life = mortal()
  const write = async (what: string) => {
    done.push(what)
    return what
  }
  const launch = async () => write('launch').then(() => 'a-session')
  const store = life.over({ name: 'store', write }, ['write'])
  const provider = life.over({ launch }, ['launch'])
  const look = async () => {
    await store.write('intent')
    await store.write(await provider.launch())
  }
  return { life, store, look, done }
}

const whole = ['intent', 'launch', 'a-session']

it.each([
  [1, false, 0],
  [1, true, 1],
  [2, false, 1],
  [2, true, 2],
  [3, false, 2],
  [3, true, 3],
])('dies at call %d, after it: %s, with so much done: %d', async (calls, after, count) => {
  const world = bench()
  world.life.dieAt(calls, after)
  await expect(world.look()).rejects.toBeInstanceOf(Died)
  expect(world.done).toEqual(whole.slice(0, count))
  expect(world.life.isDead()).toBe(true)
  await expect(world.store.write('more')).rejects.toBeInstanceOf(Died)
  expect(world.done).toEqual(whole.slice(0, count))
})

it('hears no answer that comes after its death', async () => {
  const world = bench()
  const answer = world.store.write('intent')
  world.life.die()
  await expect(answer).rejects.toBeInstanceOf(Died)
  expect(world.done).toEqual(['intent'])
})

it('lives on when its death is not due, and again when it was revived', async () => {
  const world = bench()
  world.life.dieAt(4, false)
  await world.look()
  expect(world.life.isDead()).toBe(false)
  await expect(world.look()).rejects.toBeInstanceOf(Died)
  world.life.revive()
  await world.look()
  expect(world.done).toEqual([...whole, ...whole])
  expect(world.store.name).toBe('store')
})
