import fc from 'fast-check'
import { expect, it } from 'vitest'
import { virtualTime } from '../../src/simulation/virtual-time.ts'

const start = Date.UTC(2026, 0, 5)

it('has things happen in the order of their moments, and of asking where those are the same', async () => {
  const moments = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean()), {
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(moments, async (asked) => {
      const time = virtualTime(start)
      const seen: [number, number][] = []
      const handles = asked.map(([at], index) => time.at(start + at, () => seen.push([at, index])))
      for (const [index, [, isCancelled]] of asked.entries()) {
        if (isCancelled) time.cancel(handles[index] ?? null)
      }
      while (await time.next());
      const expected = asked
        .map(([at, isCancelled], index) => ({ at, index, isCancelled }))
        .filter(({ isCancelled }) => !isCancelled)
        .toSorted((one, other) => one.at - other.at || one.index - other.index)
        .map(({ at, index }) => [at, index])
      expect(seen).toEqual(expected)
      expect(time.happened()).toBe(expected.length)
    }),
  )
})

it('waits for what happens before it goes on, and takes in what is asked for meanwhile', async () => {
  const time = virtualTime(start)
  const seen: string[] = []
  time.at(start + 10, async () => {
    await Promise.resolve()
    seen.push(`first at ${time.now() - start}`)
    time.at(start + 3, () => seen.push(`too late, so now, at ${time.now() - start}`))
    time.at(start + 10.2, () => seen.push(`rounded up to ${time.now() - start}`))
  })
  time.at(start + 10, () => seen.push('second'))
  await time.advanceTo(start + 10)
  expect(seen).toEqual(['first at 10', 'second', 'too late, so now, at 10'])
  expect(time.nextAt()).toBe(start + 11)
  await time.advanceTo(start + 50)
  expect(seen.at(-1)).toBe('rounded up to 11')
  expect(time.now()).toBe(start + 50)
  expect(await time.next()).toBe(false)
  expect(time.nextAt()).toBe(Number.POSITIVE_INFINITY)
})

it('never has happen what is infinitely late, and refuses what is no moment', async () => {
  const time = virtualTime(start)
  time.at(Number.POSITIVE_INFINITY, () => expect.unreachable())
  expect(await time.next()).toBe(false)
  expect(() => time.at(Number.NaN, () => undefined)).toThrow(/never comes/)
})

it('lets the clock of the service jump either way, and nobody else notices', async () => {
  const time = virtualTime(start)
  time.jump(90_000)
  expect(time.date()).toEqual(new Date(start + 90_000))
  time.jump(-100_000)
  await time.advanceTo(start + 60_000)
  expect([time.now(), time.date().getTime()]).toEqual([start + 60_000, start + 50_000])
})
