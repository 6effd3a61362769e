import type { ServingWindow } from './planner/plan-input.ts'
import type { ServingPolicy } from './run.ts'

/** A window as it was written, or what is wrong with it. */
export type ReadWindow =
  | { readonly kind: 'window'; readonly window: ServingWindow }
  | { readonly kind: 'wrong'; readonly why: string }

/** How a window is written. */
export const windowExamples =
  '"mon-fri 09:00-18:00", "sat,sun 10:00-14:30", "daily 22:00-06:00" (until the next morning) or always'

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
const wrong = (why: string): ReadWindow => ({ kind: 'wrong', why })

/**
 * A weekly window as people write it: days, a space, from hour to hour. An end that is not after the beginning is one of the
 * next day; `24:00` is midnight.
 */
export function readWindow(text: string, zone: string): ReadWindow {
  const [dayText, hourText, ...more] = text.trim().toLowerCase().split(/\s+/)
  if (!dayText || !hourText || more.length > 0) {
    return wrong(`${JSON.stringify(text)} is not days and hours with one space between them`)
  }
  const weekdays = dayText === 'daily' ? days.map((_, day) => day) : readDays(dayText)
  if (typeof weekdays === 'string') return wrong(weekdays)
  const [, from, to] = /^([^-]+)-([^-]+)$/.exec(hourText) ?? []
  if (from === undefined || to === undefined) {
    return wrong(`${JSON.stringify(hourText)} are no two times of day with a hyphen between them`)
  }
  const fromHour = readHour(from)
  const toHour = readHour(to)
  if (fromHour === undefined || fromHour === 24) {
    return wrong(`${JSON.stringify(from)} is no time of day from 00:00 to 23:59`)
  }
  if (toHour === undefined) {
    return wrong(`${JSON.stringify(to)} is no time of day from 00:00 to 24:00`)
  }
  if (fromHour === toHour) {
    return wrong(`${from}-${to} begins and ends at once (a whole day is 00:00-24:00)`)
  }
  return { kind: 'window', window: { weekdays, fromHour, toHour, zone } }
}

/** Weekdays in their order of the week, 0 for Sunday; or what is wrong. */
function readDays(text: string): number[] | string {
  const found = new Set<number>()
  for (const part of text.split(',')) {
    const [first = '', last = first, ...more] = part.split('-')
    const [from, to] = [first, last].map((name) => (days as readonly string[]).indexOf(name))
    if (from === undefined || to === undefined || from < 0 || to < 0 || more.length > 0) {
      return `${JSON.stringify(part)} are no days: they are ${days.slice(1).join(', ')}, sun and daily`
    }
    for (let day = from; ; day = (day + 1) % 7) {
      if (found.has(day)) return `${days[day]} is named twice`
      found.add(day)
      if (day === to) break
    }
  }
  return [...found].toSorted((a, b) => a - b)
}

/** Hours of the day, with minutes as their fraction. */
function readHour(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? []
  const hour = (Number(hours) * 60 + Number(minutes)) / 60
  return Number(minutes) < 60 && hour <= 24 ? hour : undefined
}

/** Windows as `readWindow` reads them, each with its zone; `always`. */
export const windowWords = (windows: ServingPolicy['windows']): string =>
  windows === 'always' ? 'always' : windows.map(oneWindow).join('; ')

function oneWindow({ weekdays, fromHour, toHour, zone }: ServingWindow): string {
  return `${dayWords(weekdays)} ${clock(fromHour)}-${clock(toHour)} ${zone}`
}

/** Monday first; three or more in a row as a span. */
function dayWords(weekdays: readonly number[]): string {
  const order = [1, 2, 3, 4, 5, 6, 0].filter((day) => weekdays.includes(day))
  if (order.length === 7) return 'daily'
  const spans: number[][] = []
  for (const day of order) {
    const last = spans.at(-1)
    if (last && (last.at(-1) ?? 0) + 1 === (day === 0 ? 7 : day)) last.push(day)
    else spans.push([day])
  }
  return spans
    .flatMap((span) =>
      span.length < 3
        ? span.map((day) => days[day] ?? '')
        : [`${days[span[0] ?? 0]}-${days[span.at(-1) ?? 0]}`],
    )
    .join(',')
}

function clock(hour: number): string {
  const minutes = Math.round(hour * 60)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
