import { instantOf } from '../rotation/week.ts'

const formats = new Map<string, Intl.DateTimeFormat>()

function format(zone: string, options: Intl.DateTimeFormatOptions, at: Date | number): string {
  const key = `${zone} ${JSON.stringify(options)}`
  const known =
    formats.get(key) ??
    new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options })
  formats.set(key, known)
  // Without commas: "Thursday 26 November".
  return known.format(at).replaceAll(',', '')
}

const clock = { hour: '2-digit', minute: '2-digit' } as const

/** The time zone of this machine. */
export const localZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone

/** As `13:05`. */
export const clockOf = (at: Date, zone: string): string => format(zone, clock, at)

/** As `Thu 26`, or shorter as `Thu`. */
export const dayOf = (at: Date, zone: string, isShort = false): string =>
  format(zone, isShort ? { weekday: 'short' } : { weekday: 'short', day: 'numeric' }, at)

/** As `Thu 26 Nov 13:05`. */
export const momentOf = (at: Date, zone: string): string =>
  `${format(zone, { weekday: 'short', day: 'numeric', month: 'short' }, at)} ${clockOf(at, zone)}`

/** As `Thursday 26 November`; with its year where that is not the one of `now`. */
export function dateOf(at: Date, now: Date, zone: string): string {
  const yearOf = (date: Date) => format(zone, { year: 'numeric' }, date)
  const day = format(zone, { weekday: 'long', day: 'numeric', month: 'long' }, at)
  return yearOf(at) === yearOf(now) ? day : `${day} ${yearOf(at)}`
}

/** Every moment at which the zone's clocks begin a stretch of so many hours of their day, from the one that holds `from` on. */
export function stretches(from: Date, until: Date, hours: number, zone: string): Date[] {
  const [day = 1, month = 1, year = 1970] = format(
    zone,
    { year: 'numeric', month: '2-digit', day: '2-digit' },
    from,
  )
    .split('/')
    .map(Number)
  const found: Date[] = []
  const firstMs = Date.UTC(year, month - 1, day)
  for (let wallMs = firstMs; ; wallMs += hours * 3_600_000) {
    const at = instantOf(zone, wallMs)
    if (at >= until) return found
    if (at <= from) found.length = 0
    // In a gap of the clocks two stretches begin at once.
    if (found.at(-1)?.getTime() !== at.getTime()) found.push(at)
  }
}
