import type { PlanPolicy, Span } from './plan-input.ts'
import { merged, wallSpans } from './wall-hours.ts'

/** When a policy wants a node, within [fromMs, toMs): in order, windows that touch or overlap merged, clock changes counted. */
export function windowSpans(
  policy: Pick<PlanPolicy, 'windows'>,
  fromMs: number,
  toMs: number,
): Span[] {
  if (policy.windows === 'always') return fromMs < toMs ? [{ fromMs, toMs }] : []
  return merged(
    policy.windows.flatMap((window) => wallSpans(window, window.weekdays, fromMs, toMs)),
  )
}
