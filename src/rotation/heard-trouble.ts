import type { Run } from './run.ts'
import type { TickPorts } from './tick-ports.ts'

type Asks = Pick<TickPorts, 'storeTrouble' | 'baseTrouble'>

/** The same questions, their last answers remembered, so that a look at the plan asks no hub and no store again. */
export function heardTrouble(asks: Asks): Asks & {
  /** Why no session of the run could be started when the tick last asked; null when one could, or nobody has asked yet. */
  readonly last: (run: Run) => string | null
} {
  const store = new Map<string, string | null>()
  const base = new Map<string, string | null>()
  const noted = (ask: Asks['storeTrouble'], answers: Map<string, string | null>) => {
    return async (run: Run) => {
      const why = await ask(run)
      answers.set(run.id, why)
      return why
    }
  }
  return {
    storeTrouble: noted(asks.storeTrouble, store),
    baseTrouble: noted(asks.baseTrouble, base),
    last: ({ id }) => store.get(id) ?? base.get(id) ?? null,
  }
}
