import type { Account } from '../../rotation/account.ts'
import type { QuotaReading } from '../../rotation/ledger.ts'
import type { LaunchOrder, Observed } from '../../rotation/session-provider.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { Handle, VirtualTime } from '../virtual-time.ts'
import { gpuBook, type Stay } from './gpu-book.ts'
import type { Cargo, RunNotebook } from './machine.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const weekMs = 7 * 24 * hourMs
/** A Saturday, 00:00 UTC: when the weekly hours start anew. */
const aRefreshMs = Date.UTC(2026, 0, 3)

const slots = 2
/** A session books so many hours less its age. */
const reservedMs = 12 * hourMs
/** The longest that any session may run. */
export const kaggleCapSeconds = 12 * 3600

const weekStartOf = (ms: number): number =>
  aRefreshMs + Math.floor((ms - aRefreshMs) / weekMs) * weekMs

/** When Kaggle's weekly hours are refreshed next: Saturday, 00:00 UTC. */
export const refreshAfter = (ms: number): number => weekStartOf(ms) + weekMs

interface Session {
  readonly name: string
  readonly account: Account
  readonly text: string
  readonly queuedMs: number
  /** Before it, nobody sees the session. */
  readonly showsMs: number
  readonly limitMs: number
  stay: Stay | null
  /** How it ended; null before. */
  end: Extract<Observed, { kind: 'ended' }> | null
  /** Until then its status says that it runs. */
  lagsUntilMs: number
  cargo: Cargo | null
  cap: Handle | null
  preemption: Handle | null
}

export interface KaggleUserOptions {
  readonly username: string
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly run: RunNotebook
}

/** One user's sessions and book at Kaggle, by Kaggle's own rules. */
export function kaggleUser({ username, time, seed, faults, run }: KaggleUserOptions) {
  const random = (what: string) => stream(seed, `kaggle/${username}/${what}`)
  const queueing = random('queue')
  const machine = random('machine')
  const status = random('status')
  const reading = random('quota')
  const allowances = new Map<number, number>()
  const byName = new Map<string, Session>()
  const live: Session[] = []
  /** Until when the slots of sessions that are over count as taken. */
  let lagging: number[] = []

  /** What the week grants; it floats from week to week, in half hours. */
  function allowedMs(week: number): number {
    const known = allowances.get(week)
    if (known !== undefined) return known
    const { kaggleLeastHours: least, kaggleMostHours: most } = faults
    const mode = Math.min(Math.max(30, least), most)
    const drawn = random(`week/${week}`).triangular(least, mode, most)
    const granted = (Math.round(drawn * 2) / 2) * hourMs
    allowances.set(week, granted)
    return granted
  }

  const book = gpuBook(time.now, weekStartOf, refreshAfter, allowedMs)

  const reserved = (): number => {
    let sum = 0
    for (const session of live) {
      const age = time.now() - (session.stay?.startedMs ?? session.queuedMs)
      sum += Math.max(0, reservedMs - age)
    }
    return sum
  }

  /** Why a new session may not start, in the service's own words, or null. */
  function refusal(): string | null {
    const now = time.now()
    lagging = lagging.filter((untilMs) => untilMs > now)
    const taken = live.length + lagging.length
    const allowed = allowedMs(weekStartOf(now))
    const hours = allowed / hourMs
    const used = book.usedMs()
    if (used >= allowed) return `Maximum weekly GPU quota of ${hours.toFixed(2)} hours reached.`
    if (taken < slots && used + reserved() >= allowed)
      return (
        'Session cannot start because currently running sessions are projected to exceed maximum weekly GPU quota of ' +
        `${hours}. Cancelling running sessions may allow starting new sessions.`
      )
    return taken >= slots ? `Maximum batch GPU session count of ${slots} reached.` : null
  }

  function end(session: Session, failed: boolean, message: string | null): void {
    if (session.end !== null || session.stay === null) return
    time.cancel(session.cap)
    time.cancel(session.preemption)
    session.end = { kind: 'ended', failed, message }
    book.end(session.stay)
    live.splice(live.indexOf(session), 1)
    const lagMs = faults.statusLagMinutes > 0 ? status.exponential(faults.statusLagMinutes) : 0
    const freeMs = time.now() + lagMs * minuteMs
    if (lagMs > 0) lagging.push(freeMs)
    const isStuck = status.chance(faults.statusStuckShare)
    session.lagsUntilMs = isStuck ? Number.POSITIVE_INFINITY : freeMs
  }

  function takeBack(session: Session, message: string): void {
    if (session.end !== null) return
    session.cargo?.kill()
    end(session, true, message)
  }

  function start(session: Session): void {
    session.stay = book.start(session.name)
    const now = time.now()
    session.cap = time.at(now + session.limitMs, () =>
      takeBack(
        session,
        `Your notebook was stopped because it ran longer than ${session.limitMs / secondMs} seconds.`,
      ),
    )
    const lives = machine.exponential(1) / faults.kagglePreemptionsPerGpuHour // infinitely long without preemptions
    if (lives * hourMs < session.limitMs) {
      session.preemption = time.at(now + lives * hourMs, () =>
        takeBack(session, 'The session ended without a word: its worker was lost.'),
      )
    }
    session.cargo = run(session.text, {
      account: session.account,
      name: session.name,
      ended: (failed, message) => end(session, failed, message),
    })
  }

  /** Each push starts one more session, also of a name that is running. */
  function push({ account, name, notebook, timeoutSeconds }: LaunchOrder): void {
    const now = time.now()
    const shows = queueing.uniform(0, faults.launchShowsSeconds) * secondMs
    const session: Session = {
      name,
      account,
      text: notebook,
      queuedMs: now,
      showsMs: byName.has(name) ? now : now + shows,
      limitMs: Math.min(timeoutSeconds, kaggleCapSeconds) * secondMs,
      stay: null,
      end: null,
      lagsUntilMs: 0,
      cargo: null,
      cap: null,
      preemption: null,
    }
    live.push(session)
    byName.set(name, session)
    const waits = queueing.uniform(0.5, 1.5) * faults.kaggleQueueMinutes * minuteMs
    time.at(now + waits, () => start(session))
  }

  /** What the status call says of the newest session of that name. */
  function observe(name: string): Observed {
    const session = byName.get(name)
    const now = time.now()
    if (session === undefined || now < session.showsMs) return { kind: 'absent' }
    if (session.stay === null) return { kind: 'queued', handle: name }
    if (session.end === null || now < session.lagsUntilMs) return { kind: 'running', handle: name }
    return session.end
  }

  const seconds = (ms: number): number => Math.round(ms / secondMs)

  function quota(account: Account): QuotaReading {
    const now = time.now()
    const isErratic = reading.chance(faults.erraticReservedShare)
    const factor = isErratic ? reading.uniform(0, 2) : 1
    return {
      account: account.name,
      readAt: time.date(),
      usedSeconds: seconds(book.usedMs()),
      reservedSeconds: seconds(reserved() * (factor < 0.5 ? 0 : factor)),
      allowedSeconds: seconds(allowedMs(weekStartOf(now))),
      refreshesAt: new Date(refreshAfter(now)),
    }
  }

  return { refusal, push, observe, quota, truth: book.truth, left: book.left }
}

export type KaggleUser = ReturnType<typeof kaggleUser>
