import { describe, expect, it } from 'vitest'
import { faultNames, faultTable } from '../../src/simulation/fault-table.ts'
import { builtInFaults, describeFaults, readFaults } from '../../src/simulation/faults.ts'

describe('the built-in sets', () => {
  it.each(['none', 'usual', 'all'] as const)('%s keeps to its own limits', (set) => {
    expect(readFaults('built-in', JSON.stringify({ ...builtInFaults(set) }))).toEqual(
      builtInFaults(set),
    )
  })

  it('go from no fault at all to every one of them', () => {
    const rates = faultNames.filter((name) => /Per[A-Z]|Share$/.test(name))
    expect(rates.length).toBeGreaterThan(20)
    for (const name of rates) {
      const { none, usual, all, most } = faultTable[name]
      expect([name, none]).toEqual([name, 0])
      expect([name, usual > 0, all > usual, most >= all]).toEqual([name, true, true, true])
    }
  })

  it('are described line by line, with unit and source', () => {
    const lines = describeFaults(builtInFaults('usual'))
    expect(lines.map(({ name }) => name)).toEqual(faultNames)
    for (const line of lines) {
      expect(line.what.length).toBeGreaterThan(5)
      expect(line.what).not.toContain('\n')
      expect(line.unit).not.toBe('')
      expect(line.source).not.toBe('given')
    }
    const [first] = describeFaults({ ...builtInFaults('none'), kagglePreemptionsPerGpuHour: 0.7 })
    expect(first).toMatchObject({ figure: 0.7, unit: 'per GPU hour', source: 'given' })
  })
})

it('takes what a file leaves out from the set that it names', () => {
  const faults = readFaults('f.json', '{"from": "all", "launchLostShare": 0.5}')
  expect(faults).toEqual({ ...builtInFaults('all'), launchLostShare: 0.5 })
  expect(readFaults('f.json', '{}')).toEqual(builtInFaults('none'))
})

it.each([
  ['no JSON', '{', /f\.json cannot be used: it is not JSON/],
  ['a list', '[]', /it must be one JSON object/],
  ['an unknown fault', '{"meteors": 1}', /it has no fault named meteors/],
  ['an unknown set', '{"from": "some"}', /from must be one of none, usual, all/],
  [
    'too large',
    '{"launchLostShare": 1.1}',
    /launchLostShare must be a number from 0 to 1 \(share of launches\)/,
  ],
  ['negative', '{"freezeMinutes": -1}', /freezeMinutes must be a number from 0 to/],
  ['no number', '{"freezeMinutes": "5"}', /freezeMinutes must be a number from 0 to/],
  [
    'two at once',
    '{"freezeMinutes": -1, "restartMinutes": -1}',
    /freezeMinutes .*; restartMinutes/,
  ],
  [
    'least above most',
    '{"kaggleLeastHours": 35}',
    /kaggleLeastHours is 35, more than kaggleMostHours, which is 30/,
  ],
  [
    'a spread below one',
    '{"personSpread": 0.5}',
    /personSpread is a factor and must be at least 1, not 0\.5/,
  ],
  ['nobody awake', '{"personFromHour": 9, "personToHour": 9}', /nobody would ever be awake/],
])('refuses a file with %s, and says what is wrong', (_why, text, message) => {
  expect(() => readFaults('f.json', text)).toThrow(message)
  expect(() => readFaults('f.json', text)).toThrow(
    expect.objectContaining({ kind: 'invalid', next: expect.stringContaining('--faults') }),
  )
})
