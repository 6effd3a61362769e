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
 * The obvious loop, for comparison: Colab to its limit, then Kaggle, and again from the start; one session at a time, whatever
 * the hour of the day. It looks at the clock and not at the session: one that dies is noticed when its time would have been up.
 * A place that has no hours, or refuses, is tried again in its turn, the next one after an hour. Launching, following, saving and
 * the books are the engine's own; only whose turn it is, when and for how long, is decided without a plan.
 */
export function naive(memory: () => Memory) {
  let turn = 0
  let nextMs = 0
  let ids = 0

  return async (ports: TickPorts): Promise<number | null> => {
    const { store } = ports
    const accounts = await store.accounts()
    const around = surroundings(ports, accounts)
    await perform(ports, around, (await store.apply({ kind: 'look', around })).effects)
    await readBooks(ports, accounts, true)
    const now = ports.now()
    const runs = await store.openRuns()
    for (const run of runs.filter(({ stopAsked }) => stopAsked)) {
      const facts = { trouble: null, only: null, prior: await ports.prior(run), sessionId: '' }
      await store.apply({ kind: 'seek', around, runs: new Map([[run.id, facts]]) })
    }
    const [run] = runs.filter(({ stopAsked }) => !stopAsked)
    const { state } = memory()
    const open = await store.openSessions()
    if (!run || open.length > 0) return null
    if (now.getTime() < nextMs) return nextMs
    const order = accounts.toSorted((a, b) => (a.provider < b.provider ? -1 : 1))
    const account = order[turn % order.length]
    if (!account) return null
    turn += 1
    const rows = await store.ledgerRows(account.name, weekOf(account.reset, now).start)
    const reading = state.readings.get(account.name) ?? null
    const seconds = grantedSeconds(account, rows, reading, 0, now)
    if (seconds < leastSeconds || (account.holdUntil && account.holdUntil > now)) {
      nextMs = now.getTime() + hourMs
      return nextMs
    }
    ids += 1
    const sessionId = `naive_${ids}`
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
    if (!session) return null
    await perform(ports, around, [{ kind: 'observe', session }])
    // A person's session has its time from when they come; the loop has no better clock than its own.
    nextMs = now.getTime() + seconds * 1000
    return nextMs
  }
}
