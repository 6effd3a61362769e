import type { NewPolicy } from '../api/serving-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { readWindow, windowExamples } from '../rotation/serving-windows.ts'
import { isZone, zoneExamples } from '../rotation/zone.ts'
import { localZone } from './wall-time.ts'

type Windows = Exclude<NonNullable<NewPolicy['windows']>, undefined>

const misuse = (message: string, next: string) => new AppError('invalid', message, { next })

/**
 * The windows of `--windows`, in the zone of `--zone` or else of this machine; undefined where none was given.
 * @throws AppError `invalid` that names the flag and shows a right one
 */
export function windowsOf(
  given: readonly string[] | undefined,
  zone: string | undefined,
): Windows | undefined {
  if (zone !== undefined && !isZone(zone)) {
    throw misuse(`--zone: there is no time zone ${JSON.stringify(zone)}`, zoneExamples)
  }
  const isAlways = (text: string) => text.trim().toLowerCase() === 'always'
  const isWeekly = given?.some((text) => !isAlways(text)) ?? false
  if (zone !== undefined && !isWeekly) {
    throw misuse(
      '--zone: without weekly windows there is nothing that it could be the zone of',
      `Give windows with it: --windows ${windowExamples}`,
    )
  }
  if (given === undefined) return undefined
  if (!isWeekly) return 'always'
  if (given.some(isAlways)) {
    throw misuse(
      '--windows: always goes with no other window',
      `Give always alone, or weekly windows: ${windowExamples}`,
    )
  }
  return given.map((text) => {
    const read = readWindow(text, zone ?? localZone())
    if (read.kind === 'wrong') throw misuse(`--windows: ${read.why}`, `Write ${windowExamples}`)
    return { ...read.window, weekdays: [...read.window.weekdays] }
  })
}
