import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Random, stream } from '../../src/simulation/random.ts'

const many = 20_000
const draws = (draw: (random: Random) => number, name = 'a'): number[] => {
  const random = stream(7, name)
  return Array.from({ length: many }, () => draw(random))
}
const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length
const shareOf = (numbers: readonly number[], is: (number: number) => boolean): number =>
  numbers.filter(is).length / numbers.length

/** sfc32 written down a second time, in whole numbers without a sign, as the C source of PractRand has it. */
function sfc32(words: readonly number[]): () => number {
  const mask = 0xffff_ffffn
  let [a = 0n, b = 0n, c = 0n] = words.map(BigInt)
  let counter = 1n
  return () => {
    const out = (a + b + counter) & mask
    counter = (counter + 1n) & mask
    a = b ^ (b >> 9n)
    b = (c + (c << 3n)) & mask
    c = ((((c << 21n) & mask) | (c >> 11n)) + out) & mask
    return Number(out)
  }
}

it('gives the numbers of sfc32 from the hash of seed and name', () => {
  const hash = createHash('sha256').update('42/kaggle/ana/queue').digest()
  const reference = sfc32([0, 4, 8].map((at) => hash.readUInt32BE(at)))
  for (let round = 0; round < 15; round += 1) reference()
  const random = stream(42, 'kaggle/ana/queue')
  for (let round = 0; round < 1000; round += 1) {
    expect(random.uniform()).toBe(reference() / 2 ** 32)
  }
})

it('repeats itself for the same seed and name, and for no other', () => {
  const first = (seed: number, name: string) => {
    const random = stream(seed, name)
    return [random.uniform(), random.exponential(3), random.logNormal(5, 2)]
  }
  expect(first(1, 'a')).toEqual(first(1, 'a'))
  expect(first(1, 'a')).not.toEqual(first(2, 'a'))
  expect(first(1, 'a')).not.toEqual(first(1, 'b'))
})

it('draws each kind of number as it promises', () => {
  const uniform = draws((random) => random.uniform(2, 4))
  expect(uniform.every((number) => number >= 2 && number < 4)).toBe(true)
  expect(mean(uniform)).toBeCloseTo(3, 1)
  expect(mean(draws((random) => random.exponential(10)))).toBeGreaterThan(9.7)
  expect(mean(draws((random) => random.exponential(10)))).toBeLessThan(10.3)
  const normal = draws((random) => random.logNormal(30, 2))
  expect(shareOf(normal, (number) => number < 30)).toBeCloseTo(0.5, 1)
  expect(shareOf(normal, (number) => number > 15 && number < 60)).toBeCloseTo(0.683, 1)
  const triangular = draws((random) => random.triangular(28, 30, 41))
  expect(triangular.every((number) => number >= 28 && number <= 41)).toBe(true)
  expect(mean(triangular)).toBeCloseTo(33, 0)
  expect(draws((random) => random.triangular(30, 30, 30)).every((n) => n === 30)).toBe(true)
})

describe('a chance', () => {
  it.each([0, 0.01, 0.3, 1])('of %d comes as often', (share) => {
    const hits = draws((random) => (random.chance(share) ? 1 : 0))
    expect(Math.abs(mean(hits) - share)).toBeLessThan(share === 0 || share === 1 ? 1e-9 : 0.012)
  })

  it('moves no later number by its share', () => {
    const numberBehind = (share: number) => {
      const random = stream(3, 'x')
      random.chance(share)
      return random.uniform()
    }
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
        expect(numberBehind(share)).toBe(numberBehind(0))
      }),
    )
  })
})
