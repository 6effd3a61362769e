import type { Session } from '../rotation/session.ts'

/** What a stop of a run with that session, if it has one, will really bring; of a policy with such a one. */
export function stopMessage(session: Session | undefined): string {
  if (!session) return 'no session is running: the run stops at once'
  const where = `session ${session.generation} on ${session.account}`
  if (session.sealed) return `${where} ${sealedUntil(session)}: this session takes no orders`
  if (!session.enrolledAt) return `${where} has not reached this service yet: it stops when it does`
  const last = session.serves ? 'ends the answers that are under way' : 'takes a checkpoint'
  return `${where} ${last} and stops at its next heartbeat, within ${session.heartbeatSeconds} s`
}

/** When a session that nobody can stop will stop, and what that costs. */
function sealedUntil({ deadlineAt, plannedSeconds }: Session): string {
  const hours = plannedSeconds / 3600
  const booked = hours < 1 ? `${Math.ceil(hours * 60)} min booked` : `${hours.toFixed(1)} h booked`
  // In the zone of the service's machine, as its log tells times.
  return deadlineAt
    ? `runs until ${clockTime(deadlineAt)}, ${booked}`
    : `is being launched, ${booked}`
}

const clockTime = (date: Date): string =>
  `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`
