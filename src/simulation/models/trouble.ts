import { AppError } from '../../lib/errors.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import { type Spells, spells } from '../spells.ts'

const minuteMs = 60_000
const weekMs = 7 * 24 * 60 * minuteMs

/** When a provider does not answer at all; the same for all its accounts. */
export const outages = (seed: number, faults: Faults, provider: string, startMs: number): Spells =>
  spells(
    stream(seed, `${provider}/down`),
    startMs,
    faults.providerDownSpellsPerWeek / weekMs,
    faults.providerDownMinutes * minuteMs,
  )

/** When Kaggle's quota cannot be read; the same for all its accounts. */
export const quotaOutages = (seed: number, faults: Faults, startMs: number): Spells =>
  spells(
    stream(seed, 'kaggle/quota-away'),
    startMs,
    faults.quotaAwaySpellsPerWeek / weekMs,
    faults.quotaAwayMinutes * minuteMs,
  )

/** What is said of a provider that does not answer. */
export const noAnswer = (provider: string): string => `${provider} gives no answer`

export const unavailable = (provider: string): AppError =>
  new AppError('unavailable', noAnswer(provider), {
    next: 'It is asked again by itself; look at the status page of the provider when it lasts',
  })
