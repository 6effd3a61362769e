import { zoneOffsetMs } from '../lib/zone.ts'

/** When an account's week begins: weekday 0 is Sunday, hour and weekday in the zone's own wall time. */
export interface WeekReset {
  readonly weekday: number
  readonly hour: number
  readonly zone: string
}

export interface Week {
  readonly start: Date
  readonly end: Date
}

const dayMs = 86_400_000

/** The first instant at which the zone's clocks show that wall time; in a gap, as much later as the gap is long. */
export function instantOf(zone: string, wallMs: number): Date {
  // A day is more than any zone is ahead or behind, so these lie on either side of a change of clocks.
  const before = zoneOffsetMs(zone, new Date(wallMs - dayMs))
  const after = zoneOffsetMs(zone, new Date(wallMs + dayMs))
  const early = new Date(wallMs - before)
  const late = new Date(wallMs - after)
  if (zoneOffsetMs(zone, early) === before) return early
  return zoneOffsetMs(zone, late) === after ? late : early
}

/** The weeks that were asked for last of each reset: the next question is mostly about one of them. */
const known = new WeakMap<WeekReset, Week[]>()
const keptWeeks = 4

/** The week of the account in which `at` lies: 167, 168 or 169 hours, as summer time has it. */
export function weekOf(reset: WeekReset, at: Date): Week {
  const weeks = known.get(reset) ?? []
  for (const week of weeks) if (week.start <= at && at < week.end) return week
  const week = foundWeek(reset, at)
  known.set(reset, [week, ...weeks.slice(0, keptWeeks - 1)])
  return week
}

function foundWeek(reset: WeekReset, at: Date): Week {
  const wall = new Date(at.getTime() + zoneOffsetMs(reset.zone, at))
  const back = (wall.getUTCDay() - reset.weekday + 7) % 7
  let startWall =
    Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate()) -
    back * dayMs +
    reset.hour * 3_600_000
  if (instantOf(reset.zone, startWall) > at) startWall -= 7 * dayMs
  return {
    start: instantOf(reset.zone, startWall),
    end: instantOf(reset.zone, startWall + 7 * dayMs),
  }
}

/** Seconds of [from, to) that fall into each of the account's weeks, in order; whole seconds that sum to the whole. */
export function splitByWeek(
  reset: WeekReset,
  from: Date,
  seconds: number,
): { readonly week: Week; readonly seconds: number }[] {
  const parts: { week: Week; seconds: number }[] = []
  let at = from
  let left = seconds
  while (left > 0) {
    const week = weekOf(reset, at)
    const untilReset = Math.ceil((week.end.getTime() - at.getTime()) / 1000)
    const part = Math.min(left, untilReset)
    parts.push({ week, seconds: part })
    left -= part
    at = week.end
  }
  return parts
}
