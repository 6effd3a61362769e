import { secondsBetween } from '../../lib/clock.ts'
import { type Session, silenceSeconds } from '../session.ts'

/**
 * The session of the same policy in whose favour this one may leave: begun later, ready and reachable by its own last word,
 * heard of within three heartbeats, and with more time left. Undefined while there is none, so that no node goes before another answers; of
 * two sessions at most one finds the other.
 */
export const successorOf = (
  session: Session,
  all: Iterable<Session>,
  now: Date,
): Session | undefined =>
  [...all].find(
    (other) =>
      other.runId === session.runId &&
      other.endedAt === null &&
      other.node !== null &&
      other.node.tunnel !== 'down' &&
      other.createdAt > session.createdAt &&
      isAfter(other.deadlineAt, session.deadlineAt) &&
      other.heardAt !== null &&
      secondsBetween(other.heardAt, now) <= silenceSeconds(other),
  )

const isAfter = (one: Date | null, other: Date | null): boolean =>
  one !== null && other !== null && one > other
