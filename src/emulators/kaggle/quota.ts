import { addSeconds, iso, secondsBetween } from '../../lib/clock.ts'
import type { KaggleSettings } from './options.ts'
import type { Session } from './state.ts'

const HOUR_SECONDS = 3600
const WEEK_SECONDS = 7 * 24 * HOUR_SECONDS
/** A Saturday, 00:00 UTC: when the weekly hours start anew. */
const A_REFRESH = new Date('2026-01-03T00:00:00Z')

export const isLive = (session: Session): boolean =>
  session.state === 'QUEUED' || session.state === 'RUNNING'

/** The next weekly refresh after `now`. */
export function refreshAfter(now: Date): Date {
  const weeks = Math.floor(secondsBetween(A_REFRESH, now) / WEEK_SECONDS) + 1
  return addSeconds(A_REFRESH, weeks * WEEK_SECONDS)
}

/** GPU seconds of one session so far: from its start, not from its place in the queue. */
export function gpuSeconds(session: Session, from: Date, now: Date): number {
  if (!session.gpu || session.startedAt === null) return 0
  const started = new Date(session.startedAt)
  const ended = session.endedAt === null ? now : new Date(session.endedAt)
  return Math.max(0, secondsBetween(started > from ? started : from, ended))
}

/** One user's GPU book for the running week, in seconds. */
export interface Book {
  readonly usedSeconds: number
  readonly reservedSeconds: number
  readonly allowedSeconds: number
  readonly refreshesAt: Date
}

export function bookOf(sessions: readonly Session[], settings: KaggleSettings, now: Date): Book {
  const refreshesAt = refreshAfter(now)
  const from = addSeconds(refreshesAt, -WEEK_SECONDS)
  const used = sessions.reduce((sum, session) => sum + gpuSeconds(session, from, now), 0)
  const reserved = sessions
    .filter((session) => session.gpu && isLive(session))
    .reduce((sum, session) => sum + reservedSeconds(session, settings, now), 0)
  return {
    usedSeconds: used,
    reservedSeconds: reserved,
    allowedSeconds: settings.weeklyHours * HOUR_SECONDS,
    refreshesAt,
  }
}

function reservedSeconds(session: Session, settings: KaggleSettings, now: Date): number {
  const age = secondsBetween(new Date(session.startedAt ?? session.queuedAt), now)
  return Math.max(0, settings.reservedHoursPerSession * HOUR_SECONDS - age)
}

/**
 * Why a new session may not start, in the service's own words, or null.
 * `sessions` are all of that user's; the texts are those that public clients report.
 */
export function refusal(
  sessions: readonly Session[],
  gpu: boolean,
  settings: KaggleSettings,
  now: Date,
): string | null {
  const kind = gpu ? 'GPU' : 'CPU'
  const slots = gpu ? settings.maxConcurrentGpu : settings.maxConcurrentCpu
  const live = sessions.filter((session) => session.gpu === gpu && isLive(session)).length
  if (gpu) {
    const book = bookOf(sessions, settings, now)
    if (book.usedSeconds >= book.allowedSeconds)
      return `Maximum weekly GPU quota of ${settings.weeklyHours.toFixed(2)} hours reached.`
    if (live < slots && book.usedSeconds + book.reservedSeconds >= book.allowedSeconds)
      return (
        'Session cannot start because currently running sessions are projected to exceed maximum weekly GPU quota of ' +
        `${settings.weeklyHours}. Cancelling running sessions may allow starting new sessions.`
      )
  }
  return live >= slots ? `Maximum batch ${kind} session count of ${slots} reached.` : null
}

/** What the quota call answers: whole seconds as text, `45000s`. */
export function quotaAnswer(book: Book, everRan: boolean): Record<string, unknown> {
  const text = (seconds: number): string => `${Math.round(seconds)}s`
  const quota = (used: number, reserved: number, allowed: number, hasEverRun: boolean) => ({
    timeUsed: text(used),
    timeReserved: text(reserved),
    totalTimeAllowed: text(allowed),
    minimumTimeAllowed: text(allowed),
    isPayToScaleEnabled: false,
    hasEverRun,
  })
  return {
    quotaRefreshTime: iso(book.refreshesAt),
    gpuQuota: quota(book.usedSeconds, book.reservedSeconds, book.allowedSeconds, everRan),
    tpuQuota: quota(0, 0, 20 * HOUR_SECONDS, false),
  }
}
