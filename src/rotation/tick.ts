import type { RunFacts } from './engine/input.ts'
import { perform } from './perform.ts'
import { readBooks } from './read-books.ts'
import type { Run } from './run.ts'
import { runFacts, settledRuns } from './run-facts.ts'
import { surroundings } from './surroundings.ts'
import type { TickPorts } from './tick-ports.ts'

/**
 * One look at the world: every open session is compared with what its provider says, every open run without a session gets
 * one. Level-triggered: nothing depends on an earlier tick, and a tick cut short anywhere is made good by the next.
 * @returns when the plan has something to begin, by epoch milliseconds; null when nothing is to be waited for
 */
export async function tick(ports: TickPorts): Promise<number | null> {
  const accounts = await ports.store.accounts()
  const around = surroundings(ports, accounts)
  // A service that has nothing to do does nothing: it shares its machine's memory.
  if ((await ports.store.openSessions()).length > 0) {
    const looked = await ports.store.apply({ kind: 'look', around })
    // Side by side: a provider that hangs holds up its own sessions alone.
    await perform(ports, around, looked.effects)
  }
  const facts = await factsOf(ports)
  await readBooks(ports, accounts, (await ports.store.openRuns()).length > 0)
  if (facts.size === 0) return null
  const sought = await ports.store.apply({ kind: 'seek', around, runs: facts })
  await perform(ports, around, sought.effects)
  // What was begun may have come to nothing at once, and another account have its turn.
  return sought.effects.length > 0 ? ports.now().getTime() : sought.lookAtMs
}

/** What is known of each open run; empty when every one has its session and none could have a better one. */
async function factsOf(ports: TickPorts): Promise<ReadonlyMap<string, RunFacts>> {
  const runs = await ports.store.openRuns()
  const settled = settledRuns(await ports.store.openSessions())
  if (runs.every((run) => run.serving === null && settled.has(run.id))) return new Map()
  const trouble = async (run: Run) =>
    (await ports.storeTrouble(run)) ?? (await ports.baseTrouble(run))
  return runFacts(ports, runs, settled, trouble)
}
