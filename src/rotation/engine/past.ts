import { secondsBetween } from '../../lib/clock.ts'
import type { Session } from '../session.ts'
import type { Launch, Sample } from './state.ts'

/** So many past sessions are looked at: enough for the newest five of each of a few accounts. */
export const mostPast = 20

/** How long its person took to come, in seconds: a session that waited for one is launched then. Empty of any other. */
export const answersOf = ({ createdAt, launchedAt, enrolledAt }: Session): number[] =>
  enrolledAt && launchedAt ? [secondsBetween(createdAt, launchedAt)] : []

/** What a session that took a step says of the next one; null of any other. */
export function sampleOf(session: Session): Sample | null {
  const { trainingAt, launchedAt, endedAt, heardAt } = session
  const last = endedAt && heardAt && heardAt < endedAt ? heardAt : endedAt
  if (!trainingAt || !launchedAt || !last) return null
  return {
    account: session.account,
    steps: session.toStep - session.fromStep,
    seconds: Math.max(0, secondsBetween(trainingAt, last)),
    startSeconds: Math.max(0, secondsBetween(launchedAt, trainingAt)),
  }
}

/** Whether a session that is over, or has begun, came to nothing at its launch; null while that is not known. */
export function launchOf(session: Session): Launch | null {
  if (session.endedAt && diedYoung(session))
    return { atMs: session.endedAt.getTime(), failed: true }
  const atMs = session.createdAt.getTime()
  if (session.trainingAt || session.enrolledAt) {
    const failed = session.outcome === 'failed' && session.trainingAt === null
    return { atMs, failed }
  }
  if (!session.endedAt) return null
  // That nobody came, or that the run was stopped, says nothing about the provider.
  if (session.outcome === 'expired' || session.outcome === 'superseded') return null
  return { atMs, failed: true }
}

/** A node that was up for less has come to nothing, for it may do so again and again. */
const leastServedSeconds = 600

const diedYoung = ({ serves, trainingAt, endedAt, outcome }: Session): boolean =>
  serves &&
  (outcome === 'failed' || outcome === 'lost' || outcome === 'preempted') &&
  trainingAt !== null &&
  endedAt !== null &&
  secondsBetween(trainingAt, endedAt) < leastServedSeconds
