import { instantOf } from '../week.ts'
import type { Span } from './plan-input.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
const remembered = new Map<string, Map<number, number>>()
/** Some years of one window in one zone; beyond it the memory begins anew. */
const mostRemembered = 20_000

/**
 * When the zone's clocks first show that hour of that day, in epoch milliseconds; in a gap, as much later as the gap is long.
 * @param day days since 1970-01-01 on the zone's calendar
 * @param hour 24 is the midnight after, 25 the hour that follows it; minutes are a fraction of one
 */
function hourInstant(zone: string, day: number, hour: number): number {
  let ofZone = remembered.get(zone)
  if (!ofZone) {
    ofZone = new Map()
    remembered.set(zone, ofZone)
  }
  const key = day * 64 + hour
  const known = ofZone.get(key)
  if (known !== undefined) return known
  if (ofZone.size >= mostRemembered) ofZone.clear()
  const instant = instantOf(zone, day * dayMs + Math.round(hour * hourMs)).getTime()
  ofZone.set(key, instant)
  return instant
}

/**
 * The spans in which a zone's clocks stand between two hours, cut to [fromMs, toMs), in order and merged where they touch.
 * @param toHour not included; not greater than `fromHour` it is an hour of the next day, so that equal hours are a whole day
 * @param weekdays of the span's beginning, 0 for Sunday; null for every day
 */
export function wallSpans(
  hours: { readonly fromHour: number; readonly toHour: number; readonly zone: string },
  weekdays: readonly number[] | null,
  fromMs: number,
  toMs: number,
): Span[] {
  const spans: Span[] = []
  const overnight = hours.toHour <= hours.fromHour ? 24 : 0
  // A zone's calendar is at most a day beside that of UTC, and a span over midnight began the day before.
  const last = Math.floor(toMs / dayMs) + 1
  for (let day = Math.floor(fromMs / dayMs) - 2; day <= last; day++) {
    if (weekdays && !weekdays.includes((((day + 4) % 7) + 7) % 7)) continue
    const begin = Math.max(fromMs, hourInstant(hours.zone, day, hours.fromHour))
    const end = Math.min(toMs, hourInstant(hours.zone, day, hours.toHour + overnight))
    if (begin < end) spans.push({ fromMs: begin, toMs: end })
  }
  return merged(spans)
}

/** The same time in as few spans as can be, in order. */
export function merged(spans: readonly Span[]): Span[] {
  const sorted = spans.toSorted((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs)
  const out: { fromMs: number; toMs: number }[] = []
  for (const { fromMs, toMs } of sorted) {
    const last = out.at(-1)
    if (last && fromMs <= last.toMs) last.toMs = Math.max(last.toMs, toMs)
    else out.push({ fromMs, toMs })
  }
  return out
}

/** What is left of spans in order when others, in any order, are taken out. */
export function without(spans: readonly Span[], out: readonly Span[]): Span[] {
  let left: Span[] = [...spans]
  for (const hole of out) {
    left = left.flatMap(({ fromMs, toMs }) =>
      hole.toMs <= fromMs || hole.fromMs >= toMs
        ? [{ fromMs, toMs }]
        : [
            { fromMs, toMs: Math.min(toMs, hole.fromMs) },
            { fromMs: Math.max(fromMs, hole.toMs), toMs },
          ].filter((part) => part.fromMs < part.toMs),
    )
  }
  return left
}
