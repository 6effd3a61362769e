import { keepDeepHours } from '../health/deep-check.ts'
import { type DeepTotals, type KeptDeepProbe, learning } from '../health/deep-history.ts'
import type { DeepBook, DeepLook } from '../health/deep-prober.ts'
import { deepened } from '../health/deep-watch.ts'
import { settleSeconds } from '../health/incident.ts'
import { added, counted, type Latencies } from '../health/latencies.ts'
import { nextTurn } from '../health/turn.ts'
import { type Database, number, numberOrNull, type Queries, text } from './database.ts'
import { readDeepKey, toDeep, updateDeep } from './deep-rows.ts'
import { toNode, updateWatched } from './node-rows.ts'
import { follow } from './probe-book.ts'

/**
 * Nodes that are asked: those that are up, and those whose cause, in the JSON of their watch, is that they generate nothing (a quote
 * within the cause's words would be escaped).
 */
const asked = `from deep_checks join nodes on id = node_id where removed_at is null and url is not null
  and (state = 'up' or watch like '%"kind":"no-token"%')`

/** The memory of deep probes on a database, their keys sealed with `key`. */
export const deepBook = (db: Database, key: Uint8Array, settles = settleSeconds): DeepBook => ({
  due: async (toMs, most) =>
    (
      await db.all(
        `select nodes.*, deep_checks.* ${asked} and next_ms <= $1 order by next_ms limit $2`,
        toMs,
        most,
      )
    ).map((row) => ({ node: toNode(row), deep: toDeep(row) })),
  nextDueMs: async () => {
    const row = await db.first(`select next_ms ${asked} order by next_ms limit 1`)
    return row ? number(row, 'next_ms') : null
  },
  key: ({ node, deep }) => readDeepKey(db, node, deep, key),
  save: (look) => db.transaction((tx) => save(tx, look, settles)),
})

async function save(tx: Queries, look: DeepLook, settles: number): Promise<void> {
  // The node may have been probed meanwhile: what its probes found last counts.
  const row = await tx.first(
    'select nodes.*, deep_checks.* from nodes join deep_checks on node_id = id where id = $1 and removed_at is null',
    look.node.id,
  )
  if (!row) return
  const node = toNode(row)
  const deep = toDeep(row)
  const { at } = look
  const verdict = node.state === 'unknown' && isBad(look) ? 'own-network' : look.verdict
  // A moment of its own, beside the one of its probes.
  const turn = new Date(nextTurn(`${node.id} deep`, deep.turnSeconds, at.getTime()))
  const then = deepened(deep.watch, node.watch, verdict, at, turn)
  if (!(await updateDeep(tx, node.id, then.deep, look.deep.watch.nextAt))) return
  await insertDeepProbe(tx, node.number, at, verdict)
  if (then.watch === node.watch) return
  const after = { ...node, watch: then.watch, state: then.watch.state }
  await updateWatched(tx, after)
  if (then.happened.length > 0) await follow(tx, after, then.happened, at, settles)
}

const isBad = ({ verdict }: DeepLook): boolean =>
  verdict !== 'own-network' && verdict.kind !== 'good'

async function insertDeepProbe(
  tx: Queries,
  node: number,
  at: Date,
  verdict: DeepLook['verdict'],
): Promise<void> {
  const good = verdict !== 'own-network' && verdict.kind === 'good' ? verdict : null
  const found = verdict === 'own-network' ? 'unknown' : verdict.kind
  const inserted = await tx.run(
    'insert into deep_probes (node, at_ms, token_ms, end_ms, found) values ($1, $2, $3, $4, $5) on conflict do nothing',
    node,
    at.getTime(),
    good?.tokenMs ?? null,
    good?.endMs ?? null,
    found,
  )
  if (inserted > 0 && learning.has(found)) {
    await addToDay(tx, node, at.toISOString().slice(0, 10), good?.tokenMs ?? null)
  }
  await tx.run(
    'delete from deep_probes where node = $1 and at_ms < $2',
    node,
    at.getTime() - keepDeepHours * 3_600_000,
  )
}

async function addToDay(
  tx: Queries,
  node: number,
  day: string,
  tokenMs: number | null,
): Promise<void> {
  const row = await tx.first(
    'select tokens from deep_totals where node = $1 and day = $2',
    node,
    day,
  )
  const before = row ? (JSON.parse(text(row, 'tokens')) as Latencies) : {} // written here alone
  await tx.run(
    `insert into deep_totals (node, day, asked, good, tokens) values ($1, $2, 1, $3, $4)
     on conflict (node, day) do update set asked = deep_totals.asked + 1, good = deep_totals.good + excluded.good,
       tokens = excluded.tokens`,
    node,
    day,
    tokenMs === null ? 0 : 1,
    JSON.stringify(tokenMs === null ? before : added([before, counted([tokenMs])])),
  )
}

/** The record of deep probes: the newest by themselves, the others by the day. */
export const deepHistory = (db: Database) => ({
  /** Newest first. */
  newest: async (node: number, most: number): Promise<KeptDeepProbe[]> =>
    (
      await db.all(
        'select * from deep_probes where node = $1 order by at_ms desc limit $2',
        node,
        most,
      )
    ).map((row) => ({
      at: new Date(number(row, 'at_ms')),
      tokenMs: numberOrNull(row, 'token_ms'),
      endMs: numberOrNull(row, 'end_ms'),
      found: text(row, 'found'),
    })),
  /** Each day (UTC) since then, that one included, oldest first. */
  days: async (node: number, from: Date): Promise<(DeepTotals & { day: string })[]> =>
    (
      await db.all(
        'select * from deep_totals where node = $1 and day >= $2 order by day',
        node,
        from.toISOString().slice(0, 10),
      )
    ).map((row) => ({
      day: text(row, 'day'),
      asked: number(row, 'asked'),
      good: number(row, 'good'),
      tokens: JSON.parse(text(row, 'tokens')) as Latencies, // written by addToDay alone
    })),
})
