import { grantedSeconds, reserve, roundedToMinute } from '../rotation/ledger.ts'
import { perform } from '../rotation/perform.ts'
import { readBooks } from '../rotation/read-books.ts'
import { sessionName } from '../rotation/session.ts'
import { surroundings } from '../rotation/surroundings.ts'
import type { TickPorts } from '../rotation/tick-ports.ts'
import { weekOf } from '../rotation/week.ts'
import type { Memory } from './memory.ts'

const hourMs = 3_600_000
/** A shorter session is not begun. */
const leastSeconds = 600

/**
 * The obvious loop, for comparison: Colab to its limit, then Kaggle, and so on in turn, whatever the hour of the day; a place
 * that refuses is tried again an hour later. Launching, following and the books are the engine's own; only whose turn it is, when
 * and for how long, is decided without a plan.
 */
export function naive(memory: () => Memory) {
  const turns = new Map<string, number>()
  const triedMs = new Map<string, number>()

  return async (ports: TickPorts): Promise<number | null> => {
    const { store } = ports
    const accounts = await store.accounts()
    const around = surroundings(ports, accounts)
    await perform(ports, around, (await store.apply({ kind: 'look', around })).effects)
    await readBooks(ports, accounts, true)
    const now = ports.now()
    const order = accounts.toSorted((a, b) => (a.provider < b.provider ? -1 : 1))
    const busy = new Set((await store.openSessions()).map(({ runId }) => runId))
    let next: number | null = null
    for (const run of await store.openRuns()) {
      if (busy.has(run.id)) continue
      if (run.stopAsked) {
        const facts = { trouble: null, only: null, prior: await ports.prior(run), sessionId: '' }
        await store.apply({ kind: 'seek', around, runs: new Map([[run.id, facts]]) })
        continue
      }
      const waited = now.getTime() - (triedMs.get(run.id) ?? 0)
      if (waited < hourMs) {
        next = Math.min(next ?? Number.POSITIVE_INFINITY, now.getTime() + hourMs - waited)
        continue
      }
      const turn = turns.get(run.id) ?? 0
      const account = order[turn % order.length]
      if (!account) continue
      turns.set(run.id, turn + 1)
      const { state } = memory()
      const taken = (await store.openSessions()).filter((open) => open.account === account.name)
      const rows = await store.ledgerRows(account.name, weekOf(account.reset, now).start)
      const reading = state.readings.get(account.name) ?? null
      const seconds = grantedSeconds(account, rows, reading, 0, now)
      const isHeld = account.holdUntil !== null && account.holdUntil > now
      if (isHeld || taken.length >= account.maxConcurrent || seconds < leastSeconds) {
        triedMs.set(run.id, now.getTime())
        next = Math.min(next ?? Number.POSITIVE_INFINITY, now.getTime() + hourMs)
        continue
      }
      const sessionId = ports.newSessionId()
      const generation = run.generation + 1
      const planned = {
        id: sessionId,
        runId: run.id,
        generation,
        name: sessionName(run.id, run.name, generation),
        account,
        plannedSeconds: seconds,
        heartbeatSeconds: run.options.heartbeatSeconds,
        fromStep: state.progress.get(run.id)?.furthestStep ?? 0,
        sealed: false,
        reservation: reserve(account, sessionId, now, roundedToMinute(seconds)),
      }
      await store.apply({ kind: 'planned', planned })
      const session = state.sessions.get(sessionId)
      if (session) await perform(ports, around, [{ kind: 'observe', session }])
      next = now.getTime()
    }
    return next
  }
}
