import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { describePlan } from '../../src/cli/describe-plan.ts'
import { drawWeek } from '../../src/cli/draw-week.ts'
import { finishWords } from '../../src/cli/finish-words.ts'
import { stretches } from '../../src/cli/wall-time.ts'
import { week } from './plan-fixture.ts'

const plain = (columns: number, zone = 'UTC') => ({ columns, hasColours: false, zone })
const drawn = (columns: number, zone?: string) => drawWeek(week, plain(columns, zone)).join('\n')

describe('the week as a drawing', () => {
  it('has three hours in a column at 80 characters: rows, bars, resets, what is left', () => {
    expect(`\n${drawn(80)}`).toMatchInlineSnapshot(`
      "
                    Mon 23  Tue 24  Wed 25  Thu 26  Fri 27  Sat 28          LEFT
                ▼ now, 14:20
      ana       A██A▒▒·····································|A▒▒·········· 11.3 h
      ana-colab B▒··|····················································  3.0 h
      here      ··C≡B▒▒▒················································· 20.0 h
                ····|··C·················································"
    `)
  })

  it('has two hours in a column where that fits, in the days of another zone', () => {
    expect(`\n${drawn(110, 'America/Sao_Paulo')}`).toMatchInlineSnapshot(`
      "
                Sun 22 Mon 23      Tue 24      Wed 25      Thu 26      Fri 27      Sat 28               LEFT
                ▼ now, 11:20
      ana       A██A▒▒▒▒························································|A▒▒▒▒··············· 11.3 h
      ana-colab B▒···|···············································································  3.0 h
      here      ··C≡≡|B▒▒▒▒▒········································································· 20.0 h
                ·····|·····C·········································································"
    `)
  })

  it('has an hour in a column of a wide terminal, so that each bar is as long as its session', () => {
    const rows = drawWeek(week, plain(200))
    expect(rows.find((row) => row.startsWith('ana '))).toContain('A████A▒▒▒▒▒▒▒▒·')
    expect(rows.find((row) => row.startsWith('here'))).toContain('····C≡≡≡≡≡B▒▒▒▒▒▒▒▒▒▒▒·')
  })

  it.each([30, 60, 79, 80, 81, 100, 120, 181, 182, 250])(
    'is never wider than %i characters',
    (columns) => {
      for (const line of drawWeek(week, plain(columns))) {
        expect([...line].length).toBeLessThanOrEqual(columns)
      }
    },
  )

  it('is the same with colours, but for them', () => {
    const colourful = { columns: 80, hasColours: true, zone: 'UTC' }
    const text = describePlan(week, colourful, true)
    expect(text).toContain('\u001b[')
    expect(stripVTControlCharacters(text)).toBe(describePlan(week, plain(80), true))
    expect(describePlan(week, plain(80), true)).not.toContain('\u001b')
  })

  it('gives sessions that overlap rows of their own', () => {
    const rows = drawWeek(week, plain(200))
    const here = rows.findIndex((row) => row.startsWith('here'))
    expect(rows[here + 1]).toMatch(/^ {10}[·|]+C·+$/)
    expect(rows).toHaveLength(here + 2)
  })
})

describe('the plan in words', () => {
  it('lists sessions, waits and finishes, no line longer than the terminal', () => {
    const text = describePlan(week, plain(80), false)
    for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(80)
    expect(`\n${text.slice(text.indexOf('A support'))}\n`).toMatchInlineSnapshot(`
      "
      A support   B pira   C node
      █ under way   ▒ planned   ≡ serving   | the week's hours begin anew
      Emulated: ana, ana-colab.

      Sessions:
        A  Sun 22 10:00 to 19:00  support on ana: 9.0 h, some 450 steps; under way
        B  Sun 22 14:20 to 16:20  pira on ana-colab: 2.0 h, some 100 steps; waits for
             ana to open its link
        C  Sun 22 18:00 to Mon 23 00:00  node is served on here: 6.0 h
        A  Sun 22 19:00 to Mon 23 03:54  support on ana: 8.9 h, some 445 steps
        B  Mon 23 00:00 to 12:00  pira on here: 12.0 h, some 600 steps
        C  Mon 23 11:30 to 12:00  node is served on here: 30 min
        A  Sat 28 00:00 to 09:00  support on ana: 9.0 h, some 450 steps

      Waiting now:
        later: ana: busy with another session; until Mon 23 Nov 04:00
        gated: its base wants a licence to be accepted

      Done:
        support: Saturday 28 November, ± 1 day
        pira: Monday 23 November, about 11:40, ± 4 hours
        later: not to be said, nothing of it is planned

      Wanted and served by nobody:
        node: 2.5 h
      "
    `)
  })

  it('tells of each planned session what bound it and who would have been next', () => {
    const text = describePlan(week, plain(120), true)
    expect(text).toContain(
      'support on ana: 8.9 h, some 445 steps\n     bound by the longest session that ana takes; next would have been here\n',
    )
    expect(text).toContain(
      'bound by the steps that run pira still needs; no other account could have taken it\n',
    )
    expect(describePlan(week, plain(120), false)).not.toContain('bound by')
  })

  it('says what to do where there is no account', () => {
    const none = { ...week, accounts: [], stays: [], finishes: {}, unservedHours: {} }
    const text = describePlan(none, plain(80), false)
    expect(text).toMatch(/^No account lends GPU time: add one with rodizio accounts add\.\n/)
    expect(text).toContain('gated: its base wants a licence')
  })

  it('says so where nothing is planned', () => {
    expect(describePlan({ ...week, stays: [] }, plain(80), false)).toContain(
      'No session is planned.',
    )
  })
})

describe('when something will be done', () => {
  const now = new Date('2026-11-22T14:20:00Z')
  const finish = (likely: string, earliest: string, latest: string) => ({
    likely: `${likely}:00.000Z`,
    earliest: `${earliest}:00.000Z`,
    latest: `${latest}:00.000Z`,
  })
  it.each([
    ['2026-11-26T10:00', '2026-11-25T10:00', '2026-11-27T09:00', 'Thursday 26 November, ± 1 day'],
    ['2026-11-26T10:00', '2026-11-25T10:00', '2026-11-28T09:00', 'Thursday 26 November, ± 2 days'],
    ['2026-11-26T10:00', '2026-11-25T22:00', '2026-11-26T12:00', 'Thursday 26 November, ± 1 day'],
    [
      '2026-11-26T10:00',
      '2026-11-26T08:00',
      '2026-11-26T13:00',
      'Thursday 26 November, about 10:00, ± 3 hours',
    ],
    [
      '2026-11-22T16:00',
      '2026-11-22T15:00',
      '2026-11-22T16:20',
      'today, about 16:00, ± 60 minutes',
    ],
    ['2026-11-22T14:22', '2026-11-22T14:22', '2026-11-22T14:22', 'today, about 14:22, ± 1 minute'],
    [
      '2027-02-03T10:00',
      '2027-01-20T10:00',
      '2027-03-03T10:00',
      'Wednesday 3 February 2027, ± 28 days',
    ],
  ])('%s (%s to %s) is %s', (likely, earliest, latest, words) => {
    expect(finishWords(finish(likely, earliest, latest), now, 'UTC')).toBe(words)
  })

  it('is a day of the zone that is asked for', () => {
    const late = finish('2026-11-26T01:00', '2026-11-25T01:00', '2026-11-27T01:00')
    expect(finishWords(late, now, 'America/Sao_Paulo')).toBe('Wednesday 25 November, ± 1 day')
  })
})

describe('stretches of a day', () => {
  it.each([
    ['25 hours where the clocks go back', '2026-10-25', 25],
    ['23 hours where they go forward', '2026-03-29', 23],
    ['24 hours else', '2026-06-01', 24],
  ])('%s', (_why, day, hours) => {
    const from = new Date(Date.parse(`${day}T12:00:00Z`) - 14 * 3_600_000)
    const all = stretches(from, new Date(from.getTime() + 30 * 3_600_000), 24, 'Europe/Berlin')
    const midnights = all.map((at) => at.getTime())
    const lengths = midnights.slice(1).map((at, i) => (at - (midnights[i] ?? 0)) / 3_600_000)
    expect(lengths).toContain(hours)
  })

  it('begin with the one that holds the first moment', () => {
    const from = new Date('2026-11-22T14:20:00Z')
    const until = new Date('2026-11-22T22:00:00Z')
    expect(stretches(from, until, 3, 'UTC').map((at) => at.toISOString().slice(11, 16))).toEqual([
      '12:00',
      '15:00',
      '18:00',
      '21:00',
    ])
  })
})
