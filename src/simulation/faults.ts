import { z } from 'zod'
import { AppError, messageOf } from '../lib/errors.ts'
import { type FaultName, type FaultRow, faultNames, faultTable } from './fault-table.ts'

/** How often what goes wrong, and how badly: a figure for every row of the table. */
export type Faults = Readonly<Record<FaultName, number>>

export const faultSets = ['none', 'usual', 'all'] as const
export type FaultSet = (typeof faultSets)[number]

/** One of the built-in sets. */
export const builtInFaults = (set: FaultSet): Faults =>
  Object.fromEntries(faultNames.map((name) => [name, rowOf(name)[set]])) as Record<
    FaultName,
    number
  > // every name has its row

const rowOf = (name: FaultName): FaultRow => faultTable[name]

/** The same without those of nodes that are up, so that nothing has to be probed. */
export const withoutNodeFaults = (faults: Faults): Faults => ({
  ...faults,
  tunnelsLostPerServedHour: 0,
  serversHungPerServedHour: 0,
  serverStaysHungShare: 0,
  serverReloadSeconds: 0,
})

/** Whether nodes that are up may go down by themselves. */
export const hasNodeFaults = (faults: Faults): boolean =>
  faults.tunnelsLostPerServedHour + faults.serversHungPerServedHour > 0

/** Below which figure another one may not be. */
const atMost: readonly (readonly [FaultName, FaultName])[] = [
  ['kaggleLeastHours', 'kaggleMostHours'],
  ['colabLeastHours', 'colabMostHours'],
]

const figure = (name: FaultName) => {
  const { unit, most } = rowOf(name)
  const range = `must be a number from 0 to ${most} (${unit})`
  return z.number(range).min(0, range).max(most, range).optional()
}

/** A file of faults: figures by name, and the built-in set (`none`) from which those come that it leaves out. */
export const FaultFile = z.strictObject({
  from: z.enum(faultSets, `must be one of ${faultSets.join(', ')}`).default('none'),
  ...(Object.fromEntries(faultNames.map((name) => [name, figure(name)])) as Record<
    FaultName,
    ReturnType<typeof figure>
  >),
})

/**
 * Reads a file of faults.
 * @param name the file's, for the message
 * @throws AppError `invalid`: names the file, the field and what is wrong with it
 */
export function readFaults(name: string, text: string): Faults {
  const parsed = FaultFile.safeParse(parseJson(name, text))
  if (!parsed.success) throw unusable(name, parsed.error.issues.map(inWords).join('; '))
  const { from, ...figures } = parsed.data
  const faults = { ...builtInFaults(from), ...figures } as Faults // figures that are left out are not there at all
  for (const [least, most] of atMost) {
    if (faults[least] <= faults[most]) continue
    throw unusable(
      name,
      `${least} is ${faults[least]}, more than ${most}, which is ${faults[most]}`,
    )
  }
  if (faults.personSpread < 1) {
    throw unusable(
      name,
      `personSpread is a factor and must be at least 1, not ${faults.personSpread}`,
    )
  }
  if (faults.personFromHour === faults.personToHour) {
    throw unusable(name, 'personFromHour and personToHour are the same: nobody would ever be awake')
  }
  return faults
}

function inWords(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `it has no fault named ${issue.keys.join(', ')}`
  const field = issue.path.join('.')
  return field === '' ? 'it must be one JSON object' : `${field} ${issue.message}`
}

const unusable = (name: string, why: string, cause?: unknown) =>
  new AppError('invalid', `the fault file ${name} cannot be used: ${why}`, {
    code: 'bad_fault_file',
    next: 'rodizio simulate --faults usual prints every fault with its unit; or use none, usual, all',
    cause,
  })

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unusable(name, `it is not JSON (${messageOf(error)})`, error)
  }
}

export interface FaultLine {
  readonly name: FaultName
  readonly what: string
  readonly unit: string
  readonly figure: number
  /** Where the built-in figure comes from; `given` for one that is of no built-in set. */
  readonly source: string
}

/** The faults as a table, each with its unit, in the order in which they are best read. */
export const describeFaults = (faults: Faults): FaultLine[] =>
  faultNames.map((name) => {
    const { what, unit, source, ...sets } = rowOf(name)
    const isBuiltIn = faultSets.some((set) => sets[set] === faults[name])
    return { name, what, unit, figure: faults[name], source: isBuiltIn ? source : 'given' }
  })
