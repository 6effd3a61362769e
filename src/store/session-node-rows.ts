import type { Reach } from '../health/node.ts'
import {
  afterSessions,
  brokenDown,
  type ServingPolicyOf,
  type ServingSession,
} from '../health/session-node.ts'
import { addSeconds } from '../lib/clock.ts'
import { newId } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'
import { isBeatMissed, type Session } from '../rotation/session.ts'
import { type Database, type Queries, text, textOrNull } from './database.ts'
import { dropIncident } from './incident-rows.ts'
import { keepTurns, removeNode } from './node-book.ts'
import { insertNode, toNode, updateGiven } from './node-rows.ts'
import { follow } from './probe-book.ts'
import { readOpenRuns } from './run-rows.ts'
import { readOpenSessionsOf, readSession } from './session-rows.ts'

/**
 * Brings the nodes of serving policies to what their sessions have said: one transaction, and nothing in it where nothing has
 * changed. A node whose policy is gone goes too.
 * @param intervalSeconds at which a new node is looked at
 */
export const syncSessionNodes = (
  db: Database,
  now: () => Date,
  intervalSeconds: number,
  settles: number,
): Promise<void> =>
  db.transaction(async (tx) => {
    const at = now()
    const policies = (await readOpenRuns(tx)).filter(({ serving }) => serving !== null)
    const open = new Set(policies.map(({ id }) => id))
    // Those whose policy is gone first: another policy may have their name by now.
    const rows = await tx.all(
      "select * from nodes where kind = 'session' and removed_at is null and (state <> 'idle' or policy_id not in (select id from runs))",
    )
    for (const row of rows) {
      const policyId = textOrNull(row, 'policy_id') ?? ''
      if (open.has(policyId)) continue
      const node = toNode(row)
      if (await tx.first('select 1 as one from runs where id = $1', policyId)) {
        await rest(tx, node, at)
      } else {
        await removeNode(tx, node, at)
      }
    }
    for (const policy of policies) await syncPolicy(tx, policy, intervalSeconds, settles, at)
  })

type Kept = ReturnType<typeof toNode>

async function syncPolicy(
  tx: Queries,
  policy: Run,
  intervalSeconds: number,
  settles: number,
  at: Date,
): Promise<void> {
  const row = await tx.first(
    'select * from nodes where policy_id = $1 and removed_at is null',
    policy.id,
  )
  const node = row && toNode(row)
  const of = await servingOf(tx, policy, node?.sessionId ?? null, at)
  const step = afterSessions(of, node, newId('nod'), intervalSeconds, at)
  switch (step.kind) {
    case 'keep':
      return
    case 'insert':
      await insertNode(tx, step.node)
      await keepTurns(tx, null, step.node)
      return
    case 'give':
      if (step.node.state === 'idle') await rest(tx, step.node, at)
      else {
        await updateGiven(tx, step.node)
        const isMoved = node?.tunnelAccount !== step.node.tunnelAccount
        if (node && (isMoved || node.state === 'idle')) await keepTurns(tx, node, step.node)
      }
      return
    case 'gone': {
      const watch = brokenDown(step.node, step.cause, at)
      const down = { ...step.node, state: watch.state, watch }
      await updateGiven(tx, down)
      await follow(tx, down, [{ kind: 'went-down', from: at, cause: step.cause }], at, settles)
    }
  }
}

/** Nothing is wanted of it any more: no looks, no incident, nobody told. */
async function rest(tx: Queries, node: Kept, at: Date): Promise<void> {
  await updateGiven(tx, { ...node, url: null, sessionId: null, state: 'idle' })
  await keepTurns(tx, node, node)
  await dropIncident(tx, node.id, 'done', 'nothing is wanted of the node any more', at)
}

async function servingOf(
  tx: Queries,
  policy: Run,
  sessionId: string | null,
  now: Date,
): Promise<ServingPolicyOf> {
  const sessions: ServingSession[] = []
  for (const session of await readOpenSessionsOf(tx, policy.id)) {
    sessions.push(await toServing(tx, session, now))
  }
  const own = sessionId === null ? undefined : await readSession(tx, sessionId)
  const ended = own?.endedAt ? own : null
  return {
    id: policy.id,
    name: policy.name,
    sessions,
    ended: ended
      ? { id: ended.id, isLost: lostOutcomes.has(ended.outcome ?? ''), reason: ended.reason }
      : null,
  }
}

/** A session that ends otherwise has ended as it was to. */
const lostOutcomes = new Set(['lost', 'failed', 'preempted'])

async function toServing(tx: Queries, session: Session, now: Date): Promise<ServingSession> {
  const { id, createdAt, node } = session
  const reach = reachOf(session)
  return {
    id,
    createdAt,
    node: node && reach ? { reach, url: node.url, run: await runOf(tx, node.adapter) } : null,
    readyAt: node?.readyAt ?? null,
    badBeatAt: isBeatMissed(session, now) ? overdueSince(session) : session.badBeatAt,
  }
}

const overdueSince = ({ heardAt, heartbeatSeconds }: Session): Date | null =>
  heardAt && addSeconds(heardAt, heartbeatSeconds)

/** Null for one that its own machine alone reaches, unless that is this one. */
function reachOf({ node, provider }: Session): Reach | null {
  if (node?.reach !== 'local') return node?.reach ?? null
  return provider === 'local' && node.url !== null ? 'local' : null
}

/** The run that an adapter comes from; null for one that no run here has made. */
async function runOf(tx: Queries, adapter: string): Promise<string | null> {
  const row = await tx.first('select run_id from artifacts where manifest_sha256 = $1', adapter)
  return row ? text(row, 'run_id') : null
}
