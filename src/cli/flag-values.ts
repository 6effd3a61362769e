import { durationSeconds } from '../api/duration.ts'
import { AppError } from '../lib/errors.ts'

/** Seconds of a duration flag. @throws AppError `invalid` that names the flag */
export function durationOf(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const found = durationSeconds(value)
  if (found !== undefined && found > 0) return found
  throw new AppError('invalid', `${flag}: ${JSON.stringify(value)} is no duration`, {
    next: 'Write 20s, 15m, 8.5h or 7d',
  })
}

/** @throws AppError `invalid` that names the flag */
export function numberOf(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const found = Number(value)
  if (Number.isFinite(found)) return found
  throw new AppError('invalid', `${flag}: ${JSON.stringify(value)} is no number`)
}

/** A whole number within bounds, both included. @throws AppError `invalid` that names the flag and them */
export function wholeOf(
  flag: string,
  value: string | undefined,
  [least, most]: readonly [least: number, most: number],
): number | undefined {
  if (value === undefined) return undefined
  const found = Number(value)
  if (Number.isInteger(found) && found >= least && found <= most && value.trim() !== '') {
    return found
  }
  throw new AppError(
    'invalid',
    `${flag}: ${JSON.stringify(value)} is no whole number from ${least} to ${most}`,
    { next: `For example: ${flag} ${Math.max(least, Math.min(most, 10))}` },
  )
}

/** Collects a flag that may be given again and again. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]
