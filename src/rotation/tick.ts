import type { Account } from './account.ts'
import { type Choice, chooseAccount, type Standing } from './choose-account.ts'
import { grantedSeconds, reserve, roundedToMinute } from './ledger.ts'
import type { RotationStore } from './rotation-store.ts'
import type { Run } from './run.ts'
import { type Session, sessionName, silenceSeconds } from './session.ts'
import type { SessionEnd } from './session-end.ts'
import type { Observed, SessionProvider } from './session-provider.ts'
import { weekOf } from './week.ts'

export interface TickPorts {
  readonly store: RotationStore
  readonly providers: ReadonlyMap<string, SessionProvider>
  /** The notebook of a session, with a ticket in it; only the ticket's hash is kept. */
  readonly renderNotebook: (run: Run, session: Session, ticket: string) => Promise<string>
  readonly newTicket: () => { readonly ticket: string; readonly hash: string }
  readonly newSessionId: () => string
  readonly now: () => Date
  /** Trouble that concerns one run or session: told, and the others go on. */
  readonly trouble: (error: unknown, about: { runId?: string; sessionId?: string }) => void
  /** Accounts made for the emulators are used only beside them, real ones only without. */
  readonly emulated: boolean
  /** How long a person is waited for, in seconds. */
  readonly personSeconds: number
  /** Why no session could save what it trains, null when it could. */
  readonly storeTrouble: () => Promise<string | null>
  /** How old a reading of a provider's books may be while a run is open, in seconds. */
  readonly quotaMaxAgeSeconds: number
  /** When each account's books were last asked for, answered or not: kept by the tick, empty at the start. */
  readonly quotaAsked: Map<string, Date>
}

/** While nothing trains, the providers' books are read this often, in seconds. */
const idleQuotaAgeSeconds = 900

/** A launch that no answer confirms is tried again for so long, then another account has its turn. */
const launchWithinSeconds = 120
const launchHoldSeconds = 600
/** A quiet session is asked about at its provider no more often than this. */
const askEverySeconds = 15
const secondsBetween = (from: Date, to: Date) => (to.getTime() - from.getTime()) / 1000

/**
 * One look at the world: every open session is compared with what its provider says, every open run without a session gets
 * one. Level-triggered: nothing depends on an earlier tick, and a tick cut short anywhere is made good by the next.
 */
export async function tick(ports: TickPorts): Promise<void> {
  const accounts = new Map((await ports.store.accounts()).map((account) => [account.name, account]))
  const runs = new Map((await ports.store.openRuns()).map((run) => [run.id, run]))
  const guarded = async (
    about: { runId: string; sessionId?: string },
    work: () => Promise<void>,
  ) => {
    try {
      await work()
    } catch (error) {
      ports.trouble(error, about)
    }
  }
  // Side by side: a provider that hangs holds up its own sessions alone.
  await Promise.all(
    (await ports.store.openSessions()).map((session) => {
      const account = accounts.get(session.account)
      const provider = ports.providers.get(session.provider)
      if (!account || !provider) return undefined
      const about = { runId: session.runId, sessionId: session.id }
      const run = runs.get(session.runId)
      return guarded(about, () => followSession(ports, session, run, account, provider))
    }),
  )
  await readBooks(ports, [...accounts.values()], runs.size > 0)
  const busy = new Set((await ports.store.openSessions()).map((session) => session.runId))
  // Read again: what has just ended may have put its account on hold.
  const rota = await ports.store.accounts()
  const launches: Promise<void>[] = []
  for (const run of await ports.store.openRuns()) {
    if (busy.has(run.id)) continue
    // Planned one after the other, so that two runs never count on the same hours; launched side by side.
    await guarded({ runId: run.id }, async () => {
      const begin = await seekSession(ports, run, rota)
      if (begin) launches.push(guarded({ runId: run.id }, begin))
    })
  }
  await Promise.all(launches)
}

const end = (
  outcome: SessionEnd['outcome'],
  reason: string,
  more: Partial<SessionEnd> = {},
): SessionEnd => ({
  outcome,
  reason,
  failure: null,
  logTail: null,
  holdUntil: null,
  ...more,
})

/** Accounts of the emulators are never shown to a real provider, nor the other way round. */
const isUsed = (ports: TickPorts, account: Account): boolean =>
  account.provider === 'local' || account.emulated === ports.emulated

async function followSession(
  ports: TickPorts,
  session: Session,
  run: Run | undefined,
  account: Account,
  provider: SessionProvider,
): Promise<void> {
  const now = ports.now()
  const overdue = session.deadlineAt
    ? secondsBetween(session.deadlineAt, now) > silenceSeconds(session)
    : false
  if (!isUsed(ports, account)) {
    // Nobody may be asked about it here: it ends by the clock alone.
    if (session.state !== 'planned' && !overdue) return
    const outcome = session.state === 'planned' ? 'cancelled' : 'lost'
    await ports.store.endSession(session.id, end(outcome, 'its account is not used here any more'))
    return
  }
  if (!overdue && (session.state === 'planned' || session.state === 'launching')) {
    if (run) await launch(ports, session, run, account, provider)
    return
  }
  if (session.state === 'awaiting_person') {
    await waitForPerson(ports, session)
    return
  }
  const since = session.heardAt ?? session.launchedAt ?? session.createdAt
  const silent = secondsBetween(since, now)
  if (!provider.tells && session.enrolledAt && silent > silenceSeconds(session)) {
    const reason = `three heartbeats missed, and ${provider.name} does not tell more`
    await ports.store.endSession(session.id, end('lost', reason))
    return
  }
  const enrolling = session.state === 'starting' && session.enrolledAt === null
  if (!enrolling && !overdue && silent <= silenceSeconds(session)) return
  const asked = secondsBetween(session.checkedAt ?? session.createdAt, now)
  if (asked >= 0 && asked < Math.min(askEverySeconds, session.heartbeatSeconds / 2)) return

  const seen = await provider.observe(account, session.name, session.handle)
  await ports.store.markChecked(session.id)
  await concludeSession(ports, session, account, provider, seen, overdue)
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
    await ports.store.endSession(session.id, end('expired', reason, { holdUntil }))
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
    await ports.store.endSession(session.id, end('lost', 'silent past its deadline'))
    return
  }
  if (seen.kind === 'unknown' || seen.kind === 'queued' || seen.kind === 'running') return
  const sent = secondsBetween(session.launchedAt ?? session.createdAt, ports.now())
  if (seen.kind === 'absent' && sent < provider.appearsWithinSeconds) return
  const logTail = await provider.logTail(account, session.name)
  // The notebook's own report may have arrived while the provider was asked: the first end counts.
  if (session.enrolledAt === null) {
    const what = seen.kind === 'ended' ? 'ended before it reached this service' : 'is not there'
    const message = (seen.kind === 'ended' && seen.message) || `the session ${what}`
    const failure = { class: 'notebook_bug' as const, message, line: null }
    await ports.store.endSession(session.id, end('failed', message, { failure, logTail }))
    return
  }
  const silent = 'three heartbeats missed'
  if (seen.kind === 'ended' && seen.failed) {
    const why = seen.message ? `${silent}; ${provider.name} says: ${seen.message}` : silent
    await ports.store.endSession(session.id, end('preempted', why, { logTail }))
    return
  }
  await ports.store.endSession(
    session.id,
    end('lost', `${silent}, and ${provider.name} no longer runs it`, { logTail }),
  )
}

async function launch(
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
      await store.endSession(session.id, end('cancelled', 'the run was stopped before it started'))
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
    await store.endSession(session.id, end('cancelled', reason, { holdUntil }))
    return
  }

  const { ticket, hash } = ports.newTicket()
  const notebook = await ports.renderNotebook(run, session, ticket)
  await store.markLaunching(session.id, hash)
  const result = await provider.launch({
    account,
    name: session.name,
    notebook,
    timeoutSeconds: session.plannedSeconds,
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
      end('cancelled', `${provider.name} did not start it: ${result.reason}`, {
        holdUntil: result.retryAt,
      }),
    )
  }
}

const personUntil = (ports: TickPorts): Date =>
  new Date(ports.now().getTime() + ports.personSeconds * 1000)

/** A provider that cannot even be asked keeps the booking until it can: the session may be running there. */
async function giveUpLaunch(ports: TickPorts, session: Session, reason: string): Promise<void> {
  if (session.state !== 'planned') return
  // Nothing was ever sent: the hours go back, and another account may be tried.
  const holdUntil = new Date(ports.now().getTime() + 60_000)
  await ports.store.endSession(session.id, end('cancelled', reason, { holdUntil }))
}

async function seekSession(
  ports: TickPorts,
  run: Run,
  accounts: readonly Account[],
): Promise<(() => Promise<void>) | undefined> {
  const { store } = ports
  if (run.stopAsked) {
    await store.settleStop(run.id)
    return undefined
  }
  const trouble = await ports.storeTrouble()
  if (trouble !== null) {
    await store.setWaiting(run.id, trouble)
    return undefined
  }
  const live = await store.openSessions()
  const usable = accounts.filter(
    (account) => ports.providers.has(account.provider) && isUsed(ports, account),
  )
  const lastGenerations = await store.lastGenerations(run.id)
  const rota: Standing[] = []
  for (const account of usable) {
    rota.push(await standing(ports, account, live, lastGenerations.get(account.name) ?? 0))
  }
  const now = ports.now()
  const wanted = run.options.sessionSeconds ?? Number.POSITIVE_INFINITY
  const choice = chooseAccount(rota, wanted, Math.min(wanted, run.options.minSessionSeconds), now)
  if (choice.kind !== 'start') {
    await store.setWaiting(run.id, waitingFor(choice))
    return undefined
  }
  const sessionId = ports.newSessionId()
  const generation = run.generation + 1
  const planned = await store.planSession({
    id: sessionId,
    runId: run.id,
    generation,
    name: sessionName(run.id, run.name, generation),
    account: choice.account,
    plannedSeconds: choice.seconds,
    heartbeatSeconds: run.options.heartbeatSeconds,
    fromStep: await store.resumeStep(run.id),
    reservation: reserve(choice.account, sessionId, now, roundedToMinute(choice.seconds)),
  })
  const provider = ports.providers.get(choice.account.provider)
  const session = (await store.openSessions()).find(({ id }) => id === sessionId)
  if (!planned || !session || !provider) return undefined
  await store.setWaiting(run.id, null)
  return () => launch(ports, session, { ...run, generation }, choice.account, provider)
}

function waitingFor(choice: Exclude<Choice, { kind: 'start' }>): string {
  return choice.kind === 'wait'
    ? `${choice.why}; next look ${choice.until.toISOString()}`
    : 'no account can run it: add one with rodizio accounts add'
}

async function standing(
  ports: TickPorts,
  account: Account,
  live: readonly Session[],
  lastGeneration: number,
): Promise<Standing> {
  const now = ports.now()
  const week = weekOf(account.reset, now)
  const mine = live.filter((session) => session.account === account.name)
  const rows = await ports.store.ledgerRows(account.name, week.start)
  const reading = await ports.store.quotaReading(account.name)
  const unseen = mine
    .filter((session) => reading && session.createdAt > reading.readAt)
    .reduce((sum, session) => sum + session.plannedSeconds, 0)
  return {
    account,
    grantedSeconds: grantedSeconds(account, rows, reading, unseen, now),
    resetsAt: reading?.refreshesAt && reading.refreshesAt > now ? reading.refreshesAt : week.end,
    liveSessions: mine.length,
    lastGeneration,
  }
}

/** Reads the providers' own books again where ours of them are old. What cannot be read now keeps its last reading. */
async function readBooks(
  ports: TickPorts,
  accounts: readonly Account[],
  isTraining: boolean,
): Promise<void> {
  const maxAge = isTraining ? ports.quotaMaxAgeSeconds : idleQuotaAgeSeconds
  const now = ports.now()
  const due = accounts.filter((account) => {
    const asked = ports.quotaAsked.get(account.name)
    const age = asked ? secondsBetween(asked, now) : Number.POSITIVE_INFINITY
    return isUsed(ports, account) && (age < 0 || age >= maxAge)
  })
  await Promise.all(
    due.map(async (account) => {
      ports.quotaAsked.set(account.name, now)
      try {
        const reading = await ports.providers.get(account.provider)?.quota(account)
        if (reading) await ports.store.saveQuotaReading(reading)
      } catch (error) {
        ports.trouble(error, {})
      }
    }),
  )
}
