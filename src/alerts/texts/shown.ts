import type { Phrases, Shown } from './told.ts'

/** Times, spans and numbers of a language in a zone. */
export function shownIn({ units, locale }: Pick<Phrases, 'units' | 'locale'>, zone: string): Shown {
  const day: Intl.DateTimeFormatOptions = {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
  }
  const clock: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
  const format = (timeZone: string, options: Intl.DateTimeFormatOptions, at: Date) =>
    new Intl.DateTimeFormat(locale, { timeZone, ...options }).format(at)
  return {
    time(iso) {
      const at = new Date(iso)
      if (Number.isNaN(at.getTime())) return iso
      const here = `${format(zone, { ...day, ...clock }, at)}`
      if (zone === 'UTC') return `${here} UTC`
      const isSameDay = format(zone, day, at) === format('UTC', day, at)
      return `${here} (${format('UTC', isSameDay ? clock : { ...day, ...clock }, at)} UTC)`
    },
    duration(seconds) {
      const whole = Math.max(0, Math.round(seconds))
      const parts = [
        [Math.floor(whole / 86_400), units.day],
        [Math.floor((whole % 86_400) / 3600), units.hour],
        [Math.floor((whole % 3600) / 60), units.minute],
        [whole % 60, units.second],
      ] as const
      const first = parts.findIndex(([count]) => count > 0)
      if (first < 0) return `0 ${units.second}`
      return parts
        .slice(first, first + 2)
        .filter(([count]) => count > 0)
        .map(([count, unit]) => `${count} ${unit}`)
        .join(' ')
    },
    number: (value, digits = 1) =>
      new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value),
  }
}
