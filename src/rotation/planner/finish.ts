import type { Plan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'

/**
 * When a run will have its last step, in epoch milliseconds; null when nothing of it is planned.
 *
 * Within the plan it is what the plan says, or where the live session is enough, the moment at which that has the steps at the
 * run's speed there. Beyond it a simple extrapolation: the weeks after are taken to bring as many steps as the plan's seven days
 * do, live session included, whatever else may then want the hours.
 */
export function finishOf(input: PlanInput, plan: Plan, runId: string): number | null {
  const run = input.runs.find(({ id }) => id === runId)
  if (!run) return null
  const planned = plan.finishes.get(runId)
  if (planned !== undefined) return planned
  const isOfIt = (of: { readonly work: { readonly kind: string; readonly id: string } }) =>
    of.work.kind === 'run' && of.work.id === runId
  let live = 0
  for (const session of input.live.filter(isOfIt)) {
    live += session.expectedSteps
    const speed = run.stepsPerHour.get(session.account) ?? 0
    const spare = live - run.remainingSteps
    if (spare < 0) continue
    const early = speed > 0 ? (spare * 3_600_000) / speed : 0
    return Math.max(input.nowMs, session.endsMs - early)
  }
  const steps = plan.stays.filter(isOfIt).reduce((sum, stay) => sum + stay.steps, live)
  if (steps <= 0) return null
  const left = Math.max(0, run.remainingSteps - steps)
  return plan.untilMs + (left / steps) * (plan.untilMs - plan.madeMs)
}
