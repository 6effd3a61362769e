import { AppError } from '../lib/errors.ts'
import { machineZone } from '../lib/zone.ts'
import { isZone, zoneExamples } from '../rotation/zone.ts'

/** When a person who lends accounts may be asked to do something. */
export interface Person {
  readonly owner: string
  /** IANA, such as `Europe/Lisbon`. */
  readonly zone: string
  /** An hour of the zone's wall clock, 0 to 23. */
  readonly wakingFrom: number
  /** Not included, 24 at most; a smaller one than `wakingFrom` goes over midnight. */
  readonly wakingTo: number
}

/** What was said of a person; the rest stays as it is. */
export interface PersonHours {
  readonly zone?: string | undefined
  readonly waking?: { readonly from: number; readonly to: number } | undefined
}

/** Of whom nothing was said: the zone of the service's machine, from 8 to 23 o'clock. */
export const usualPerson = (owner: string): Person => ({
  owner,
  zone: machineZone(),
  wakingFrom: 8,
  wakingTo: 23,
})

/** @throws AppError `invalid` (`zone_unknown`, `waking_hours`) that names what is wrong */
export function checkHours({ zone, waking }: PersonHours): void {
  if (zone !== undefined) checkZone(zone)
  if (!waking) return
  const { from, to } = waking
  const isHour = (hour: number, most: number) => Number.isInteger(hour) && hour >= 0 && hour <= most
  if (isHour(from, 23) && isHour(to, 24) && from !== to) return
  throw new AppError('invalid', `waking: ${from}-${to} are no waking hours`, {
    code: 'waking_hours',
    next: 'Write two different hours of the day, such as 8-23; 22-6 goes over midnight',
  })
}

/** @throws AppError `invalid` (`zone_unknown`) */
export function checkZone(zone: string): void {
  if (isZone(zone)) return
  throw new AppError('invalid', `zone: there is no time zone ${JSON.stringify(zone)}`, {
    code: 'zone_unknown',
    next: zoneExamples,
  })
}
