import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bar, sparkline, table } from '../../src/cli/table.ts'

describe('a table', () => {
  it('is aligned, two spaces apart, with no blanks at line ends', () => {
    const rows = [
      ['ana', '30.0'],
      ['beatriz', '1.5'],
    ]
    expect(table(['account', 'hours'], rows)).toBe('account  hours\nana      30.0\nbeatriz  1.5')
  })

  it('without rows is nothing, not a lonely header', () => {
    expect(table(['account'], [])).toBe('')
  })

  it('begins each column at the same place in every line', () => {
    const cells = fc.string({ unit: fc.constantFrom('a', 'é', '█'), minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(fc.array(fc.tuple(cells, cells), { minLength: 1 }), (rows) => {
        const lines = table(['x', 'y'], rows).split('\n').slice(1)
        const width = Math.max(1, ...rows.map(([first]) => first.length))
        expect(lines).toEqual(rows.map(([a, b]) => `${a.padEnd(width)}  ${b}`))
      }),
    )
  })
})

describe('a bar', () => {
  it.each([
    [0, 10, '░░░░   0 %'],
    [5, 10, '██░░  50 %'],
    [10, 10, '████ 100 %'],
    [20, 10, '████ 100 %'],
    [0, 0, '░░░░   0 %'],
    [999, 1000, '████  99 %'],
  ])('of %i in %i is %s', (done, of, text) => {
    expect(bar(done, of, 4)).toBe(text)
  })
})

describe('a line chart', () => {
  it.each([
    ['falls as the values do', [8, 7, 6, 5, 4, 3, 2, 1], '█▇▆▅▄▃▂▁'],
    ['is flat for equal values', [3, 3, 3], '▁▁▁'],
    ['is one block for one value', [3], '▁'],
    ['is empty for none', [], ''],
  ])('%s', (_why, values, text) => {
    expect(sparkline(values)).toBe(text)
  })

  it('is never wider than it may be', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true })), (values) => {
        expect([...sparkline(values, 10)].length).toBe(Math.min(10, values.length))
      }),
    )
  })
})
