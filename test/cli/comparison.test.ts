import { expect, it } from 'vitest'
import { comparison } from '../../src/cli/comparison.ts'

const judged = (loss: number) => ({ loss, perplexity: Math.exp(loss) })
const evaluation = { base: judged(3), current: null, candidate: judged(2) }

it('holds base, current and candidate against each other in one line', () => {
  expect(comparison({ loss: 1, heldOutRows: 64, evaluation })).toEqual([
    '  loss (perplexity) on 64 held-out rows: base 3.000 (20.09), candidate 2.000 (7.39)',
  ])
  const current = { ...evaluation, current: judged(2.5) }
  expect(comparison({ heldOutRows: 50, evaluation: current })[0]).toContain(
    'current 2.500 (12.18), candidate',
  )
})

it.each([
  ['of a rehearsal', { loss: 1, heldOutLoss: 2 }],
  ['that are something else', { heldOutRows: 'many', evaluation: 7 }],
  ['without rows to judge by', { heldOutRows: 0, evaluation: { base: { loss: null } } }],
])('says nothing of metrics %s', (_why, metrics) => {
  expect(comparison(metrics)).toEqual([])
})
