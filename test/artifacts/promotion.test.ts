import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Judged, judge, type Promoted } from '../../src/artifacts/promotion.ts'

const judgedAt = (loss: number, changes: Partial<Judged> = {}): Judged => ({
  split: 'a',
  rows: 60,
  loss,
  current: null,
  ...changes,
})
const promotedAt = (version: string, score: number, changes: Partial<Judged> = {}): Promoted => ({
  sha256: version,
  version,
  judged: judgedAt(score, changes),
  score,
})

describe('a candidate', () => {
  it('is promoted when it is the first', () => {
    expect(judge(judgedAt(1.5), [])).toMatchObject({ kind: 'promote', score: 1.5 })
  })

  it.each([
    [0.9, 'promote', '10.00 % below that of v1'],
    [1.009, 'promote', '0.90 % above that of v1'],
    [1.011, 'reject', '1.10 % above that of v1, the best so far; at most 1.00 % above'],
  ])('with a loss of %d beside one of 1 is told so: %s', (loss, kind, words) => {
    const decision = judge(judgedAt(loss), [promotedAt('v1', 1), promotedAt('v0', 1.2)])
    expect(decision.kind).toBe(kind)
    expect(decision.why).toContain(words)
  })

  it('does not creep: ten, each 0.9 % worse than the one before, are not let through', () => {
    const promoted: Promoted[] = [promotedAt('v0', 1)]
    const kinds: string[] = []
    let loss = 1
    for (let index = 1; index <= 10; index += 1) {
      loss *= 1.009
      // Each with conversations of its own, so that only the adapter before it is on both.
      const last = promoted.at(-1)
      const candidate = judgedAt(loss, {
        split: `split ${index}`,
        current: last ? { sha256: last.sha256, loss: last.score } : null,
      })
      const decision = judge(candidate, promoted)
      kinds.push(decision.kind)
      if (decision.kind === 'promote') {
        promoted.push({
          sha256: `v${index}`,
          version: `v${index}`,
          judged: candidate,
          score: decision.score,
        })
      }
    }
    expect(kinds).toEqual(['promote', ...Array.from({ length: 9 }, () => 'reject')])
  })

  it('is never promoted more than the tolerance above the best, whatever came before', () => {
    const loss = fc.double({ min: 0.1, max: 5, noNaN: true })
    fc.assert(
      fc.property(fc.array(loss, { minLength: 1, maxLength: 12 }), (losses) => {
        const promoted: Promoted[] = []
        for (const [index, one] of losses.entries()) {
          const decision = judge(judgedAt(one), promoted)
          if (decision.kind === 'promote') promoted.push(promotedAt(`v${index}`, decision.score))
        }
        for (const [index, { score }] of promoted.entries()) {
          const best = Math.min(...promoted.slice(0, index + 1).map((before) => before.score))
          expect(score).toBeLessThanOrEqual(best * 1.01 + 1e-9)
        }
      }),
    )
  })

  it('is a person’s matter where nothing compares', () => {
    expect(judge(judgedAt(0.5, { rows: 49 }), [])).toMatchObject({ kind: 'ask' })
    expect(judge(judgedAt(0.5, { split: 'b' }), [promotedAt('v1', 1)])).toMatchObject({
      kind: 'ask',
    })
    const strange = { sha256: 'elsewhere', loss: 1 }
    expect(judge(judgedAt(0.5, { split: 'b', current: strange }), [promotedAt('v1', 1)]).kind).toBe(
      'ask',
    )
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0, -1])(
    'with a loss of %d is rejected',
    (loss) => {
      expect(judge(judgedAt(loss), [])).toMatchObject({ kind: 'reject', score: null })
    },
  )
})
