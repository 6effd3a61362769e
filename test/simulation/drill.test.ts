import { execFile } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'
import { type Defect, defects } from './defects.ts'

const root = join(import.meta.dirname, '../..')
/** A simulation that is not done by then counts as broken. */
const limitMs = 60_000

const folders = [temporaryFolder()]
const place = folders[0]?.path ?? ''
afterAll(() => {
  for (const folder of folders) folder[Symbol.dispose]()
})

interface Result {
  readonly hours: { readonly granted: number; readonly used: number }
  readonly servingAvailability: number | null
  readonly planned: number
  readonly violations: Readonly<Record<string, number>>
}

/** What the program in that folder prints; its error text, or that it took too long, where it has no result. */
function simulated(folder: string, { args, rates }: Defect): Promise<Result | string> {
  const file = join(place, 'rates.json')
  if (rates) writeFileSync(file, JSON.stringify(rates))
  const faults = rates ? ['--faults', file] : []
  const line = [join(folder, 'src/main.ts'), 'simulate', '--json', ...args.split(' '), ...faults]
  return new Promise((resolve) => {
    execFile(process.execPath, line, { timeout: limitMs }, (error, out, complaint) => {
      if (out.startsWith('{')) resolve(JSON.parse(out) as Result)
      else resolve(complaint || `no result within ${limitMs} ms: ${error?.message}`)
    })
  })
}

const sound = new Map<string, Promise<Result | string>>()

/** The same simulation with the sources as they are, made once. */
function soundly(defect: Defect): Promise<Result | string> {
  const key = `${defect.args} ${JSON.stringify(defect.rates)}`
  const made = sound.get(key) ?? simulated(root, defect)
  sound.set(key, made)
  return made
}

/** A copy of the sources with the defect in it. */
function planted({ file, original, planted: text }: Defect, name: string): string {
  const folder = join(place, name)
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const path = join(folder, 'src', file)
  const source = readFileSync(path, 'utf8')
  expect(source.split(original).length - 1, `times that ${file} has the text to be changed`).toBe(1)
  writeFileSync(
    path,
    source.replace(original, () => text),
  )
  return folder
}

/** Whether it shows in a result. A program that does not run shows nothing but a bad patch. */
function isCaught({ shows }: Defect, result: Result | string, without: Result): boolean {
  if (typeof result === 'string') return false
  const { hours, violations, servingAvailability, planned } = result
  if ('violation' in shows) return (violations[shows.violation] ?? 0) > 0
  if ('usedBelow' in shows) return hours.used / hours.granted < shows.usedBelow
  if ('servedBelow' in shows) return (servingAvailability ?? 1) < shows.servedBelow
  return planned > without.planned * shows.plannedTimes
}

describe('a defect that is planted shows, and without it nothing does', () => {
  it.each(defects.map((defect, index) => ({ ...defect, index })))('$what', async (defect) => {
    const folder = planted(defect, `copy-${defect.index}`)
    const without = await soundly(defect)
    if (typeof without === 'string') throw new Error(`the sources as they are: ${without}`)
    expect(Object.values(without.violations).every((count) => count === 0)).toBe(true)
    expect(isCaught(defect, without, without)).toBe(false)
    const result = await simulated(folder, defect)
    const story = typeof result === 'string' ? result : JSON.stringify({ ...result, runs: [] })
    expect(isCaught(defect, result, without), story).toBe(true)
  })
})
