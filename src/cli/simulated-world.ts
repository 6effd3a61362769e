import { readFileSync } from 'node:fs'
import { messageOf, systemCode } from '../lib/errors.ts'
import {
  builtInFaults,
  type Faults,
  faultSets,
  readFaults,
  withoutNodeFaults,
} from '../simulation/faults.ts'
import { evenings, type Scenario, teamScenario, usualScenario } from '../simulation/scenario.ts'
import { misuse } from './notebook-flags.ts'

/** The flags of `simulate` as they were typed. */
export interface SimulateFlags {
  readonly weeks: string
  readonly seed: string
  readonly faults: string
  readonly runs?: string
  readonly steps?: string
  readonly serve?: boolean
  readonly nodeFaults?: boolean
  readonly naive?: boolean
  readonly team?: boolean
  readonly story?: boolean
}

/** What is to be simulated, once for each seed. */
export interface SimulatedWorld {
  readonly weeks: number
  readonly seeds: readonly number[]
  /** The name of the set, or the file. */
  readonly faultsName: string
  readonly faults: Faults
  readonly scenario: Scenario
  readonly isNaive: boolean
  /** Nodes that are up go down by themselves, and are probed. */
  readonly hasNodeFaults: boolean
}

const most = { weeks: 5200, seed: 999_999_999, seeds: 1000, runs: 100, steps: 100_000_000 }

/** @throws AppError `invalid` that names the flag, what it may be, and what to type */
export function simulatedWorld(flags: SimulateFlags): SimulatedWorld {
  if (flags.naive && flags.serve) {
    throw misuse(
      '--naive and --serve do not go together: the loop without a plan serves nothing',
      'Leave one of the two out',
    )
  }
  if (flags.nodeFaults && !flags.serve) {
    throw misuse(
      '--node-faults goes with --serve: without it there is no node that could go down',
      'rodizio simulate --serve --node-faults',
    )
  }
  const faults = faultsOf(flags.faults)
  return {
    weeks: whole('--weeks', flags.weeks, 1, most.weeks),
    seeds: seedsOf(flags.seed),
    faultsName: flags.faults,
    faults: flags.nodeFaults ? faults : withoutNodeFaults(faults),
    scenario: scenarioOf(flags),
    isNaive: flags.naive === true,
    hasNodeFaults: flags.nodeFaults === true,
  }
}

function whole(flag: string, text: string, from: number, to: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= from && value <= to) return value
  throw misuse(
    `${flag}: ${text} is not a whole number from ${from} to ${to}`,
    `For example: rodizio simulate ${flag} ${Math.min(to, Math.max(from, 10))}`,
  )
}

/** One seed, or all from the first to the last. */
function seedsOf(text: string): number[] {
  const [first = '', last = first, ...rest] = text.split('..')
  if (rest.length > 0) throw badSeeds(text)
  const from = whole('--seed', first, 0, most.seed)
  const to = whole('--seed', last, 0, most.seed)
  if (to < from || to - from >= most.seeds) throw badSeeds(text)
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

const badSeeds = (text: string) =>
  misuse(
    `--seed: ${text} is neither a number nor a range FIRST..LAST of at most ${most.seeds}`,
    'For example: rodizio simulate --seed 1..20',
  )

function faultsOf(name: string): Faults {
  const set = faultSets.find((known) => known === name)
  if (set) return builtInFaults(set)
  return readFaults(name, textOf(name))
}

function textOf(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch (error) {
    const why =
      systemCode(error) === 'ENOENT'
        ? `is neither one of ${faultSets.join(', ')} nor a file that is there`
        : `cannot be read as a file: ${messageOf(error)}`
    throw misuse(
      `--faults: ${name} ${why}`,
      `One of ${faultSets.join(', ')}, or the path of a JSON file of rates: docs/simulation.md shows one`,
    )
  }
}

function scenarioOf({ runs, steps, serve, team }: SimulateFlags): Scenario {
  const base = team ? teamScenario : usualScenario
  const asked = runs === undefined ? null : whole('--runs', runs, 1, most.runs)
  return {
    ...base,
    ...(asked === null ? {} : { openRuns: asked, mostRuns: asked }),
    ...(steps === undefined ? {} : { stepsOfRun: whole('--steps', steps, 1, most.steps) }),
    policy: serve ? evenings : null,
  }
}
