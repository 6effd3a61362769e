import { addSeconds, secondsBetween } from '../lib/clock.ts'
import type { Cause } from './cause.ts'

/**
 * What is known of a node: not looked at yet, up, down, changing too often to be either, or not asked for now because its tunnel's
 * account is at its limit.
 */
export type NodeState = 'unknown' | 'up' | 'down' | 'unstable' | 'limited'

/** A node as its looks have shown it so far; kept from look to look. */
export interface Watch {
  readonly state: NodeState
  readonly since: Date
  /** Bad looks in a row that are not yet an outage; 0 while there are none. */
  readonly doubts: number
  /** When the first of them was, or of those that made the outage. */
  readonly badSince: Date | null
  /** Good looks in a row of a node that was down. */
  readonly hopes: number
  /** Whether the newest look of an unstable node that counts was good. */
  readonly isGood: boolean
  /** When it went down or came back of late, oldest first. */
  readonly changes: readonly Date[]
  readonly cause: Cause | null
  readonly nextProbeAt: Date
}

export interface Rhythm {
  readonly intervalSeconds: number
  /** Bad looks after the first that make an outage of it. */
  readonly confirmations: number
  /** From start to start of the looks that confirm. */
  readonly confirmSeconds: number
  /** Good looks that end an outage, and the time between them. */
  readonly recoveries: number
  readonly recoverySeconds: number
  /** So many changes within so many seconds make a node unstable; as long without one make it steady. */
  readonly unstableChanges: number
  readonly unstableSeconds: number
  /** For how long a limited node is left alone where nobody says. */
  readonly limitedSeconds: number
}

/** An outage is known at the latest 5 min + 2 × 10 s + the time limit of a look after it began. */
export const usualRhythm: Rhythm = {
  intervalSeconds: 300,
  confirmations: 2,
  confirmSeconds: 10,
  recoveries: 2,
  recoverySeconds: 30,
  unstableChanges: 4,
  unstableSeconds: 1800,
  limitedSeconds: 3600,
}

/** What a look has changed, for incidents and alerts to be made from. */
export type Happened =
  | { readonly kind: 'came-up' }
  /** Bad looks that were no outage. */
  | { readonly kind: 'blip'; readonly from: Date; readonly cause: Cause }
  | { readonly kind: 'went-down'; readonly from: Date; readonly cause: Cause }
  | { readonly kind: 'came-back'; readonly downSeconds: number }
  | { readonly kind: 'became-unstable'; readonly changes: number }
  | { readonly kind: 'steadied'; readonly isUp: boolean }
  | { readonly kind: 'limited'; readonly until: Date; readonly cause: Cause }

export const newWatch = (now: Date, firstProbeAt: Date): Watch => ({
  state: 'unknown',
  since: now,
  doubts: 0,
  badSince: null,
  hopes: 0,
  isGood: false,
  changes: [],
  cause: null,
  nextProbeAt: firstProbeAt,
})

/**
 * A look that began at `at` and found the node up, or found what the cause says. Pure.
 * @param next when the node's own turn comes after this look: see `nextTurn`
 */
export function looked(
  watch: Watch,
  found: 'up' | Cause,
  at: Date,
  next: Date,
  rhythm: Rhythm = usualRhythm,
): { readonly watch: Watch; readonly happened: readonly Happened[] } {
  const seen = found === 'up' ? good(watch, at, next, rhythm) : bad(watch, found, at, next, rhythm)
  return steadied(seen.watch, seen.happened, at, rhythm)
}

export interface Step {
  readonly watch: Watch
  readonly happened: readonly Happened[]
}

/** Down because it generates nothing, whatever it says at /health. */
export const isSilent = (watch: Watch): boolean => isDown(watch) && watch.cause?.kind === 'no-token'

/** A node that is up by its probes and was found to generate nothing since `from`: confirmed, so that it is down. Pure. */
export const fellSilent = (
  watch: Watch,
  from: Date,
  cause: Cause,
  at: Date,
  rhythm: Rhythm = usualRhythm,
): Step => {
  const down = { ...watch, doubts: 0, badSince: from, hopes: 0, isGood: false, cause }
  return changed(down, { kind: 'went-down', from, cause }, 'down', at, rhythm)
}

/** A silent node that has generated something. Pure. */
export const spokeAgain = (watch: Watch, at: Date, rhythm: Rhythm = usualRhythm): Step => {
  const back = { ...watch, doubts: 0, cause: null, hopes: 0, badSince: null, isGood: true }
  const downSeconds = secondsBetween(watch.badSince ?? watch.since, at)
  return changed(back, { kind: 'came-back', downSeconds }, 'up', at, rhythm)
}

/** A silent node that nobody asks for tokens any more: it is what /health says from its next probes on. Pure. */
export const released = (watch: Watch): Watch => ({ ...watch, cause: null })

function good(watch: Watch, at: Date, next: Date, rhythm: Rhythm): Step {
  // What /health says is not believed before a token has come.
  if (isSilent(watch)) return { watch: { ...watch, hopes: 0, nextProbeAt: next }, happened: [] }
  const calm = { ...watch, doubts: 0, cause: null, nextProbeAt: next }
  if (isDown(watch)) {
    const hopes = watch.hopes + 1
    if (hopes < rhythm.recoveries) {
      const soon = addSeconds(at, rhythm.recoverySeconds)
      return { watch: { ...watch, hopes, nextProbeAt: soon }, happened: [] }
    }
    const downSeconds = secondsBetween(watch.badSince ?? watch.since, at)
    const back = { ...calm, hopes: 0, badSince: null, isGood: true }
    return changed(back, { kind: 'came-back', downSeconds }, 'up', at, rhythm)
  }
  const blip: Happened[] =
    watch.doubts > 0 && watch.badSince && watch.cause
      ? [{ kind: 'blip', from: watch.badSince, cause: watch.cause }]
      : []
  const kept = { ...calm, badSince: null, hopes: 0, isGood: true }
  if (watch.state === 'up' || watch.state === 'unstable') return { watch: kept, happened: blip }
  const up = { ...kept, state: 'up', since: at } as const
  return { watch: up, happened: [...blip, { kind: 'came-up' }] }
}

function bad(watch: Watch, cause: Cause, at: Date, next: Date, rhythm: Rhythm): Step {
  if (cause.kind === 'account-limit') return limited(watch, cause, at, rhythm)
  if (isDown(watch)) {
    return { watch: { ...watch, hopes: 0, cause, nextProbeAt: next }, happened: [] }
  }
  const doubts = watch.doubts + 1
  const from = watch.doubts > 0 && watch.badSince ? watch.badSince : at
  if (doubts <= rhythm.confirmations) {
    const soon = addSeconds(at, rhythm.confirmSeconds)
    return { watch: { ...watch, doubts, badSince: from, cause, nextProbeAt: soon }, happened: [] }
  }
  const down = {
    ...watch,
    doubts: 0,
    badSince: from,
    hopes: 0,
    isGood: false,
    cause,
    nextProbeAt: next,
  }
  return changed(down, { kind: 'went-down', from, cause }, 'down', at, rhythm)
}

/** It says nothing of the node behind the tunnel: told once, and left alone until the limit is over. */
function limited(watch: Watch, cause: Cause, at: Date, rhythm: Rhythm): Step {
  const until = addSeconds(at, cause.retryAfterSeconds ?? rhythm.limitedSeconds)
  const kept = { ...watch, doubts: 0, hopes: 0, cause, nextProbeAt: until }
  if (watch.state === 'limited') return { watch: kept, happened: [] }
  return {
    watch: { ...kept, state: 'limited', since: at, badSince: null },
    happened: [{ kind: 'limited', until, cause }],
  }
}

/** A change that is told as itself, unless there have been too many of late. */
function changed(
  watch: Watch,
  what: Happened,
  state: 'up' | 'down',
  at: Date,
  { unstableChanges, unstableSeconds }: Rhythm,
): Step {
  const changes = [...watch.changes.filter((one) => secondsBetween(one, at) < unstableSeconds), at]
  if (watch.state === 'unstable') return { watch: { ...watch, changes }, happened: [] }
  if (changes.length >= unstableChanges) {
    return {
      watch: { ...watch, changes, state: 'unstable', since: at },
      happened: [{ kind: 'became-unstable', changes: changes.length }],
    }
  }
  return { watch: { ...watch, changes, state, since: at }, happened: [what] }
}

/** An unstable node that has not changed for long enough is what it was last. */
function steadied(watch: Watch, happened: readonly Happened[], at: Date, rhythm: Rhythm): Step {
  const last = watch.changes.at(-1)
  if (watch.state !== 'unstable' || !last || secondsBetween(last, at) < rhythm.unstableSeconds) {
    return { watch, happened }
  }
  const state = watch.isGood ? 'up' : 'down'
  return {
    watch: { ...watch, state, since: at, changes: [] },
    happened: [...happened, { kind: 'steadied', isUp: watch.isGood }],
  }
}

const isDown = ({ state, isGood, badSince, doubts }: Watch): boolean =>
  state === 'down' || (state === 'unstable' && !isGood && badSince !== null && doubts === 0)
