const formats = new Map<string, Intl.DateTimeFormat>()

/** Milliseconds by which the zone's wall time is ahead of UTC at that instant; whole seconds. */
export function zoneOffsetMs(zone: string, at: Date): number {
  if (zone === 'UTC') return 0
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(zone, format)
  }
  const part = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
  const get = (name: Intl.DateTimeFormatPartTypes): number => part.get(name) ?? 0
  const wall = Date.UTC(
    get('year'),
    get('month') - 1,
    get('day'),
    get('hour'),
    get('minute'),
    get('second'),
  )
  return wall - Math.floor(at.getTime() / 1000) * 1000
}

/** The zone's wall time at that instant, as epoch milliseconds of a clock that shows the same in UTC. */
export const wallMs = (zone: string, at: Date): number => at.getTime() + zoneOffsetMs(zone, at)

const isUtcIn = (month: number): boolean => new Date(2026, month, 1).getTimezoneOffset() === 0

/**
 * The time zone of this machine by its IANA name. Where its clock shows UTC in winter and summer that is what it is called, so that
 * a machine in UTC never loads the engine's tables of languages and calendars, nearly 9 MB of a bare
 * process (Node 24.21: `process.memoryUsage.rss()` with `Intl.DateTimeFormat()` called before, and without).
 */
export const machineZone = (): string =>
  isUtcIn(0) && isUtcIn(6) ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone
