import { AppError } from '../lib/errors.ts'

export interface WantedAdjustment {
  /** Made from the caller's Idempotency-Key: the same request twice is one row of the ledger. */
  readonly id: string
  readonly account: string
  /** Negative takes, positive gives; GPU hours of the present week. */
  readonly hours: number
  readonly note: string | null
}

export interface AdjustmentRows {
  /**
   * Writes a row of the ledger in the account's present week, told as an event, in one transaction; a row that stands already
   * is left as it is.
   * @throws AppError `not-found` (`account_unknown`), `invalid` (`hours_absurd`) for more than a week together with those before
   */
  adjust(wanted: Omit<WantedAdjustment, 'hours'> & { readonly gpuSeconds: number }): Promise<void>
}

/** A week has no more hours than this. */
export const weekHours = 168

/**
 * Corrects an account's book by what its owner used beside Rodízio.
 * @throws AppError `invalid` (`hours_absurd`), and as `AdjustmentRows.adjust`
 */
export async function adjustBudget(rows: AdjustmentRows, wanted: WantedAdjustment): Promise<void> {
  const { hours, ...rest } = wanted
  const gpuSeconds = Math.round(hours * 3600)
  if (Number.isFinite(hours) && gpuSeconds !== 0 && Math.abs(hours) <= weekHours) {
    return rows.adjust({ ...rest, gpuSeconds })
  }
  throw absurdHours(
    gpuSeconds === 0 ? 'no time at all is no correction' : `${hours} h are more than a week has`,
  )
}

export const absurdHours = (why: string) =>
  new AppError('invalid', `hours: ${why}`, {
    code: 'hours_absurd',
    next: 'Write what was used beside Rodízio, such as -2.5, or what is to be given back, such as 1',
  })
