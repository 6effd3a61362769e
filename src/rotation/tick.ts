import type { RunFacts } from './engine/input.ts'
import { perform } from './perform.ts'
import { readBooks } from './read-books.ts'
import { surroundings } from './surroundings.ts'
import type { TickPorts } from './tick-ports.ts'

/**
 * One look at the world: every open session is compared with what its provider says, every open run without a session gets
 * one. Level-triggered: nothing depends on an earlier tick, and a tick cut short anywhere is made good by the next.
 */
export async function tick(ports: TickPorts): Promise<void> {
  const accounts = await ports.store.accounts()
  const around = surroundings(ports, accounts)
  const looked = await ports.store.apply({ kind: 'look', around })
  // Side by side: a provider that hangs holds up its own sessions alone.
  await perform(ports, around, looked.effects)
  const runs = await ports.store.openRuns()
  await readBooks(ports, accounts, runs.length > 0)
  const busy = new Set((await ports.store.openSessions()).map((session) => session.runId))
  const facts = new Map<string, RunFacts>()
  for (const run of runs) {
    if (busy.has(run.id)) continue
    try {
      const trouble = run.stopAsked
        ? null
        : ((await ports.storeTrouble(run)) ?? (await ports.baseTrouble(run)))
      const only = ports.mountedBase(run)?.provider ?? null
      facts.set(run.id, { trouble, only, sessionId: ports.newSessionId() })
    } catch (error) {
      ports.trouble(error, { runId: run.id })
    }
  }
  if (facts.size === 0) return
  const sought = await ports.store.apply({ kind: 'seek', around, runs: facts })
  await perform(ports, around, sought.effects)
}
