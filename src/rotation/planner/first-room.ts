import { type Book, grantedFrom, type Lane, slotsOf, weekAt } from './book.ts'

/** A place for a session: when it is launched, and how long it may be in whole minutes. */
export interface Room {
  readonly launchMs: number
  readonly seconds: number
}

const wholeMinutes = (seconds: number): number => Math.floor(seconds / 60) * 60

/**
 * The first moment from `fromMs` on at which the account may be told to begin a session of at least `least` seconds, and how
 * long it may be then, at most `most`: waking hours, hold, slots and the hours of each week that it touches are kept.
 * Null when there is none before the plan's end.
 * @param left the seconds to count on, laid out as in the book
 */
export function firstRoom(
  book: Book,
  lane: Lane,
  left: Float64Array,
  fromMs: number,
  least: number,
  most: number,
): Room | null {
  const limit = wholeMinutes(most)
  if (limit < least) return null
  const { launch, account, weekEnds } = lane
  const answerMs = account.answerSeconds * 1000
  const slots = slotsOf(lane, book.nowMs)
  let open = 0
  let slot = 0
  let launchMs = fromMs
  for (;;) {
    while (open < launch.length && (launch[open]?.toMs ?? 0) <= launchMs) open++
    const span = launch[open]
    if (!span) return null
    if (span.fromMs > launchMs) launchMs = span.fromMs
    while (slot < slots.length && (slots[slot]?.toMs ?? 0) <= launchMs) slot++
    const free = slots[slot]
    if (!free) return null
    if (free.fromMs > launchMs) {
      launchMs = free.fromMs
      continue
    }
    const beginMs = launchMs + answerMs
    const gap = wholeMinutes(Math.min(limit, (free.toMs - beginMs) / 1000))
    if (gap < least) {
      launchMs = free.toMs
      continue
    }
    const seconds = wholeMinutes(grantedFrom(lane, left, beginMs, gap))
    if (seconds >= least) return { launchMs, seconds }
    const week = weekAt(lane, beginMs)
    const endMs = weekEnds[week]
    if (endMs === undefined) return null
    // The rest of a week's hours may join the next week's, when the session begins so late that they last until the reset.
    const joinsMs = endMs - Math.floor(left[lane.at + week] ?? 0) * 1000
    launchMs = (joinsMs > beginMs ? joinsMs : endMs) - answerMs
  }
}
