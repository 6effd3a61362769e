import { freeSpans, launchSpans } from './availability.ts'
import type { PlanAccount, PlanInput, PlanLive, Span, WorkRef } from './plan-input.ts'

/** A session that takes one of its account's slots. */
interface Taken extends Span {
  readonly work: WorkRef
}

/** An account within one planning: what it is, and where its seconds lie in the book. */
export interface Lane {
  readonly account: PlanAccount
  /** Its first week's place in `Book.left`; the others follow. */
  readonly at: number
  readonly weekEnds: readonly number[]
  /** When it may be told to begin. */
  readonly launch: readonly Span[]
  readonly taken: Taken[]
  /** Where one more session has a slot; null after a booking, until somebody asks. */
  free: Span[] | null
}

/** What is left of everybody's weeks and slots while one plan is laid; it belongs to that planning alone. */
export interface Book {
  readonly nowMs: number
  readonly untilMs: number
  /** By the account's name. */
  readonly lanes: readonly Lane[]
  /** Seconds left, week by week and account by account; never negative. */
  readonly left: Float64Array
}

export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Until when a live session keeps its slot and its run: one that is open beyond its end is looked at again in a minute. */
export const liveUntil = (live: PlanLive, nowMs: number): number =>
  Math.max(live.endsMs, nowMs + 60_000)

/** A book as the input has it, live sessions in their slots. */
export function openBook(input: PlanInput): Book {
  const { nowMs } = input
  const untilMs = nowMs + input.horizonSeconds * 1000
  const accounts = input.accounts.toSorted((a, b) => byName(a.name, b.name))
  const left = new Float64Array(accounts.reduce((sum, { weeks }) => sum + weeks.length, 0))
  let at = 0
  const lanes = accounts.map((account): Lane => {
    const lane: Lane = {
      account,
      at,
      weekEnds: account.weeks.map(({ endMs }) => endMs),
      launch: launchSpans(account, nowMs, untilMs),
      taken: [],
      free: null,
    }
    for (const week of account.weeks) left[at++] = Math.max(0, week.leftSeconds)
    for (const live of input.live) {
      if (live.account !== account.name) continue
      lane.taken.push({ fromMs: nowMs, toMs: liveUntil(live, nowMs), work: live.work })
    }
    return lane
  })
  return { nowMs, untilMs, lanes, left }
}

/** Where one more session of the account has a slot. */
export function slotsOf(lane: Lane, nowMs: number): Span[] {
  lane.free ??= freeSpans(lane.taken, lane.account.maxConcurrent, nowMs)
  return lane.free
}

/** The place of the week in which a moment lies; as many as there are weeks when it lies beyond all. */
export function weekAt(lane: Lane, atMs: number): number {
  const ends = lane.weekEnds
  let week = 0
  while (week < ends.length && (ends[week] ?? 0) <= atMs) week++
  return week
}

/** Whole seconds of a week that are still to come; the last one is counted when it has begun. */
export const untilReset = (endMs: number, atMs: number): number => Math.ceil((endMs - atMs) / 1000)

/** Seconds of GPU time without a break from a moment on, by the weeks that they fall into; no more than `enough`. */
export function grantedFrom(
  lane: Lane,
  left: Float64Array,
  beginMs: number,
  enough: number,
): number {
  let granted = 0
  let atMs = beginMs
  for (let week = weekAt(lane, beginMs); week < lane.weekEnds.length; week++) {
    const endMs = lane.weekEnds[week] ?? 0
    const room = untilReset(endMs, atMs)
    const has = left[lane.at + week] ?? 0
    if (has < room) return Math.min(enough, granted + has)
    granted += room
    if (granted >= enough) return enough
    atMs = endMs
  }
  return Math.min(enough, granted)
}

/** Takes seconds of GPU time out of the weeks that they fall into. */
export function charge(lane: Lane, left: Float64Array, beginMs: number, seconds: number): void {
  let atMs = beginMs
  let rest = seconds
  for (let week = weekAt(lane, beginMs); rest > 0 && week < lane.weekEnds.length; week++) {
    const endMs = lane.weekEnds[week] ?? 0
    const part = Math.min(rest, untilReset(endMs, atMs))
    left[lane.at + week] = (left[lane.at + week] ?? 0) - part
    rest -= part
    atMs = endMs
  }
}

/** Books a session: its seconds and its slot, from the launch until the end of what is booked. */
export function take(
  book: Book,
  lane: Lane,
  launchMs: number,
  seconds: number,
  work: WorkRef,
): void {
  const beginMs = launchMs + lane.account.answerSeconds * 1000
  charge(lane, book.left, beginMs, seconds)
  lane.taken.push({ fromMs: launchMs, toMs: beginMs + seconds * 1000, work })
  lane.free = null
}
