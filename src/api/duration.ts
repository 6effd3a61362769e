import { z } from 'zod'

const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** Seconds of a duration as people write it: `90`, `20s`, `15m`, `1.5h`, `7d`; undefined when it is none. */
export function durationSeconds(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text.trim()) ?? []
  if (amount === undefined) return undefined
  const factor = unit ? unitSeconds[unit as keyof typeof unitSeconds] : 1 // the pattern admits only these
  return Number(amount) * factor
}

/** A positive number of seconds. */
export const Seconds = z
  .number()
  .positive()
  .max(31 * 86_400)
