import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { windowSpans } from '../../src/rotation/planner/windows.ts'
import { readWindow, windowWords } from '../../src/rotation/serving-windows.ts'
import { isZone } from '../../src/rotation/zone.ts'

const zone = 'Europe/Lisbon'
const read = (text: string) => {
  const found = readWindow(text, zone)
  return found.kind === 'window' ? found.window : found.why
}

describe('a window as people write it', () => {
  it.each([
    ['mon-fri 09:00-18:00', [1, 2, 3, 4, 5], 9, 18],
    ['sat,sun 10:00-14:30', [0, 6], 10, 14.5],
    ['mon,wed-fri 8:15-9:45', [1, 3, 4, 5], 8.25, 9.75],
    ['fri-mon 00:00-24:00', [0, 1, 5, 6], 0, 24],
    ['daily 22:00-06:00', [0, 1, 2, 3, 4, 5, 6], 22, 6],
    ['  SUN   18:00-00:00 ', [0], 18, 0],
  ])('%s is read', (text, weekdays, fromHour, toHour) => {
    expect(read(text)).toEqual({ weekdays, fromHour, toHour, zone })
  })

  it.each([
    ['', 'is not days and hours with one space between them'],
    ['mon-fri', 'is not days and hours'],
    ['mon-fri 09:00-18:00 10:00-11:00', 'is not days and hours'],
    ['monday 09:00-18:00', '"monday" are no days: they are mon, tue, wed, thu, fri, sat, sun and'],
    ['mon-wed-fri 09:00-18:00', '"mon-wed-fri" are no days'],
    ['mon, 09:00-18:00', '"" are no days'],
    ['mon-wed,tue 09:00-18:00', 'tue is named twice'],
    ['mon 9-18', '"9" is no time of day from 00:00 to 23:59'],
    ['mon 09:00', '"09:00" are no two times of day with a hyphen between them'],
    ['mon 24:00-25:00', '"24:00" is no time of day from 00:00 to 23:59'],
    ['mon 09:60-18:00', '"09:60" is no time of day'],
    ['mon 09:00-24:01', '"24:01" is no time of day from 00:00 to 24:00'],
    ['mon 09:00-09:00', 'begins and ends at once (a whole day is 00:00-24:00)'],
  ])('%j is refused with its reason', (text, why) => {
    expect(read(text)).toContain(why)
  })

  it('is told as it would be read', () => {
    expect(windowWords('always')).toBe('always')
    const minute = fc.integer({ min: 0, max: 1439 })
    const window = fc
      .tuple(fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 }), minute, minute)
      .filter(([, from, to]) => from !== to)
      .map(([weekdays, from, to]) => ({ weekdays, fromHour: from / 60, toHour: to / 60, zone }))
    fc.assert(
      fc.property(window, (one) => {
        const words = windowWords([one])
        expect(words.endsWith(` ${zone}`)).toBe(true)
        expect(read(words.slice(0, -zone.length - 1))).toEqual(one)
      }),
    )
  })

  it('over midnight ends on the next morning, also where clocks change, to the minute', () => {
    const window = readWindow('sat 22:20-06:40', zone)
    if (window.kind !== 'window') throw new Error(window.why)
    // Clocks go back on Sunday, 2026-10-25, at 2 o'clock: the night has an hour more.
    const [from, to] = [Date.parse('2026-10-19T00:00:00Z'), Date.parse('2026-10-26T00:00:00Z')]
    expect(windowSpans({ windows: [window.window] }, from, to)).toEqual([
      { fromMs: Date.parse('2026-10-24T21:20:00Z'), toMs: Date.parse('2026-10-25T06:40:00Z') },
    ])
  })

  it('begins at whole milliseconds, whatever its minutes', () => {
    for (let minute = 0; minute < 1440; minute += 1) {
      const windows = [{ weekdays: [1], fromHour: minute / 60, toHour: 24, zone: 'UTC' }]
      const [span] = windowSpans({ windows }, 0, 7 * 86_400_000)
      expect(span?.fromMs).toBe((4 * 1440 + minute) * 60_000)
    }
  })
})

it.each([
  ['Europe/Lisbon', true],
  ['UTC', true],
  ['Lisbon', false],
  ['+01:00', false],
  ['', false],
])('%j is a time zone: %j', (name, is) => expect(isZone(name)).toBe(is))
