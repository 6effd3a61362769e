import { followSession } from './follow-session.ts'
import { readBooks } from './read-books.ts'
import { seekSession } from './seek-session.ts'
import type { TickPorts } from './tick-ports.ts'

/**
 * One look at the world: every open session is compared with what its provider says, every open run without a session gets
 * one. Level-triggered: nothing depends on an earlier tick, and a tick cut short anywhere is made good by the next.
 */
export async function tick(ports: TickPorts): Promise<void> {
  const accounts = new Map((await ports.store.accounts()).map((account) => [account.name, account]))
  const runs = new Map((await ports.store.openRuns()).map((run) => [run.id, run]))
  const guarded = async (
    about: { runId: string; sessionId?: string },
    work: () => Promise<void>,
  ) => {
    try {
      await work()
    } catch (error) {
      ports.trouble(error, about)
    }
  }
  // Side by side: a provider that hangs holds up its own sessions alone.
  await Promise.all(
    (await ports.store.openSessions()).map((session) => {
      const account = accounts.get(session.account)
      const provider = ports.providers.get(session.provider)
      if (!account || !provider) return undefined
      const about = { runId: session.runId, sessionId: session.id }
      const run = runs.get(session.runId)
      return guarded(about, () => followSession(ports, session, run, account, provider))
    }),
  )
  await readBooks(ports, [...accounts.values()], runs.size > 0)
  const busy = new Set((await ports.store.openSessions()).map((session) => session.runId))
  // Read again: what has just ended may have put its account on hold.
  const rota = await ports.store.accounts()
  const launches: Promise<void>[] = []
  for (const run of await ports.store.openRuns()) {
    if (busy.has(run.id)) continue
    // Planned one after the other, so that two runs never count on the same hours; launched side by side.
    await guarded({ runId: run.id }, async () => {
      const begin = await seekSession(ports, run, rota)
      if (begin) launches.push(guarded({ runId: run.id }, begin))
    })
  }
  await Promise.all(launches)
}
