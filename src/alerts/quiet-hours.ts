import { wallMs } from '../lib/zone.ts'
import { instantOf } from '../rotation/week.ts'
import type { AlertKind } from './alert.ts'

/** A span of every day in which a channel says nothing but what is excepted. Minutes since midnight of the zone's wall clock. */
export interface QuietHours {
  readonly from: number
  /** Not included; a smaller one than `from` goes over midnight. */
  readonly to: number
  /** IANA, such as `Europe/Lisbon`. */
  readonly zone: string
  /** Kinds that are told all the same. */
  readonly except: readonly AlertKind[]
}

const dayMs = 86_400_000

/** Midnight at the beginning of the zone's day that holds `at`, as wall time in epoch milliseconds. */
export const dayWallMs = (zone: string, at: Date): number =>
  Math.floor(wallMs(zone, at) / dayMs) * dayMs

/** The end of the quiet hours in which `at` lies for a kind of alert; null outside them. */
export function quietUntil(quiet: QuietHours | null, kind: AlertKind, at: Date): Date | null {
  if (!quiet || quiet.from === quiet.to || quiet.except.includes(kind)) return null
  const today = dayWallMs(quiet.zone, at)
  const overMidnight = quiet.to < quiet.from ? dayMs : 0
  for (const day of [today - dayMs, today]) {
    const from = instantOf(quiet.zone, day + quiet.from * 60_000)
    const to = instantOf(quiet.zone, day + overMidnight + quiet.to * 60_000)
    if (from <= at && at < to) return to
  }
  return null
}

/** The first moment after `at` at which the zone's clock shows that minute of its day. */
export function nextAtMinute(zone: string, minute: number, at: Date): Date {
  for (let day = dayWallMs(zone, at); ; day += dayMs) {
    const moment = instantOf(zone, day + minute * 60_000)
    if (moment > at) return moment
  }
}

/** The last moment up to `at` at which the zone's clock showed that minute of its day. */
export const lastAtMinute = (zone: string, minute: number, at: Date): Date => {
  for (let day = dayWallMs(zone, at); ; day -= dayMs) {
    const moment = instantOf(zone, day + minute * 60_000)
    if (moment <= at) return moment
  }
}

/** Minutes since midnight of `HH:MM`; undefined for anything else. */
export function minuteOf(text: string): number | undefined {
  const [, hour, minute] = /^([01]?\d|2[0-4]):([0-5]\d)$/.exec(text) ?? []
  if (hour === undefined || minute === undefined) return undefined
  const found = Number(hour) * 60 + Number(minute)
  return found <= 1440 ? found : undefined
}

/** As `07:05`. */
export const minuteText = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
