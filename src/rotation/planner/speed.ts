/** What a session did: optimizer steps, and the seconds in which it trained, its start left out. */
export interface TrainedSample {
  readonly steps: number
  readonly seconds: number
}

/** A shorter time of training says nothing about a speed. */
const leastSeconds = 600
/** Of so many sessions the median is taken. */
export const counted = 5

/** Whether a session says anything of a speed. */
export const speaks = ({ steps, seconds }: TrainedSample): boolean =>
  steps > 0 && seconds >= leastSeconds

/**
 * Optimizer steps in an hour, as the last five sessions that say something have it: their median. Without any, the prior.
 * @param prior steps in an hour by the reference table
 * @param samples oldest first
 */
export function learnedSpeed(prior: number, samples: readonly TrainedSample[]): number {
  const speeds = samples.filter(speaks).map(({ steps, seconds }) => (steps * 3600) / seconds)
  return median(speeds.slice(-counted)) ?? prior
}

/**
 * Seconds from a session's beginning to its first step, as the last five sessions have it: their median. Without any, the prior.
 * @param samples in seconds, oldest first; those that are no time are passed over
 */
export function learnedStart(priorSeconds: number, samples: readonly number[]): number {
  const starts = samples.filter((seconds) => Number.isFinite(seconds) && seconds >= 0)
  return median(starts.slice(-counted)) ?? priorSeconds
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  const low = sorted[(sorted.length - 1) >> 1]
  const high = sorted[sorted.length >> 1]
  return low === undefined || high === undefined ? null : (low + high) / 2
}
