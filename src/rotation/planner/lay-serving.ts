import { type Book, byName, type Lane, liveUntil, take } from './book.ts'
import { firstRoom } from './first-room.ts'
import type { Laid } from './laid.ts'
import type { PlanAccount, PlanInput, PlanPolicy, Span } from './plan-input.ts'
import { windowSpans } from './windows.ts'

/** A session that could serve next. */
interface Offer {
  readonly lane: Lane
  readonly launchMs: number
  readonly beginMs: number
  readonly seconds: number
}

/** So long a delay is taken rather than an account whose node was lost of late. */
const avoidingMs = 3_600_000

/**
 * Lays sessions over a policy's windows, each begun before its forerunner ends, into what the book has left.
 * Returns the seconds of windows in which no node is up: a session counts from when its start is over.
 */
export function layServing(
  book: Book,
  input: PlanInput,
  policy: PlanPolicy,
): { readonly stays: Laid[]; readonly unservedSeconds: number } {
  const live = input.live
    .filter(({ work }) => work.kind === 'policy' && work.id === policy.id)
    .map((session): Span => ({ fromMs: book.nowMs, toMs: liveUntil(session, book.nowMs) }))
  const stays: Laid[] = []
  const served = [...live]
  let unservedMs = 0
  for (const window of windowSpans(policy, book.nowMs, book.untilMs)) {
    const from = stays.length
    layWindow(book, policy, window, served, stays)
    for (const { stay, beginMs } of stays.slice(from)) {
      const lane = book.lanes.find(({ account }) => account.name === stay.account)
      served.push({ fromMs: beginMs + upMs(lane), toMs: beginMs + stay.seconds * 1000 })
    }
    unservedMs += uncoveredMs(window, served)
  }
  return { stays, unservedSeconds: Math.round(unservedMs / 1000) }
}

function layWindow(
  book: Book,
  policy: PlanPolicy,
  window: Span,
  served: readonly Span[],
  stays: Laid[],
): void {
  const overlapMs = policy.overlapSeconds * 1000
  const work = { kind: 'policy', id: policy.id } as const
  let coveredMs = window.fromMs
  for (const { fromMs, toMs } of served) {
    if (fromMs <= window.fromMs && toMs > coveredMs) coveredMs = toMs
  }
  let hasForerunner = coveredMs > window.fromMs
  while (coveredMs < window.toMs) {
    const wantedMs = Math.max(book.nowMs, coveredMs - (hasForerunner ? overlapMs : 0))
    const choice = chosen(book, policy, window, coveredMs, wantedMs, hasForerunner)
    if (!choice) return
    const { lane, launchMs, beginMs, seconds } = choice.offer
    take(book, lane, launchMs, seconds, work)
    stays.push({
      stay: { account: lane.account.name, work, startMs: launchMs, seconds, steps: 0 },
      runnerUp: choice.runnerUp,
      beginMs,
    })
    coveredMs = beginMs + seconds * 1000
    hasForerunner = true
  }
}

function chosen(
  book: Book,
  policy: PlanPolicy,
  window: Span,
  coveredMs: number,
  wantedMs: number,
  hasForerunner: boolean,
): { readonly offer: Offer; readonly runnerUp: string | null } | null {
  const offers = book.lanes.flatMap(
    (lane) =>
      // A successor's start is part of the overlap; the first one is to be up when the window opens.
      offerOf(book, lane, policy, window, coveredMs, wantedMs - (hasForerunner ? 0 : upMs(lane))) ??
      [],
  )
  const order = offers.toSorted(
    (a, b) =>
      late(a, policy, coveredMs) - late(b, policy, coveredMs) ||
      Number(a.lane.account.automation === 'person') -
        Number(b.lane.account.automation === 'person') ||
      b.lane.account.preference - a.lane.account.preference ||
      b.seconds - a.seconds ||
      byName(a.lane.account.name, b.lane.account.name),
  )
  const [first, second] = order
  return first ? { offer: first, runnerUp: second?.lane.account.name ?? null } : null
}

/** For how long no node is up until its own is, with an hour more for an account to avoid. */
const late = ({ beginMs, lane }: Offer, policy: PlanPolicy, coveredMs: number): number =>
  Math.max(0, beginMs + upMs(lane) - coveredMs) +
  (policy.avoid.has(lane.account.name) ? avoidingMs : 0)

/** The account's first session of use from the wanted moment on: beyond its start, and beyond what is served already. */
function offerOf(
  book: Book,
  lane: Lane,
  policy: PlanPolicy,
  window: Span,
  coveredMs: number,
  wantedMs: number,
): Offer | null {
  const { account } = lane
  if (!canTake(account, policy)) return null
  const answerMs = account.answerSeconds * 1000
  let fromMs = Math.max(book.nowMs, wantedMs - answerMs)
  // Later than wanted the window's rest is shorter: looked at again from where the first look has led.
  for (;;) {
    const restSeconds = Math.ceil((window.toMs - fromMs - answerMs) / 1000 / 60) * 60
    const limit = Math.min(account.maxSessionSeconds, policy.maxSessionSeconds ?? restSeconds)
    const most = Math.min(limit, restSeconds)
    const least = Math.min(
      Math.max(account.startSeconds, (coveredMs - fromMs - answerMs) / 1000) +
        Math.max(60, policy.overlapSeconds),
      restSeconds,
    )
    const unservedMs = window.toMs - Math.max(coveredMs, fromMs + answerMs + upMs(lane))
    if (unservedMs <= 0) return null
    const room = firstRoom(book, lane, book.left, fromMs, least, most)
    if (!room) return null
    if (room.launchMs === fromMs) {
      return { lane, ...room, beginMs: room.launchMs + answerMs }
    }
    fromMs = room.launchMs
  }
}

/** Whether the policy may have sessions there. */
export const canTake = (account: PlanAccount, { only }: PlanPolicy): boolean =>
  account.serves && (only === undefined || only === account.provider)

/** From a session's beginning until its node is up. */
const upMs = (lane: Lane | undefined): number => (lane?.account.startSeconds ?? 0) * 1000

/** Of a window, what no span covers. */
function uncoveredMs(window: Span, spans: readonly Span[]): number {
  let atMs = window.fromMs
  let gaps = 0
  for (const { fromMs, toMs } of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    if (toMs <= atMs || fromMs >= window.toMs) continue
    gaps += Math.max(0, fromMs - atMs)
    atMs = Math.max(atMs, toMs)
  }
  return gaps + Math.max(0, window.toMs - atMs)
}
