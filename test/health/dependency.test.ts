import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aboveOf, belowOf, circleWith, namedBy } from '../../src/health/dependency.ts'

const lab = new Map([
  ['house', ['switch']],
  ['switch', ['router', 'power']],
  ['tunnel', ['provider']],
])

describe('what a node depends on', () => {
  it.each([
    ['house', ['switch', 'router', 'power']],
    ['tunnel', ['provider']],
    ['router', []],
  ])('of %s is all of it, the nearest first', (node, above) =>
    expect(aboveOf(lab, node)).toEqual(above),
  )

  it('is found from the other side', () => {
    expect(belowOf(lab, 'power')).toEqual(['switch', 'house'])
    expect(namedBy(lab, 'power')).toEqual(['switch'])
  })

  it.each([
    ['itself', 'router', ['router'], ['router', 'router']],
    ['what depends on it', 'power', ['house'], ['power', 'house', 'switch', 'power']],
    ['something else', 'router', ['provider'], undefined],
    ['nothing', 'router', [], undefined],
  ])('may not lead back: on %s', (_what, node, wanted, circle) =>
    expect(circleWith(lab, node, wanted)).toEqual(circle),
  )
})

const ids = ['a', 'b', 'c', 'd', 'e', 'f'] as const
const wishes = fc.array(
  fc.tuple(fc.constantFrom(...ids), fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 3 })),
  { maxLength: 20 },
)

it('has no circle where each wish was taken only if it made none; above and below are one relation', () => {
  fc.assert(
    fc.property(wishes, (asked) => {
      const taken = new Map<string, readonly string[]>()
      for (const [node, wanted] of asked) {
        const circle = circleWith(taken, node, wanted)
        if (circle) {
          // It is a real one: each step is a dependency, or the first wish.
          expect([circle[0], circle.at(-1)]).toEqual([node, node])
          expect(wanted).toContain(circle[1])
          for (const [at, id] of circle.slice(1, -1).entries()) {
            expect(taken.get(id)).toContain(circle[at + 2])
          }
        } else taken.set(node, wanted)
      }
      for (const one of ids) {
        expect(circleWith(taken, one, taken.get(one) ?? [])).toBeUndefined()
        for (const other of ids) {
          expect(aboveOf(taken, one).includes(other)).toBe(belowOf(taken, other).includes(one))
        }
      }
    }),
  )
})
