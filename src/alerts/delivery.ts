import { addSeconds, secondsBetween } from '../lib/clock.ts'

/** Waits for its turn; was taken by the channel; was refused for good; was tried for too long and is shown instead. */
export type DeliveryState = 'waiting' | 'sent' | 'refused' | 'parked'

/** The way of one envelope to its channel. */
export interface Delivery {
  readonly state: DeliveryState
  readonly createdAt: Date
  readonly attempts: number
  readonly nextAt: Date
  /** What the channel said last; null before it was asked. */
  readonly said: string | null
}

/**
 * What an attempt brought. `later` stands for all that may go better another time, a connection that broke after the message was
 * handed over included: it is sent again under the same id, and who has it already shows it once.
 */
export type Attempt =
  | { readonly kind: 'accepted'; readonly said: string }
  | {
      readonly kind: 'later'
      readonly said: string
      readonly retryAfterSeconds?: number
      /** Who has not got it yet, where others have. */
      readonly left?: readonly string[]
    }
  | {
      readonly kind: 'refused'
      readonly said: string
      /** Whether it is the channel that is refused, rather than this message: no other one would fare better. */
      readonly isSignIn?: true
    }

const firstWaitSeconds = 15
const longestWaitSeconds = 1800
/** So long a message is tried before it is parked. */
export const longestSeconds = 24 * 3600

export const newDelivery = (now: Date): Delivery => ({
  state: 'waiting',
  createdAt: now,
  attempts: 0,
  nextAt: now,
  said: null,
})

/**
 * The delivery after an attempt. Waits double from a quarter of a minute to half an hour, each shifted by up to a fifth so that many
 * do not come back at once.
 * @param chance in [0, 1): how far this one is shifted
 */
export function afterAttempt(
  delivery: Delivery,
  attempt: Attempt,
  now: Date,
  chance: number,
): Delivery {
  const attempts = delivery.attempts + 1
  const tried = { ...delivery, attempts, said: attempt.said }
  if (attempt.kind === 'accepted') return { ...tried, state: 'sent' }
  if (attempt.kind === 'refused') return { ...tried, state: 'refused' }
  const doubled = firstWaitSeconds * 2 ** Math.min(attempts - 1, 12)
  const shifted = Math.min(longestWaitSeconds, doubled) * (0.8 + 0.4 * chance)
  const nextAt = addSeconds(now, Math.max(shifted, attempt.retryAfterSeconds ?? 0))
  return secondsBetween(delivery.createdAt, nextAt) > longestSeconds
    ? { ...tried, state: 'parked' }
    : { ...tried, nextAt }
}
