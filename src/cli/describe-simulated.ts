import { describeFaults, type Faults } from '../simulation/faults.ts'
import type { Scenario } from '../simulation/scenario.ts'
import type { Simulated } from '../simulation/simulate.ts'
import type { SimulatedWorld } from './simulated-world.ts'
import { table } from './table.ts'

/** One seed's result as `--json` gives it; hours and shares to four decimals, so that the same seed gives the same text. */
export function simulatedJson(
  world: SimulatedWorld,
  seed: number,
  simulated: Simulated,
  servedWithoutNodeFaults: number | null,
  wallMs: number,
) {
  const { hours, steps, longestStallHours, servingAvailability, violations, ...more } = simulated
  const { spent, runs, ...counts } = more
  return {
    weeks: world.weeks,
    seed,
    faults: world.faultsName,
    accounts: world.scenario.accounts.length,
    naive: world.isNaive,
    hours: rounded(hours),
    steps,
    longestStallHours: decimals(longestStallHours),
    servingAvailability: servingAvailability === null ? null : decimals(servingAvailability),
    ...(servedWithoutNodeFaults === null
      ? {}
      : { servedWithoutNodeFaults: decimals(servedWithoutNodeFaults) }),
    violations,
    spent: rounded(spent),
    ...counts,
    runs: runs.map(({ name, ...figures }) => ({ name, ...rounded(figures) })),
    wallMs: Math.round(wallMs),
  }
}

export type SimulatedJson = ReturnType<typeof simulatedJson>

const decimals = (value: number): number => Number(value.toFixed(4))

/** A makespan without bound (no hours are granted any more) has no figure in JSON. */
const rounded = <T extends object>(figures: T) =>
  Object.fromEntries(
    Object.entries(figures).map(([key, value]) => [
      key,
      Number.isFinite(value) ? decimals(Number(value)) : null,
    ]),
  ) as { [key in keyof T]: number }

/** How many of what must never happen did happen. */
export const violationsOf = ({ violations }: Pick<Simulated, 'violations'>): number =>
  Object.values(violations).reduce((sum, count) => sum + count, 0)

/** What stands above the results: that nothing of it is real, who lends what, and how often what goes wrong. */
export function describeWorld(world: SimulatedWorld): string {
  const { weeks, seeds, scenario, faults, faultsName, isNaive } = world
  const span = seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds[0]} to ${seeds.at(-1)}`
  const who = isNaive ? 'the loop without a plan, for comparison' : 'the rotation of this service'
  return [
    `Simulated: ${weeks} week${weeks === 1 ? '' : 's'} of virtual time, ${span}. No account is asked, nothing is trained.`,
    `At work is ${who}, against models of the providers; faults: ${faultsName}.`,
    workOf(scenario),
    '',
    faultLines(faults),
  ].join('\n')
}

function workOf({ accounts, openRuns, mostRuns, stepsOfRun, policy, pace }: Scenario): string {
  const lent = accounts.map(({ name, provider }) => `${name} (${provider})`).join(', ')
  const runs =
    mostRuns === null
      ? `${openRuns} runs of ${stepsOfRun} steps are always open`
      : `${mostRuns} run${mostRuns === 1 ? '' : 's'} of ${stepsOfRun} steps, and none after`
  const serving = policy ? '; a model is served on weekday evenings' : ''
  return `Accounts: ${lent}. Work: ${runs}, ${pace.stepSeconds} s a step${serving}.`
}

function faultLines(faults: Faults): string {
  const rows = describeFaults(faults).filter(({ figure }) => figure !== 0)
  return table(
    ['FAULT', 'RATE', 'UNIT', 'SOURCE'],
    rows.map(({ what, figure, unit, source }) => [what, String(figure), unit, source]),
  )
}

/** One seed's result for a person. */
export function describeSimulated(result: SimulatedJson): string {
  const { hours, spent, steps, violations } = result
  const row = (name: string, value: number) => [name, value.toFixed(1), share(value, hours.granted)]
  const lost = spent.overhead + spent.redone + spent.idle + spent.frozen
  const lines = [
    table(
      ['GPU HOURS', 'HOURS', 'OF GRANTED'],
      [
        row('granted, less the margin', hours.granted),
        row('used', hours.used),
        row('  training', spent.training),
        row('  saving', spent.saving),
        ...(result.servingAvailability === null ? [] : [row('  serving', spent.serving)]),
        row('wasted', hours.wasted),
        row('  starting', spent.overhead),
        row('  steps done twice', spent.redone),
        row('  idle', spent.idle),
        row('  frozen', spent.frozen),
        row('  nobody took them', hours.wasted - lost),
      ],
    ),
    '',
    `Steps: ${steps.done} done of at most ${steps.bound} (${share(steps.done, steps.bound)}), ${steps.redone} of them redone.`,
    `Longest stall: ${result.longestStallHours.toFixed(1)} h in which nothing ran though Kaggle had hours left${result.servingAvailability === null ? '' : ', those kept for windows included'}.`,
    ...(result.servingAvailability === null
      ? []
      : [servedLine(result.servingAvailability, result.servedWithoutNodeFaults)]),
    ...runLines(result),
    `Violations: ${Object.entries(violations)
      .map(([name, count]) => `${words[name as keyof typeof violations]} ${count}`)
      .join(', ')}.`,
    `${result.sessions} sessions, ${result.ticks} looks of the service, ${result.events} events in ${result.wallMs} ms.`,
  ]
  return lines.join('\n')
}

function servedLine(served: number, without: number | undefined): string {
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`
  const more =
    without === undefined ? '' : `; ${percent(without)} where no node goes down by itself`
  return `Served: ${percent(served)} of the windows${more}.`
}

const words: Readonly<Record<keyof Simulated['violations'], string>> = {
  budget: 'budget',
  duplicateLaunches: 'duplicate launches',
  fencedCommits: 'fenced commits',
  lostCheckpoints: 'lost checkpoints',
  openIntents: 'open intents',
}

const share = (part: number, of: number): string =>
  of === 0 ? '' : `${((part / of) * 100).toFixed(1)} %`

const daysOf = (hours: number): string => `${(hours / 24).toFixed(1)} d`

/** The first runs that were completed. */
function runLines({ runs }: SimulatedJson): string[] {
  const shown = runs.slice(0, 4).map(({ name, makespanHours, boundHours }) => {
    const bound = boundHours === null ? 'no bound' : `alone at best ${daysOf(boundHours)}`
    return `${name} ${daysOf(makespanHours)} (${bound})`
  })
  const more = runs.length > shown.length ? `, and ${runs.length - shown.length} more` : ''
  return shown.length === 0
    ? ['Completed runs: none.']
    : [`Completed runs: ${shown.join(', ')}${more}.`]
}
