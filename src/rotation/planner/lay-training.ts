import { type Book, byName, charge, liveUntil, take, weekAt } from './book.ts'
import { firstRoom } from './first-room.ts'
import type { Laid } from './laid.ts'
import type { PlanInput, PlanRun } from './plan-input.ts'
import { bareSeconds, neededSeconds, stepsIn, type Terms, termsOf } from './terms.ts'

/**
 * Of a run with very short sessions so many are chosen with care, and so many looked ahead: more than a week of long ones.
 * What lies beyond is the likeliest, so that a plan of hundreds of sessions takes no seconds.
 */
const chosenWithCare = 32
const lookedAhead = 48

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
  /** Whether hours that it could have had are left unused. */
  readonly isShort: boolean
}

/** What follows from an offer when the best guess is taken from then on. */
interface Prospect {
  readonly offer: Offer
  /** When the run would have its last step, within the plan's days; else infinite. */
  readonly finishMs: number
  /** Steps that it would have done by the plan's end. */
  readonly steps: number
  /** Where the session after it would be. */
  readonly next: Terms | null
}

/** A run while it is laid. */
interface Laying {
  readonly book: Book
  readonly terms: readonly Terms[]
  /** Room for the seconds of whatever is tried. */
  readonly scratch: Float64Array
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
  /** When its newest session was, or will be, launched. */
  lastStartMs(): number
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
  const laying: Laying = {
    book,
    terms,
    scratch: new Float64Array(book.left.length),
    held: new Map(run.lastGeneration),
  }
  let newest = Math.max(0, ...run.lastGeneration.values())
  let finish: number | null = null
  let lastStartMs = run.lastStartMs ?? Number.NEGATIVE_INFINITY
  let count = 0
  let pick: Pick | null | undefined
  const next = (): Pick | null => {
    if (remaining <= 0 || finish !== null) return null
    if (pick === undefined) {
      const isLooked = count < chosenWithCare
      pick = (isLooked ? nextOf : likeliestPick)(laying, atMs, remaining)
    }
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
      count += 1
      lastStartMs = launchMs
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
    lastStartMs: () => lastStartMs,
  }
}

/**
 * Lays the sessions of runs that have the same claim: always that which can begin soonest, so that no account stands idle for a
 * run that cannot use it yet; of two, that of the run whose newest session lies longer ago, then of the one that stands first.
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
      if (atMs === firstMs && first && rest.lastStartMs() >= first.lastStartMs()) continue
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

function likeliestPick(laying: Laying, atMs: number, remaining: number): Pick | null {
  const offer = likeliest(laying, laying.book.left, atMs, remaining)
  return offer && { offer, runnerUp: null }
}

interface Pick {
  readonly offer: Offer
  readonly runnerUp: string | null
}

/**
 * The session that comes next. One that is waited for is chosen at its own moment: so a plan made then begins it. A wait that
 * would then be for another account is given up for what begins before.
 */
function nextOf(laying: Laying, atMs: number, remaining: number): Pick | null {
  let prospects = prospectsAt(laying, atMs, remaining)
  for (;;) {
    const pick = best(laying, prospects)
    if (!pick || pick.offer.launchMs <= atMs) return pick
    const { terms, launchMs } = pick.offer
    const then = best(laying, prospectsAt(laying, launchMs, remaining))
    if (then?.offer.terms === terms && then.offer.launchMs === launchMs) return then
    prospects = prospects.filter(({ offer }) => offer.launchMs < launchMs)
    if (prospects.length === 0) return nextOf(laying, launchMs, remaining)
  }
}

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
    return offers.map((offer) => ({
      offer,
      finishMs: offer.doneMs,
      steps: offer.steps,
      next: null,
    }))
  }
  const prospects = offers.map((offer) => follow(laying, offer, atMs, remaining))
  if (prospects.every(({ finishMs }) => finishMs === Number.POSITIVE_INFINITY)) return prospects
  const cut = shortened(offers).map((offer) => follow(laying, offer, atMs, remaining))
  return prospects.concat(cut.filter(({ next, offer }) => next && next !== offer.terms))
}

/**
 * The same sessions with hours unused, where that might let the run finish sooner: ended when another account's first offer is
 * launched, or at the last minute in which that account may be told to begin. The other account has to come next.
 */
function shortened(offers: readonly Offer[]): Offer[] {
  return offers.flatMap((offer) => {
    const { terms, beginMs, seconds } = offer
    const ends = new Set<number>()
    for (const { terms: other, launchMs } of offers) {
      if (other === terms) continue
      const closesMs = other.lane.launch.find(({ toMs }) => toMs > launchMs)?.toMs ?? launchMs
      ends.add(Math.floor((launchMs - beginMs) / 60_000) * 60)
      ends.add(Math.ceil((closesMs - beginMs) / 60_000 - 1) * 60)
    }
    return [...ends].flatMap((end): Offer | [] => {
      if (end < terms.worthSeconds || end >= seconds) return []
      const steps = Math.min(offer.steps, stepsIn(terms, end, Number.POSITIVE_INFINITY))
      if (steps === offer.steps) return []
      const endMs = beginMs + end * 1000
      const doneMs = Number.POSITIVE_INFINITY
      return { ...offer, seconds: end, steps, endMs, doneMs, isShort: true }
    })
  })
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
  return {
    terms,
    launchMs,
    beginMs,
    endMs: beginMs + seconds * 1000,
    seconds,
    steps,
    doneMs,
    isShort: false,
  }
}

/** Takes an offer and then, time after time, the likeliest next session. */
function follow(laying: Laying, offer: Offer, atMs: number, remaining: number): Prospect {
  const { untilMs } = laying.book
  const left = laying.scratch
  left.set(laying.book.left)
  let steps = 0
  let rest = remaining
  let at: Offer = offer
  let next: Terms | null = null
  for (let ahead = 1; ; ahead++) {
    charge(at.terms.lane, left, at.beginMs, at.seconds)
    steps += stepsBy(at, untilMs)
    rest -= at.steps
    if (at.doneMs <= untilMs) return { offer, finishMs: at.doneMs, steps, next }
    const more = rest > 0 && at.endMs < untilMs ? likeliest(laying, left, at.endMs, rest) : null
    if (!more) return { offer, finishMs: Number.POSITIVE_INFINITY, steps, next }
    next ??= more.terms
    if (ahead >= lookedAhead) {
      const pace = steps / (at.endMs - atMs)
      steps += Math.min(rest, Math.floor(pace * (untilMs - at.endMs)))
      return { offer, finishMs: Number.POSITIVE_INFINITY, steps, next }
    }
    at = more
  }
}

/**
 * The session by which most steps are done for the time until its end; or, while that one is waited for, the best of those that
 * are over before it begins.
 */
function likeliest(
  { book, terms }: Laying,
  left: Float64Array,
  atMs: number,
  remaining: number,
): Offer | null {
  const offers: Offer[] = []
  for (const own of terms) {
    const offer = offerOf(book, own, left, atMs, remaining, 0)
    if (offer) offers.push(offer)
  }
  // Before the first of them can begin there is nothing to lose.
  const fromMs = offers.reduce((ms, { launchMs }) => Math.min(ms, launchMs), book.untilMs)
  let byMs = Number.POSITIVE_INFINITY
  let found: Offer | null = null
  for (;;) {
    let pace = 0
    let best: Offer | null = null
    for (const offer of offers) {
      if (offer.endMs > byMs) continue
      const itsPace = offer.steps / (Math.min(offer.endMs, offer.doneMs) - fromMs)
      if (itsPace > pace) {
        pace = itsPace
        best = offer
      }
    }
    if (!best) return found
    found = best
    if (best.launchMs <= fromMs) return found
    byMs = best.launchMs
  }
}

/** Steps of a session that are done by some moment. */
function stepsBy(offer: Offer, atMs: number): number {
  if (offer.endMs <= atMs) return offer.steps
  const { startSeconds, secondsPerStep } = offer.terms
  const trained = (atMs - offer.beginMs) / 1000 - startSeconds
  return Math.min(offer.steps, Math.max(0, Math.floor(trained / secondsPerStep)))
}

/**
 * What is held against an offer of an account whose launches failed of late, in time: an hour where the preference is one half,
 * if an account that is preferred could begin within that time; nothing where there is none, so that no hours lie idle for it.
 */
function doubtMs(offer: Offer, prospects: readonly Prospect[]): number {
  const { preference } = offer.terms.lane.account
  let most = 0
  for (const { offer: other } of prospects) {
    const better = other.terms.lane.account.preference
    if (better <= preference) continue
    const doubt = (1 / Math.max(preference, 0.05) - 1 / better) * 3_600_000
    if (other.launchMs <= offer.launchMs + doubt) most = Math.max(most, doubt)
  }
  return most
}

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
  const weighed = prospects.map((prospect) => {
    const { offer } = prospect
    const doubt = doubtMs(offer, prospects)
    const finishMs = prospect.finishMs + doubt
    const steps = prospect.steps - doubt / 1000 / offer.terms.secondsPerStep
    soonest = Math.min(soonest, finishMs)
    most = Math.max(most, steps)
    return { prospect, finishMs, steps, behind: 0 }
  })
  for (const one of weighed) {
    const { overheadSeconds, secondsPerStep } = one.prospect.offer.terms
    const less = most - one.steps
    const later = one.finishMs - soonest
    if (soonest < Number.POSITIVE_INFINITY) one.behind = later <= sameMs ? 0 : later
    else one.behind = less <= overheadSeconds / secondsPerStep ? 0 : less
  }
  return weighed
    .toSorted((a, b) => {
      const by = a.behind - b.behind
      return by < 0 || by > 0 ? by : turn(laying, a.prospect.offer, b.prospect.offer)
    })
    .map(({ prospect }) => prospect)
}

/** Finishes no further apart are the same: hours are booked by the minute, and speeds are no better known. */
const sameMs = 60_000

/** Whose turn it is when both would do: who can begin sooner, then the account that it is best to take. */
function turn({ book, held }: Laying, a: Offer, b: Offer): number {
  const one = a.terms.lane
  const other = b.terms.lane
  const fuller = Number(a.isShort) - Number(b.isShort)
  if (fuller !== 0) return fuller
  const sooner = a.launchMs - b.launchMs
  if (sooner !== 0 || one === other) return sooner || b.seconds - a.seconds
  const heldAt = (name: string) => held.get(name) ?? 0
  const enough = 2 * Math.max(a.seconds, b.seconds)
  return (
    Number(one.account.automation === 'person') - Number(other.account.automation === 'person') ||
    other.account.preference - one.account.preference ||
    heldAt(one.account.name) - heldAt(other.account.name) ||
    ampleAt(book, b, enough) - ampleAt(book, a, enough) ||
    byName(one.account.name, other.account.name)
  )
}

/** What is left of the week in which an offer begins, in seconds; more than enough is as good as enough. */
const ampleAt = (book: Book, { terms, beginMs }: Offer, enough: number): number =>
  Math.min(enough, book.left[terms.lane.at + weekAt(terms.lane, beginMs)] ?? 0)
