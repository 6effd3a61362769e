import { secondsBetween } from '../lib/clock.ts'
import type { Account } from './account.ts'
import { launchSession } from './launch-session.ts'
import type { Run } from './run.ts'
import { type Session, silenceSeconds } from './session.ts'
import { endOf } from './session-end.ts'
import type { Observed, SessionProvider } from './session-provider.ts'
import { isUsed, type TickPorts } from './tick-ports.ts'

/** A quiet session is asked about at its provider no more often than this. */
const askEverySeconds = 15
/** So much of the end of a log is kept with a session that failed. */
const tailChars = 4000

/** One look at an open session: what its provider says of it, and what follows from its silence. */
export async function followSession(
  ports: TickPorts,
  session: Session,
  run: Run | undefined,
  account: Account,
  provider: SessionProvider,
): Promise<void> {
  const now = ports.now()
  const overdue = isOverdue(session, now)
  if (!isUsed(ports, account)) {
    // Nobody may be asked about it here: it ends by the clock alone.
    if (session.state !== 'planned' && !overdue) return
    const outcome = session.state === 'planned' ? 'cancelled' : 'lost'
    await ports.store.endSession(
      session.id,
      endOf(outcome, 'its account is not used here any more'),
    )
    return
  }
  if (!overdue && (session.state === 'planned' || session.state === 'launching')) {
    if (run) await launchSession(ports, session, run, account, provider)
    return
  }
  if (session.state === 'awaiting_person') {
    await waitForPerson(ports, session)
    return
  }
  if (session.sealed) {
    await followSealed(ports, session, account, provider)
    return
  }
  const silent = silentSeconds(session, now)
  if (!provider.tells(account) && session.enrolledAt && silent > silenceSeconds(session)) {
    const reason = `three heartbeats missed, and ${provider.name} does not tell more`
    await ports.store.endSession(session.id, endOf('lost', reason))
    return
  }
  const enrolling = session.state === 'starting' && session.enrolledAt === null
  if (!enrolling && !overdue && silent <= silenceSeconds(session)) return
  if (!isDue(session, now)) return

  const seen = await provider.observe(account, session.name, session.handle)
  await ports.store.markChecked(session.id)
  await concludeSession(ports, session, account, provider, seen, overdue)
}

/** Seconds since its last sign of life, or since it was sent off. */
const silentSeconds = (session: Session, now: Date): number =>
  secondsBetween(session.heardAt ?? session.launchedAt ?? session.createdAt, now)

/** Whether it has said nothing for so long after its deadline that it has none any more. */
const isOverdue = (session: Session, now: Date): boolean =>
  session.deadlineAt !== null && secondsBetween(session.deadlineAt, now) > silenceSeconds(session)

/** Whether its provider may be asked again. */
function isDue(session: Session, now: Date): boolean {
  const asked = secondsBetween(session.checkedAt ?? session.createdAt, now)
  return asked < 0 || asked >= Math.min(askEverySeconds, session.heartbeatSeconds / 2)
}

/** A sealed session is heard through its log alone; what it stored without a word is taken in before it is given up. */
async function followSealed(
  ports: TickPorts,
  session: Session,
  account: Account,
  provider: SessionProvider,
): Promise<void> {
  if (!isDue(session, ports.now())) return
  await ports.store.markChecked(session.id)
  const heard = await ports.sealed.follow(session, account, provider)
  if (heard.endedAt) return
  // Asked only now: its first word, after a long queue, sets the deadline anew.
  const overdue = isOverdue(heard, ports.now())
  const silent = silentSeconds(heard, ports.now())
  if (!overdue && heard.enrolledAt && silent <= silenceSeconds(heard)) return
  const seen = await provider.observe(account, session.name, session.handle)
  if (!overdue && seen.kind !== 'ended' && seen.kind !== 'absent') return
  // It may have ended between the two looks: its last words are there now.
  const last = await ports.sealed.follow(heard, account, provider)
  if (last.endedAt) return
  await ports.sealed.collect(last)
  await concludeSession(ports, last, account, provider, seen, overdue)
}

/** After nobody came, the same person is not asked again for so long. */
const absentHoldSeconds = 3600

/** A person is reminded once, at half time, and given up at the end of it. */
async function waitForPerson(ports: TickPorts, session: Session): Promise<void> {
  const now = ports.now()
  if (!session.expiresAt || !session.launchedAt) return
  if (now >= session.expiresAt) {
    const holdUntil = new Date(now.getTime() + absentHoldSeconds * 1000)
    const reason = 'nobody opened its link in time'
    await ports.store.endSession(session.id, endOf('expired', reason, { holdUntil }))
    return
  }
  const half = (session.launchedAt.getTime() + session.expiresAt.getTime()) / 2
  if (now.getTime() >= half) await ports.store.remind(session.id)
}

async function concludeSession(
  ports: TickPorts,
  session: Session,
  account: Account,
  provider: SessionProvider,
  seen: Observed,
  overdue: boolean,
): Promise<void> {
  if (overdue) {
    // The provider's own cap has passed too: what still runs there is a zombie, fenced off from here on.
    await provider.kill(account, session.name)
    await ports.store.endSession(session.id, endOf('lost', 'silent past its deadline'))
    return
  }
  if (seen.kind === 'unknown' || seen.kind === 'queued' || seen.kind === 'running') return
  const sent = secondsBetween(session.launchedAt ?? session.createdAt, ports.now())
  if (seen.kind === 'absent' && sent < provider.appearsWithinSeconds) return
  const logTail = await provider.logTail(account, session.name, tailChars)
  // The notebook's own report may have arrived while the provider was asked: the first end counts.
  if (session.enrolledAt === null) {
    const what = seen.kind === 'ended' ? 'ended before it reached this service' : 'is not there'
    const message = (seen.kind === 'ended' && seen.message) || `the session ${what}`
    const failure = { class: 'notebook_bug' as const, message, line: null }
    await ports.store.endSession(session.id, endOf('failed', message, { failure, logTail }))
    return
  }
  const silent = 'three heartbeats missed'
  if (seen.kind === 'ended' && seen.failed) {
    const why = seen.message ? `${silent}; ${provider.name} says: ${seen.message}` : silent
    await ports.store.endSession(session.id, endOf('preempted', why, { logTail }))
    return
  }
  await ports.store.endSession(
    session.id,
    endOf('lost', `${silent}, and ${provider.name} no longer runs it`, { logTail }),
  )
}
