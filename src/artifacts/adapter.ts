import type { Judged } from './promotion.ts'

export type AdapterState = 'candidate' | 'promoted' | 'rejected'

/** How candidates of a line are decided: by the judge of `promotion.ts`, or by a person alone. */
export type PromotionPolicy = 'auto' | 'manual'

/** What a run has left, with what became of it. */
export interface Adapter {
  /** Counted over all lines, and never used again. */
  readonly number: number
  /** What follows from what: the standing run, the run it began with, or the run itself. */
  readonly line: string
  readonly runId: string
  readonly runName: string
  readonly label: string
  readonly generation: number
  readonly step: number
  readonly manifestSha256: string
  readonly bytes: number
  readonly base: string
  /** What its run has found of it; null where it found nothing. */
  readonly judged: (Judged & { readonly baseLoss: number | null }) | null
  readonly state: AdapterState
  readonly score: number | null
  readonly why: string | null
  readonly createdAt: Date
  readonly decidedAt: Date | null
  readonly decidedBy: string | null
}

/** As people and boxes call it, such as `v12`. */
export const versionOf = ({ number }: Pick<Adapter, 'number'>): string => `v${number}`

/** The number of a version's name; undefined for another word. */
export function numberOf(version: string): number | undefined {
  const [, digits] = /^v([1-9]\d{0,8})$/.exec(version) ?? []
  return digits === undefined ? undefined : Number(digits)
}
