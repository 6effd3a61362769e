import { parentPort, workerData } from 'node:worker_threads'
import { builtInFaults, type FaultSet, withoutNodeFaults } from '../src/simulation/faults.ts'
import { evenings, teamScenario, usualScenario } from '../src/simulation/scenario.ts'
import { type Simulated, simulate } from '../src/simulation/simulate.ts'

/** One simulation, as it can be sent to a thread. */
export interface Simulation {
  readonly weeks: number
  readonly seed: number
  readonly faults: FaultSet
  readonly isNaive?: boolean
  readonly isTeam?: boolean
  readonly serves?: boolean
  /** Nodes that are up go down by themselves, and are probed. */
  readonly nodeFaults?: boolean
  /** One run of so many steps and no other; else work never ends. */
  readonly onlyRunOf?: number
}

export type Answer = { readonly simulated: Simulated; readonly ms: number }

/** Runs it here and gives its result with the milliseconds that it took. */
export async function simulated(simulation: Simulation): Promise<Answer> {
  const { weeks, seed, faults: set, isNaive = false, isTeam, serves, onlyRunOf } = simulation
  const faults = builtInFaults(set)
  const only = onlyRunOf === undefined ? {} : { openRuns: 1, mostRuns: 1, stepsOfRun: onlyRunOf }
  const began = performance.now()
  const result = await simulate({
    weeks,
    seed,
    faults: simulation.nodeFaults ? faults : withoutNodeFaults(faults),
    isNaive,
    scenario: {
      ...(isTeam ? teamScenario : usualScenario),
      policy: serves ? evenings : null,
      ...only,
    },
  })
  return { simulated: result, ms: performance.now() - began }
}

if (parentPort) parentPort.postMessage(await simulated(workerData as Simulation))
