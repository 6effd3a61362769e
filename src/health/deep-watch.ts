import { addSeconds, secondsBetween } from '../lib/clock.ts'
import type { Cause } from './cause.ts'
import type { DeepVerdict } from './deep-verdict.ts'
import { fellSilent, type Happened, isSilent, released, spokeAgain, type Watch } from './watch.ts'

/** What is known of a node by its deep probes; kept from one to the next. */
export interface DeepWatch {
  /** `doubted`: one in a row brought no token. `refused`: the key, or the request, is not taken; the node is not called down for it. */
  readonly state: 'unknown' | 'good' | 'doubted' | 'no-token' | 'refused' | 'limited'
  readonly since: Date
  /** When the first of those that brought no token was; null while there is none. */
  readonly badSince: Date | null
  /** What is wrong, in our words; null while nothing is. */
  readonly words: string | null
  /** When the newest good one was, asked as it is asked now. */
  readonly goodAt: Date | null
  readonly askedAt: Date | null
  /** Of the newest good one, in milliseconds. */
  readonly tokenMs: number | null
  readonly endMs: number | null
  readonly nextAt: Date
}

/** A deep probe that brought no token is confirmed by another after so long. */
export const deepConfirmSeconds = 60
/** A node that generates nothing is asked again so often, so that its end is known soon. */
export const deepAgainSeconds = 300
/** Two without a token are in a row when no more than this lies between them. */
const rowSeconds = 600
/** No limit is waited out for longer. */
const longestWaitSeconds = 86_400

export const newDeepWatch = (at: Date): DeepWatch => ({
  state: 'unknown',
  since: at,
  badSince: null,
  words: null,
  goodAt: null,
  askedAt: null,
  tokenMs: null,
  endMs: null,
  nextAt: at,
})

export interface Deepened {
  readonly deep: DeepWatch
  readonly watch: Watch
  readonly happened: readonly Happened[]
}

/**
 * A deep probe that began at `at`, and what it changes of the node. Two in a row without a token, while the probes of /health find the
 * node up, bring it down; one token brings it back. Pure.
 * @param verdict `own-network` where nothing was learned, since this service's own network is down
 * @param turn when its own turn comes after this one
 */
export function deepened(
  deep: DeepWatch,
  watch: Watch,
  verdict: DeepVerdict | 'own-network',
  at: Date,
  turn: Date,
): Deepened {
  const same = { watch, happened: [] }
  if (verdict === 'own-network') {
    return { deep: { ...deep, nextAt: soonest(turn, at, deepConfirmSeconds) }, ...same }
  }
  const asked = { ...deep, askedAt: at, nextAt: turn }
  switch (verdict.kind) {
    case 'good': {
      const { tokenMs, endMs } = verdict
      const good = { ...turned(asked, 'good', null, at), goodAt: at, tokenMs, endMs }
      return {
        deep: { ...good, badSince: null },
        ...(isSilent(watch) ? spokeAgain(watch, at) : same),
      }
    }
    case 'limited': {
      const wait = Math.min(longestWaitSeconds, verdict.retryAfterSeconds ?? 0)
      const free = addSeconds(at, wait)
      const limited = { ...turned(asked, 'limited', verdict.words, at), badSince: null }
      return { deep: { ...limited, nextAt: free > turn ? free : turn }, ...same }
    }
    case 'asked-wrong':
      // What was taken before is a fault of the node by now; what never was may be one of whoever has added it.
      return deep.goodAt === null
        ? refused(asked, watch, verdict.words, at)
        : silent(asked, watch, verdict.words, at, turn)
    case 'refused':
      return refused(asked, watch, verdict.words, at)
    case 'no-token':
      return silent(asked, watch, verdict.words, at, turn)
  }
}

/** Whether it generates is not known any more: what /health says counts alone. */
function refused(asked: DeepWatch, watch: Watch, words: string, at: Date): Deepened {
  const deep = { ...turned(asked, 'refused', words, at), badSince: null }
  return { deep, watch: isSilent(watch) ? released(watch) : watch, happened: [] }
}

function silent(asked: DeepWatch, watch: Watch, words: string, at: Date, turn: Date): Deepened {
  const again = { ...asked, nextAt: soonest(turn, at, deepAgainSeconds) }
  const from = asked.state === 'doubted' ? (asked.badSince ?? at) : at
  const down = { ...turned(again, 'no-token', words, at), badSince: from }
  if (isSilent(watch)) {
    return { deep: { ...down, badSince: asked.badSince ?? at }, watch, happened: [] }
  }
  // The probes of /health have their own doubts, and say what it is.
  if (watch.state !== 'up' || watch.doubts > 0) {
    const nextAt = soonest(turn, at, deepConfirmSeconds)
    return { deep: { ...asked, words, nextAt }, watch, happened: [] }
  }
  // A doubt of long ago, before other trouble, is none of this row.
  const isConfirmed = asked.state === 'doubted' && secondsBetween(from, at) <= rowSeconds
  if (!isConfirmed && asked.state !== 'no-token') {
    const nextAt = soonest(turn, at, deepConfirmSeconds)
    const doubted = { ...turned(asked, 'doubted', words, at), badSince: at, nextAt }
    return { deep: doubted, watch, happened: [] }
  }
  const cause: Cause = {
    kind: 'no-token',
    words: `it says that it is well, and generates nothing: ${words}`,
    retryAfterSeconds: null,
  }
  return { deep: down, ...fellSilent(watch, down.badSince, cause, at) }
}

const turned = (
  deep: DeepWatch,
  state: DeepWatch['state'],
  words: string | null,
  at: Date,
): DeepWatch => ({ ...deep, state, words, since: deep.state === state ? deep.since : at })

const soonest = (turn: Date, at: Date, seconds: number): Date => {
  const soon = addSeconds(at, seconds)
  return turn < soon ? turn : soon
}
