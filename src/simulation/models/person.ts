import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMinutes = 24 * 60

/** What somebody who was sent a link does with it. */
export interface Visit {
  /** When they open it and press Run all; null for never. */
  readonly opensMs: number | null
  /** When they press it once more; null for not at all. */
  readonly againMs: number | null
}

export interface Person {
  /** What becomes of a link that reaches them at that moment. */
  asked(nowMs: number): Visit
}

/** Somebody who answers while awake, mostly; by name, so that everybody has luck of their own. */
export function person(seed: number, faults: Faults, name: string, zone: string): Person {
  const random = stream(seed, `person/${name}`)
  const clock = wallClock(zone)
  const fromMinute = faults.personFromHour * 60
  const untilMinute = faults.personToHour * 60

  const isAwake = (minute: number): boolean =>
    fromMinute < untilMinute
      ? minute >= fromMinute && minute < untilMinute
      : minute >= fromMinute || minute < untilMinute

  /** The first moment from then on at which they are awake. */
  function whenAwake(ms: number): number {
    const minute = clock(ms)
    if (isAwake(minute)) return ms
    const wakes = ms + ((fromMinute - minute + dayMinutes) % dayMinutes) * minuteMs
    // Where the clocks change in the night, it is another hour by then.
    const off = clock(wakes) - fromMinute
    return Math.abs(off) <= 120 ? wakes - off * minuteMs : wakes
  }

  return {
    asked(nowMs) {
      // Every number is drawn for every link, whatever is done with it.
      const never = random.chance(faults.personNeverShare)
      const late = random.chance(faults.personLateShare)
      const again = random.chance(faults.personAgainShare)
      const answerMs = random.logNormal(faults.personMinutes, faults.personSpread) * minuteMs
      const lateMs = random.exponential(faults.personLateHours) * hourMs
      const againMs = random.exponential(faults.personAgainMinutes) * minuteMs
      const risesMs = random.uniform(0, 30) * minuteMs
      if (never) return { opensMs: null, againMs: null }
      const wanted = nowMs + answerMs + (late ? lateMs : 0)
      const awake = whenAwake(wanted)
      // Who was woken by nothing looks at the mail some time after rising.
      const opensMs = awake === wanted ? wanted : awake + risesMs
      return { opensMs, againMs: again ? opensMs + againMs : null }
    },
  }
}

/** The minute of the day in that zone. */
function wallClock(zone: string): (ms: number) => number {
  if (zone === 'UTC') return (ms) => Math.floor(ms / minuteMs) % dayMinutes
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    hour: 'numeric',
    minute: 'numeric',
  })
  return (ms) => {
    let minute = 0
    for (const { type, value } of format.formatToParts(ms)) {
      if (type === 'hour') minute += Number(value) * 60
      if (type === 'minute') minute += Number(value)
    }
    return minute
  }
}
