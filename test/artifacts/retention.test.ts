import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prunable } from '../../src/artifacts/retention.ts'
import { checkpointOf } from '../store/fixture.ts'

const day = (date: string) => new Date(`${date}T12:00:00Z`)
const taken = fc
  .array(
    fc.record({
      step: fc.constantFrom(10, 20, 30, 40, 50, 60, 70, 80),
      generation: fc.constantFrom(1, 2, 3),
      state: fc.constantFrom('committed', 'committed', 'committed', 'damaged', 'pruned'),
      committedAt: fc.constantFrom(day('2026-03-08'), day('2026-03-09'), day('2026-03-10')),
    }),
    { maxLength: 12 },
  )
  .map((drawn) => drawn.map((changes) => checkpointOf(changes as never)))

describe('checkpoints that may go', () => {
  it('are all but the last three and the last of each day', () => {
    const dates = ['08', '08', '08', '09', '09', '10', '10', '10', '10']
    const all = dates.map((d, i) =>
      checkpointOf({ step: (i + 1) * 10, committedAt: day(`2026-03-${d}`) }),
    )
    expect(prunable(all).map(({ step }) => step)).toEqual([60, 40, 20, 10])
  })

  it('are never among the newest three that stand, nor the last of a day, nor gone already', () => {
    fc.assert(
      fc.property(taken, (all) => {
        const gone = prunable(all)
        const standing = all
          .filter(({ state }) => state === 'committed')
          .toSorted((a, b) => b.step - a.step || b.generation - a.generation)
        const kept = standing.filter((checkpoint) => !gone.includes(checkpoint))
        expect(kept.slice(0, 3)).toEqual(standing.slice(0, 3))
        for (const checkpoint of gone) expect(checkpoint.state).toBe('committed')
        for (const { committedAt } of standing) {
          const sameDay = (other: { committedAt: Date }) =>
            other.committedAt.getTime() === committedAt.getTime()
          expect(kept.find(sameDay)).toBe(standing.find(sameDay))
        }
      }),
    )
  })

  it('are the same in any order, and none the second time', () => {
    fc.assert(
      fc.property(taken, (all) => {
        const gone = prunable(all)
        const steps = (list: typeof gone) => list.map((c) => `${c.step}-${c.generation}`)
        expect(prunable(all.filter((checkpoint) => !gone.includes(checkpoint)))).toEqual([])
        if (new Set(steps([...all])).size === all.length) {
          expect(steps(prunable(all.toReversed()))).toEqual(steps(gone))
        }
      }),
    )
  })
})
