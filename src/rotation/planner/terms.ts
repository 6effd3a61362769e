import type { Lane } from './book.ts'
import type { PlanRun } from './plan-input.ts'

/** What a run's sessions on one account are made of. Seconds of GPU time. */
export interface Terms<At extends Pick<Lane, 'account'> = Lane> {
  readonly lane: At
  readonly secondsPerStep: number
  readonly startSeconds: number
  /** Start and last checkpoint: what a session costs without a step. */
  readonly overheadSeconds: number
  /** The longest that account and run allow, in whole minutes. */
  readonly mostSeconds: number
  /** A shorter one is not worth its start, unless it is the last. */
  readonly worthSeconds: number
  /** The most steps that a session may do. */
  readonly mostSteps: number
}

/** Seconds that count as the same when steps are fitted into them: sums of fractions are not exact. */
const hair = 1e-6

/** Up to the next whole minute. */
const inMinutes = (seconds: number): number => Math.ceil((seconds - hair) / 60) * 60

/** The terms of a run on an account; null where it cannot be trained at all. */
export function termsOf<At extends Pick<Lane, 'account'>>(
  run: PlanRun,
  lane: At,
): Terms<At> | null {
  const stepsPerHour = run.stepsPerHour.get(lane.account.name) ?? 0
  if (!(stepsPerHour > 0)) return null
  const { maxSessionSeconds } = lane.account
  const startSeconds = run.startSeconds?.get(lane.account.name) ?? lane.account.startSeconds
  const secondsPerStep = 3600 / stepsPerHour
  const overheadSeconds = startSeconds + run.saveSeconds
  const own = Math.min(
    run.maxSessionSeconds ?? Number.POSITIVE_INFINITY,
    run.sessionSteps === null
      ? Number.POSITIVE_INFINITY
      : inMinutes(overheadSeconds + run.sessionSteps * secondsPerStep),
  )
  const mostSeconds = Math.floor(Math.min(own, maxSessionSeconds) / 60) * 60
  const oneStep = inMinutes(overheadSeconds + secondsPerStep)
  if (mostSeconds < oneStep) return null
  const worth = Math.max(run.minSessionSeconds, startSeconds + overheadSeconds + secondsPerStep)
  return {
    lane,
    secondsPerStep,
    startSeconds,
    overheadSeconds,
    mostSeconds,
    // The run's own limit is worth it by its own word, but never less than one step and its checkpoint.
    worthSeconds: Math.max(oneStep, inMinutes(Math.min(worth, Math.floor(own / 60) * 60))),
    mostSteps: run.sessionSteps ?? Number.POSITIVE_INFINITY,
  }
}

type Length = Pick<Terms, 'overheadSeconds' | 'secondsPerStep' | 'mostSteps'>

/** Steps that fit into a session of so many seconds, of those that remain. */
export const stepsIn = (terms: Length, seconds: number, remaining: number): number =>
  Math.min(
    remaining,
    terms.mostSteps,
    Math.max(0, Math.floor((seconds - terms.overheadSeconds + hair) / terms.secondsPerStep)),
  )

/** What the remaining steps take in one session, to the minute. */
export const bareSeconds = (terms: Length, remaining: number): number =>
  inMinutes(terms.overheadSeconds + remaining * terms.secondsPerStep)

/** The same with a tenth and five minutes of slack: what is booked for a last session. */
export const neededSeconds = (terms: Length, remaining: number): number =>
  inMinutes((terms.overheadSeconds + remaining * terms.secondsPerStep) * 1.1 + 300)
