import { type Book, byName, charge, liveUntil, take } from './book.ts'
import { firstRoom } from './first-room.ts'
import type { Laid } from './laid.ts'
import type { PlanInput, PlanRun } from './plan-input.ts'
import { bareSeconds, neededSeconds, stepsIn, type Terms, termsOf } from './terms.ts'

/** A session that a run could have next. */
interface Offer {
  readonly terms: Terms
  readonly launchMs: number
  readonly beginMs: number
  readonly endMs: number
  readonly seconds: number
  readonly steps: number
  /** When the run has its last step; infinite where it has it in a later session. */
  readonly doneMs: number
}

/** What follows from an offer when the best guess is taken from then on. */
interface Prospect {
  readonly offer: Offer
  /** When the run would have its last step, within the plan's days; else infinite. */
  readonly finishMs: number
  /** Steps that it would have done by the plan's end. */
  readonly steps: number
}

/** A run while it is laid. */
interface Laying {
  readonly book: Book
  readonly terms: readonly Terms[]
  /** The place in the run's history at which each account held it last; absent for never. */
  readonly held: Map<string, number>
}

/** A run whose sessions are laid one at a time. */
export interface Rest {
  readonly run: PlanRun
  /** When its next session would be launched, as the book stands; null when it needs or gets none. */
  nextMs(): number | null
  /** Takes that session out of the book. */
  take(): Laid | null
  /** An account has less than before: what was going to be taken there is sought anew. */
  changed(account: string): void
  /** When its last step is done, once that is laid. */
  finishMs(): number | null
  /** Seconds that were laid for it so far. */
  laidSeconds(): number
}

/** A run as its live session leaves it, ready to be laid into what the book has left. */
export function restOf(book: Book, input: PlanInput, run: PlanRun): Rest {
  const work = { kind: 'run', id: run.id } as const
  let atMs = book.nowMs
  let remaining = run.remainingSteps
  for (const live of input.live) {
    if (live.work.kind !== 'run' || live.work.id !== run.id) continue
    atMs = Math.max(atMs, liveUntil(live, book.nowMs))
    remaining -= live.expectedSteps
  }
  const terms = book.lanes.flatMap((lane) => termsOf(run, lane) ?? [])
  const laying: Laying = { book, terms, held: new Map(run.lastGeneration) }
  let newest = Math.max(0, ...run.lastGeneration.values())
  let finish: number | null = null
  let seconds = 0
  let pick: Pick | null | undefined
  const next = (): Pick | null => {
    if (remaining <= 0 || finish !== null) return null
    if (pick === undefined) pick = nextOf(laying, atMs, remaining)
    return pick
  }
  return {
    run,
    nextMs: () => next()?.offer.launchMs ?? null,
    take() {
      const choice = next()
      if (!choice) return null
      const { terms: own, launchMs, beginMs, endMs, seconds: booked, steps, doneMs } = choice.offer
      const { account } = own.lane
      take(book, own.lane, launchMs, booked, work)
      laying.held.set(account.name, ++newest)
      seconds += booked
      remaining -= steps
      atMs = endMs
      if (doneMs < Number.POSITIVE_INFINITY) finish = doneMs
      pick = undefined
      const stay = { account: account.name, work, startMs: launchMs, seconds: booked, steps }
      return { stay, runnerUp: choice.runnerUp, beginMs }
    },
    changed(account) {
      if (pick?.offer.terms.lane.account.name === account) pick = undefined
    },
    finishMs: () => finish,
    laidSeconds: () => seconds,
  }
}

/**
 * Lays the sessions of runs that have the same claim: always that which can begin soonest, so that no account stands idle for a
 * run that cannot use it yet; of two, that of the run that got less in this plan, then of the one that stands first.
 */
export function layTraining(
  book: Book,
  input: PlanInput,
  runs: readonly PlanRun[],
): { readonly stays: Laid[]; readonly finishes: ReadonlyMap<string, number> } {
  const rests = runs.map((run) => restOf(book, input, run))
  const stays: Laid[] = []
  for (;;) {
    let first: Rest | null = null
    let firstMs = Number.POSITIVE_INFINITY
    for (const rest of rests) {
      const atMs = rest.nextMs()
      if (atMs === null || atMs > firstMs) continue
      if (atMs === firstMs && first && rest.laidSeconds() >= first.laidSeconds()) continue
      first = rest
      firstMs = atMs
    }
    const laid = first?.take()
    if (!laid) break
    stays.push(laid)
    for (const rest of rests) rest.changed(laid.stay.account)
  }
  const finishes = new Map<string, number>()
  for (const rest of rests) {
    const finishMs = rest.finishMs()
    if (finishMs !== null && finishMs <= book.untilMs) finishes.set(rest.run.id, finishMs)
  }
  return { stays, finishes }
}

interface Pick {
  readonly offer: Offer
  readonly runnerUp: string | null
}

/**
 * The session that comes next. A session that is waited for is one that would also be chosen when its moment has come: so a
 * plan made then begins it.
 */
function nextOf(laying: Laying, atMs: number, remaining: number): Pick | null {
  const prospects = prospectsAt(laying, atMs, remaining)
  for (;;) {
    const pick = best(laying, prospects)
    if (!pick || pick.offer.launchMs <= atMs) return pick
    const then = best(laying, prospectsAt(laying, pick.offer.launchMs, remaining))
    if (then && isSame(then.offer, pick.offer)) return pick
    if (prospects.length === 1) return then ?? pick
    prospects.splice(
      prospects.findIndex(({ offer }) => offer === pick.offer),
      1,
    )
  }
}

const isSame = (a: Offer, b: Offer): boolean =>
  a.terms === b.terms && a.launchMs === b.launchMs && a.seconds === b.seconds

/** Every account's first session that is worth it, and its first long one where that is another; each followed to its end. */
function prospectsAt(laying: Laying, atMs: number, remaining: number): Prospect[] {
  const { book, terms } = laying
  const offers: Offer[] = []
  for (const own of terms) {
    const first = offerOf(book, own, book.left, atMs, remaining, 0)
    if (!first) continue
    offers.push(first)
    const long = Math.min(own.mostSeconds, neededSeconds(own, remaining))
    if (first.seconds >= long) continue
    const longer = offerOf(book, own, book.left, atMs, remaining, long)
    if (longer && longer.launchMs < first.endMs) offers.push(longer)
  }
  if (offers.length === 1) {
    return offers.map((offer) => ({ offer, finishMs: offer.doneMs, steps: offer.steps }))
  }
  return offers.map((offer) => follow(laying, offer, remaining))
}

/** @param least in seconds; 0 for what is worth it */
function offerOf(
  book: Book,
  terms: Terms,
  left: Float64Array,
  atMs: number,
  remaining: number,
  least: number,
): Offer | null {
  const { lane } = terms
  const most = Math.min(terms.mostSeconds, neededSeconds(terms, remaining))
  const worth = least || Math.min(terms.worthSeconds, bareSeconds(terms, remaining))
  const room = firstRoom(book, lane, left, atMs, worth, most)
  if (!room) return null
  const { launchMs, seconds } = room
  const beginMs = launchMs + lane.account.answerSeconds * 1000
  const steps = stepsIn(terms, seconds, remaining)
  const doneMs =
    steps < remaining
      ? Number.POSITIVE_INFINITY
      : Math.ceil(beginMs + (terms.startSeconds + steps * terms.secondsPerStep) * 1000)
  return { terms, launchMs, beginMs, endMs: beginMs + seconds * 1000, seconds, steps, doneMs }
}

/** Takes an offer and then, time after time, the session by which most steps are done for the time until its end. */
function follow(laying: Laying, offer: Offer, remaining: number): Prospect {
  const { book, terms } = laying
  const left = book.left.slice()
  let steps = 0
  let rest = remaining
  let next: Offer | null = offer
  while (next) {
    charge(next.terms.lane, left, next.beginMs, next.seconds)
    steps += stepsBy(next, book.untilMs)
    rest -= next.steps
    if (next.doneMs <= book.untilMs) return { offer, finishMs: next.doneMs, steps }
    const atMs: number = next.endMs
    next = null
    let pace = 0
    if (rest <= 0 || atMs >= book.untilMs) break
    for (const own of terms) {
      const other = offerOf(book, own, left, atMs, rest, 0)
      if (!other) continue
      const itsPace = other.steps / (Math.min(other.endMs, other.doneMs) - atMs)
      if (itsPace > pace) {
        pace = itsPace
        next = other
      }
    }
  }
  return { offer, finishMs: Number.POSITIVE_INFINITY, steps }
}

/** Steps of a session that are done by some moment. */
function stepsBy(offer: Offer, atMs: number): number {
  if (offer.endMs <= atMs) return offer.steps
  const { startSeconds, secondsPerStep } = offer.terms
  const trained = (atMs - offer.beginMs) / 1000 - startSeconds
  return Math.min(offer.steps, Math.max(0, Math.floor(trained / secondsPerStep)))
}

/** What an hour's delay weighs where launches have failed of late: a preference of one half is an hour. */
const doubtMs = (offer: Offer): number =>
  (1 / Math.max(offer.terms.lane.account.preference, 0.05) - 1) * 3_600_000

/**
 * The offer with the earliest finish, or with most steps where none finishes within the plan; of those that are as good, the
 * one whose turn it is. Steps are as good when they differ by no more than one start.
 */
function best(laying: Laying, prospects: readonly Prospect[]): Pick | null {
  const order = ranking(laying, prospects)
  const [first] = order
  if (!first) return null
  const { account } = first.offer.terms.lane
  const second = order.find(({ offer }) => offer.terms.lane.account !== account)
  return { offer: first.offer, runnerUp: second?.offer.terms.lane.account.name ?? null }
}

function ranking(laying: Laying, prospects: readonly Prospect[]): readonly Prospect[] {
  if (prospects.length < 2) return prospects
  let soonest = Number.POSITIVE_INFINITY
  let most = 0
  for (const { offer, finishMs, steps } of prospects) {
    soonest = Math.min(soonest, finishMs + doubtMs(offer))
    most = Math.max(most, stepsLess(offer, steps))
  }
  /** 0 for as good as the best; else how far behind it. */
  const behind = ({ offer, finishMs, steps }: Prospect): number => {
    if (soonest < Number.POSITIVE_INFINITY) return finishMs + doubtMs(offer) - soonest
    const { overheadSeconds, secondsPerStep } = offer.terms
    const less = most - stepsLess(offer, steps)
    return less <= overheadSeconds / secondsPerStep ? 0 : less
  }
  return prospects.toSorted((a, b) => {
    const by = behind(a) - behind(b)
    return by < 0 || by > 0 ? by : turn(laying, a.offer, b.offer)
  })
}

const stepsLess = (offer: Offer, steps: number): number =>
  steps - doubtMs(offer) / 1000 / offer.terms.secondsPerStep

/** Whose turn it is when both would do. */
function turn({ book, held }: Laying, a: Offer, b: Offer): number {
  const one = a.terms.lane
  const other = b.terms.lane
  if (one === other) return a.launchMs - b.launchMs || b.seconds - a.seconds
  const rank = (name: string) => held.get(name) ?? 0
  return (
    Number(one.account.automation === 'person') - Number(other.account.automation === 'person') ||
    other.account.preference - one.account.preference ||
    rank(one.account.name) - rank(other.account.name) ||
    (book.left[other.at] ?? 0) - (book.left[one.at] ?? 0) ||
    byName(one.account.name, other.account.name)
  )
}
