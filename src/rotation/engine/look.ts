import { secondsBetween } from '../../lib/clock.ts'
import type { Account } from '../account.ts'
import { type Session, silenceSeconds } from '../session.ts'
import { endOf } from '../session-end.ts'
import type { Draft } from './changes.ts'
import { endSession } from './end-session.ts'
import type { Effect, Surroundings } from './input.ts'
import { remind } from './launching.ts'
import type { RotationState } from './state.ts'

/** A quiet session is asked about at its provider no more often than this. */
const askEverySeconds = 15

/** Accounts of the emulators are never shown to a real provider, nor the other way round. */
export const isUsed = (around: Pick<Surroundings, 'emulated'>, account: Account): boolean =>
  account.provider === 'local' || account.emulated === around.emulated

/** One look at every open session: what follows from the clock alone, and who has to be asked. */
export function look(
  state: RotationState,
  draft: Draft,
  around: Surroundings,
  now: Date,
): Effect[] {
  return [...state.sessions.values()]
    .filter((session) => session.endedAt === null)
    .flatMap((session) => lookAt(state, draft, session, around, now))
}

function lookAt(
  state: RotationState,
  draft: Draft,
  session: Session,
  around: Surroundings,
  now: Date,
): Effect[] {
  const account = state.accounts.get(session.account)
  const provider = around.providers.get(session.provider)
  if (!account || !provider) return []
  const end = (outcome: Parameters<typeof endOf>[0], why: string) => {
    endSession(state, draft, session.id, endOf(outcome, why), now)
    return []
  }
  const overdue = isOverdue(session, now)
  if (!isUsed(around, account)) {
    // Nobody may be asked about it here: it ends by the clock alone.
    if (session.state !== 'planned' && !overdue) return []
    const outcome = session.state === 'planned' ? 'cancelled' : 'lost'
    return end(outcome, 'its account is not used here any more')
  }
  if (!overdue && (session.state === 'planned' || session.state === 'launching')) {
    return [{ kind: 'observe', session }]
  }
  if (session.state === 'awaiting_person') {
    waitForPerson(state, draft, session, now)
    return []
  }
  if (session.sealed) {
    if (!isDue(session, now)) return []
    draft.putSession({ ...session, checkedAt: now })
    return [{ kind: 'follow-sealed', session }]
  }
  const silent = silentSeconds(session, now)
  if (!provider.tells.has(account.name) && session.enrolledAt && silent > silenceSeconds(session)) {
    return end('lost', `three heartbeats missed, and ${provider.name} does not tell more`)
  }
  const enrolling = session.state === 'starting' && session.enrolledAt === null
  if (!enrolling && !overdue && silent <= silenceSeconds(session)) return []
  return isDue(session, now) ? [{ kind: 'observe', session }] : []
}

/** Seconds since its last sign of life, or since it was sent off. */
export const silentSeconds = (session: Session, now: Date): number =>
  secondsBetween(session.heardAt ?? session.launchedAt ?? session.createdAt, now)

/** Whether it has said nothing for so long after its deadline that it has none any more. */
export const isOverdue = (session: Session, now: Date): boolean =>
  session.deadlineAt !== null && secondsBetween(session.deadlineAt, now) > silenceSeconds(session)

/** Whether its provider may be asked again. */
function isDue(session: Session, now: Date): boolean {
  const asked = secondsBetween(session.checkedAt ?? session.createdAt, now)
  return asked < 0 || asked >= Math.min(askEverySeconds, session.heartbeatSeconds / 2)
}

/** After nobody came, the same person is not asked again for so long. */
const absentHoldSeconds = 3600

/** A person is reminded once, at half time, and given up at the end of it. */
function waitForPerson(state: RotationState, draft: Draft, session: Session, now: Date): void {
  if (!session.expiresAt || !session.launchedAt) return
  if (now >= session.expiresAt) {
    const holdUntil = new Date(now.getTime() + absentHoldSeconds * 1000)
    const reason = 'nobody opened its link in time'
    endSession(state, draft, session.id, endOf('expired', reason, { holdUntil }), now)
    return
  }
  const half = (session.launchedAt.getTime() + session.expiresAt.getTime()) / 2
  if (now.getTime() >= half) remind(state, draft, session)
}
