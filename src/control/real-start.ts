import { newId } from '../lib/random.ts'
import { targetsOf } from '../notebooks/targets.ts'
import { sessionName } from '../rotation/session.ts'
import type { WantedRun } from './start-run.ts'

/** The name of the run that `up --real` begins, once in a data folder. */
export const realRunName = 'real'

export interface RealPorts {
  readonly emulators: {
    stagePreemption(
      session: number | string,
      afterLine: string,
      afterSeconds: number,
    ): Promise<void>
  }
  /** Imports the sample data and gives its version. */
  readonly importSample: () => Promise<string>
  readonly startRun: (wanted: WantedRun) => Promise<unknown>
}

export interface RealStart {
  /** The folder of the tiny base; its path is the base of the plan. */
  readonly base: string
  /** Whether a run of that name is there, of whatever state. */
  readonly isThere: () => Promise<boolean>
}

/**
 * Begins a run of the engine `trl` on the tiny base, unless it is there: a rotation of four sessions, the third of them killed
 * by the emulated Kaggle in mid-step. Sessions hand over by their steps, so that a slow machine sees the same rotation.
 */
export async function beginReal(ports: RealPorts, { base, isThere }: RealStart): Promise<void> {
  if (await isThere()) return
  const dataset = await ports.importSample()
  const id = newId('run')
  await ports.emulators.stagePreemption(sessionName(id, realRunName, 3), 'RODIZIO_SAVED', 1)
  await ports.startRun(realRun(id, dataset, base))
}

const realRun = (id: string, dataset: string, base: string): WantedRun => ({
  id,
  name: realRunName,
  dataset,
  engine: 'trl',
  steps: 44,
  seed: 7,
  // In 4 bit with 8-bit optimizer states, as every run of this engine. An untaught base of toy size bears a higher rate.
  plan: {
    base,
    targets: targetsOf.mistral,
    learningRate: 0.005,
    maxLength: 512,
    batchSize: 2,
    accumulation: 8,
  },
  options: {
    saveSeconds: 60,
    saveSteps: 5,
    heartbeatSeconds: 3,
    sessionSteps: 15,
    // Booked, not used: loading the libraries takes most of a session's time, and much more of it on a busy machine.
    sessionSeconds: 240,
    minSessionSeconds: 60,
  },
  sample: true,
})
