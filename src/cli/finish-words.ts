import type { Finish } from '../api/schemas.ts'
import { clockOf, dateOf } from './wall-time.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** When something will be done and how far that may be off: `Thursday 26 November, ± 1 day`, to the hour or minute where it is near. */
export function finishWords(finish: Finish, now: Date, zone: string): string {
  const likely = new Date(finish.likely)
  const spreadMs = Math.max(
    Date.parse(finish.latest) - likely.getTime(),
    likely.getTime() - Date.parse(finish.earliest),
  )
  const day = dateOf(likely, now, zone)
  if (spreadMs >= dayMs / 2) return `${day}, ± ${count(spreadMs / dayMs, 'day')}`
  const when = `${day === dateOf(now, now, zone) ? 'today' : day}, about ${clockOf(likely, zone)}`
  return spreadMs >= 1.5 * hourMs
    ? `${when}, ± ${count(spreadMs / hourMs, 'hour')}`
    : `${when}, ± ${count(spreadMs / minuteMs, 'minute')}`
}

function count(value: number, unit: string): string {
  const whole = Math.max(1, Math.round(value))
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`
}
