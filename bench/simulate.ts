import { type Figures, type Limit, rounded } from './promises.ts'
import { sideBySide } from './side-by-side.ts'
import type { Answer, Simulation } from './simulation-worker.ts'

const years = 10
const weeks = 52 * years

/** Twenty times ten years with every fault, and what the plan is worth: the promises of the simulator and of the planner. */
export const promises: readonly Limit[] = [
  { figure: 'violations', atMost: 0, of: 'time' },
  { figure: 'msPerYear', atMost: 2000, of: 'time' },
  { figure: 'unusedPercentNone', atMost: 3, of: 'time' },
  { figure: 'unusedPercentUsual', atMost: 10, of: 'time' },
  { figure: 'lateMakespanPercent30k', atMost: 3, of: 'time' },
  { figure: 'lateMakespanPercent100k', atMost: 3, of: 'time' },
  { figure: 'naiveBehindPlanPoints', atMost: -20, of: 'time' },
]

const year = { weeks: 52, seed: 1 }
const measured = {
  none: { ...year, faults: 'none' },
  usual: { ...year, faults: 'usual' },
  naiveNone: { ...year, faults: 'none', isNaive: true },
  naiveUsual: { ...year, faults: 'usual', isNaive: true },
  teamNone: { ...year, faults: 'none', isTeam: true },
  teamUsual: { ...year, faults: 'usual', isTeam: true },
  naiveTeamNone: { ...year, faults: 'none', isTeam: true, isNaive: true },
  naiveTeamUsual: { ...year, faults: 'usual', isTeam: true, isNaive: true },
  serveNone: { ...year, faults: 'none', serves: true },
  serveUsual: { ...year, faults: 'usual', serves: true },
  run30k: { weeks: 20, seed: 1, faults: 'none', onlyRunOf: 30_000 },
  run100k: { weeks: 60, seed: 1, faults: 'none', onlyRunOf: 100_000 },
} as const satisfies Record<string, Simulation>
type Name = keyof typeof measured

const usedPercent = ({ simulated: { hours } }: Answer): number => (hours.used / hours.granted) * 100

/** How much later than at best the first run was done; null when it was not. */
function latePercent({ simulated }: Answer): number | null {
  const [run] = simulated.runs
  return run ? rounded((run.makespanHours / run.boundHours - 1) * 100, 2) : null
}

export async function measure(): Promise<Figures> {
  const told = (simulation: Simulation, { simulated, ms }: Answer) =>
    void process.stderr.write(
      `seed ${simulation.seed}, ${simulation.weeks} weeks, ${simulation.faults}: ${violations(simulated)} violations, ${Math.round(ms)} ms\n`,
    )
  const seeds = Array.from({ length: 20 }, (_, index) => index + 1)
  const all = await sideBySide(
    seeds.map((seed) => ({ weeks, seed, faults: 'all' })),
    told,
  )
  const names = Object.keys(measured) as Name[]
  const rest = await sideBySide(
    names.map((name) => measured[name]),
    told,
  )
  const of = (name: Name): Answer => rest[names.indexOf(name)] as Answer // one for each name
  const used = (name: Name) => rounded(usedPercent(of(name)), 1)
  const served = (name: Name) => rounded((of(name).simulated.servingAvailability ?? 0) * 100, 1)
  return {
    simulatedYears: all.length * years,
    violations: [...all, ...rest].reduce((sum, { simulated }) => sum + violations(simulated), 0),
    msPerYear: Math.round(all.reduce((sum, { ms }) => sum + ms, 0) / (all.length * years)),
    usedPercentAll: rounded(all.reduce((sum, one) => sum + usedPercent(one), 0) / all.length, 1),
    usedPercentNone: used('none'),
    usedPercentUsual: used('usual'),
    usedPercentNaiveNone: used('naiveNone'),
    usedPercentNaiveUsual: used('naiveUsual'),
    usedPercentTeamNone: used('teamNone'),
    usedPercentTeamUsual: used('teamUsual'),
    usedPercentNaiveTeamNone: used('naiveTeamNone'),
    usedPercentNaiveTeamUsual: used('naiveTeamUsual'),
    servedPercentNone: served('serveNone'),
    servedPercentUsual: served('serveUsual'),
    unusedPercentNone: rounded(100 - usedPercent(of('none')), 2),
    unusedPercentUsual: rounded(100 - usedPercent(of('usual')), 2),
    lateMakespanPercent30k: latePercent(of('run30k')),
    lateMakespanPercent100k: latePercent(of('run100k')),
    naiveBehindPlanPoints: rounded(
      usedPercent(of('naiveTeamUsual')) - usedPercent(of('teamUsual')),
      1,
    ),
  }
}

const violations = ({ violations: counts }: Answer['simulated']): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)
