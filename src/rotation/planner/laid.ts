import type { Stay } from './plan.ts'

/** A stay as it was laid, with what only its laying knows. */
export interface Laid {
  readonly stay: Stay
  /** The account that would have been next at that moment; null when no other could have taken it. */
  readonly runnerUp: string | null
  /** When the GPU is first used. */
  readonly beginMs: number
}
