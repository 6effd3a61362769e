import { counted, speaks } from '../planner/speed.ts'
import type { RunFacts } from './input.ts'
import type { RotationState, Sample } from './state.ts'

/**
 * How far from the likely one a run's speed may lie, as a share of it: 15 % where five sessions have shown it, 50 % where none
 * has, evenly between. Sessions that are too short to say anything of a speed do not count. Assumed, not measured.
 */
export function doubtOf(samples: readonly Sample[]): number {
  const shown = Math.min(counted, samples.filter(speaks).length)
  return 0.5 - (0.35 * shown) / counted
}

/** The same with every run at its speed times a factor; starts, saves and what has been done stay as they are. */
export function paced(
  state: RotationState,
  facts: ReadonlyMap<string, RunFacts>,
  factorOf: (runId: string) => number,
): { readonly state: RotationState; readonly facts: ReadonlyMap<string, RunFacts> } {
  const samples = [...state.samples].map(
    ([id, all]) => [id, all.map((one) => ({ ...one, steps: one.steps * factorOf(id) }))] as const,
  )
  const known = [...facts].map(([id, one]) => {
    const stepsPerHour = one.prior.stepsPerHour * factorOf(id)
    return [id, { ...one, prior: { ...one.prior, stepsPerHour } }] as const
  })
  return { state: { ...state, samples: new Map(samples) }, facts: new Map(known) }
}
