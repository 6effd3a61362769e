import { secondsBetween } from '../lib/clock.ts'
import type { Account } from './account.ts'
import type { Run } from './run.ts'
import type { Session } from './session.ts'
import { endOf } from './session-end.ts'
import type { SessionProvider } from './session-provider.ts'
import type { TickPorts } from './tick-ports.ts'

/** A launch that no answer confirms is tried again for so long, then another account has its turn. */
const launchWithinSeconds = 120
const launchHoldSeconds = 600

/** Brings a planned session to its provider, once: status first, then push. Repeated until an answer confirms it. */
export async function launchSession(
  ports: TickPorts,
  session: Session,
  run: Run,
  account: Account,
  provider: SessionProvider,
): Promise<void> {
  const { store } = ports
  if (run.stopAsked) {
    const seen = await provider.observe(account, session.name, session.handle)
    const sent = session.launchedAt
    const mayAppear = sent && secondsBetween(sent, ports.now()) < provider.appearsWithinSeconds
    if (session.state === 'planned' || (seen.kind === 'absent' && !mayAppear)) {
      await store.endSession(
        session.id,
        endOf('cancelled', 'the run was stopped before it started'),
      )
      return
    }
  }
  // Status first, then push: a second push would start a second session.
  const seen = await provider.observe(account, session.name, session.handle)
  await store.markChecked(session.id)
  const isPersons = account.automation === 'person'
  if (isPersons && seen.kind === 'queued') {
    await store.markAwaiting(session.id, seen.handle, personUntil(ports))
    return
  }
  if (seen.kind === 'queued' || seen.kind === 'running') {
    await store.markStarted(session.id, seen.handle)
    return
  }
  if (seen.kind === 'ended') {
    await store.markStarted(session.id, session.name)
    return
  }
  if (seen.kind === 'unknown') {
    await giveUpLaunch(ports, session, `${provider.name} cannot be asked: ${seen.reason}`)
    return
  }
  const launched = session.launchedAt
  if (launched && secondsBetween(launched, ports.now()) < provider.appearsWithinSeconds) return
  if (secondsBetween(session.createdAt, ports.now()) > launchWithinSeconds) {
    const holdUntil = new Date(ports.now().getTime() + launchHoldSeconds * 1000)
    const reason = `${provider.name} did not start it within ${launchWithinSeconds} s`
    await store.endSession(session.id, endOf('cancelled', reason, { holdUntil }))
    return
  }

  const unheard = await store.unheardSession(run.id, account.name)
  const { ticket, hash } = ports.newTicket()
  const notebook = await ports.renderNotebook(run, session, ticket, account)
  await store.markLaunching(session.id, hash)
  const result = await provider.launch({
    account,
    name: session.name,
    notebook,
    timeoutSeconds: session.plannedSeconds,
    // It may have got further than it could tell: its notebook's output has the checkpoints.
    outputsOf: unheard === null ? [] : [unheard],
    models: ports.mountedBase(run)?.models ?? [],
  })
  if (result.kind === 'started') {
    await store.markStarted(session.id, result.handle)
    return
  }
  if (result.kind === 'awaits-person') {
    await store.markAwaiting(session.id, result.link, personUntil(ports))
    return
  }
  if (result.kind === 'refused') {
    await store.endSession(
      session.id,
      endOf('cancelled', `${provider.name} did not start it: ${result.reason}`, {
        holdUntil: result.retryAt,
      }),
    )
    return
  }
  // It may still come: it is waited for from the end of the call, which can be long after its beginning.
  await store.markLaunching(session.id, hash)
}

const personUntil = (ports: TickPorts): Date =>
  new Date(ports.now().getTime() + ports.personSeconds * 1000)

/** A provider that cannot even be asked keeps the booking until it can: the session may be running there. */
async function giveUpLaunch(ports: TickPorts, session: Session, reason: string): Promise<void> {
  if (session.state !== 'planned') return
  // Nothing was ever sent: the hours go back, and another account may be tried.
  const holdUntil = new Date(ports.now().getTime() + 60_000)
  await ports.store.endSession(session.id, endOf('cancelled', reason, { holdUntil }))
}
