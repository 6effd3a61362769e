import type { NodeRows } from '../control/nodes.ts'
import { circleWith, namedBy } from '../health/dependency.ts'
import type { Node } from '../health/node.ts'
import {
  deepIntervalWithin,
  freeTunnelRequests,
  intervalWithin,
  probesPerMonth,
} from '../health/probe-budget.ts'
import { nextTurn } from '../health/turn.ts'
import { AppError } from '../lib/errors.ts'
import { type Database, number, numberOrNull, type Queries, text } from './database.ts'
import { dropDeep, putDeep, readDeeps } from './deep-rows.ts'
import { dropIncident } from './incident-rows.ts'
import {
  insertNode,
  nameTaken,
  readDependencies,
  readNode,
  readNodes,
  readPublicNodes,
  refuseTakenByNode,
  toNode,
  updateDependsOn,
  updateGiven,
} from './node-rows.ts'

/** Nodes as people and sessions give them, keys of deep probes sealed with `key`. */
export const nodeBook = (db: Database, now: () => Date, key: Uint8Array): NodeRows => ({
  deeps: (nodeId) => readDeeps(db, nodeId),
  nodes: () => readNodes(db),
  publicNodes: () => readPublicNodes(db),
  node: (idOrName) => readNode(db, idOrName),
  insert: (node, deep) =>
    db.transaction(async (tx) => {
      await refuseTakenByNode(tx, node.name)
      const policy = await tx.first('select 1 as one from runs where name = $1', node.name)
      if (policy) throw nameTaken(node.name, 'a run or a serving policy')
      await refuseCircle(tx, node)
      await insertNode(tx, node)
      if (deep) await putDeep(tx, node.id, deep, key, now())
      await keepBudget(tx, node.tunnelAccount)
      return mustRead(tx, node.id)
    }),
  give: (id, given, deep) =>
    db.transaction(async (tx) => {
      const before = await mustRead(tx, id)
      const node = given(before)
      await refuseCircle(tx, node)
      await updateGiven(tx, node)
      if (deep === null) await dropDeep(tx, node.id)
      else if (deep) await putDeep(tx, node.id, deep, key, now())
      await keepTurns(tx, before, node)
      const after = await mustRead(tx, node.id)
      return isOftener(before, after) ? comeSooner(tx, after, now()) : after
    }),
  remove: (node) =>
    db.transaction(async (tx) => {
      await refuseNeeded(tx, node)
      await removeNode(tx, node, now())
    }),
})

/** Takes a node out of the books; what depended on it depends on it no longer. */
export async function removeNode(tx: Queries, node: Node, at: Date): Promise<void> {
  await tx.run('update nodes set removed_at = $1 where id = $2', at.toISOString(), node.id)
  await dropDeep(tx, node.id)
  await keepBudget(tx, node.tunnelAccount)
  await dropIncident(tx, node.id, 'person', 'the node was removed', at)
  const dependencies = await readDependencies(tx)
  for (const id of namedBy(dependencies, node.id)) {
    const left = (dependencies.get(id) ?? []).filter((one) => one !== node.id)
    await updateDependsOn(tx, id, left)
  }
}

async function refuseCircle(tx: Queries, node: Node): Promise<void> {
  if (node.dependsOn.length === 0) return
  const circle = circleWith(await readDependencies(tx), node.id, node.dependsOn)
  if (!circle) return
  const names: string[] = []
  for (const id of circle) names.push(id === node.id ? node.name : (await mustRead(tx, id)).name)
  throw new AppError('conflict', `${node.name} would depend on itself: ${names.join(' → ')}`, {
    code: 'dependency_circle',
    next: `Leave one of them out: rodizio nodes change ${names.at(-2)} --no-depends-on`,
  })
}

async function refuseNeeded(tx: Queries, node: Node): Promise<void> {
  const names: string[] = []
  for (const id of namedBy(await readDependencies(tx), node.id)) {
    names.push((await mustRead(tx, id)).name)
  }
  const [first, ...more] = names.toSorted()
  if (first === undefined) return
  const listed = [first, ...more].slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '')
  throw new AppError('conflict', `other nodes depend on ${node.name}: ${listed}`, {
    code: 'node_needed',
    next: `Let them depend on it no longer: rodizio nodes change ${first} --no-depends-on`,
  })
}

/** After a node has another tunnel account, or has come or gone from its own: turns are those that the accounts bear then. */
export async function keepTurns(tx: Queries, before: Node | null, after: Node): Promise<void> {
  if (before !== null) await keepBudget(tx, before.tunnelAccount)
  await keepBudget(tx, after.tunnelAccount)
  if (after.tunnelAccount === null) {
    await tx.run('update nodes set turn_seconds = interval_seconds where id = $1', after.id)
    await tx.run(
      'update deep_checks set deep_turn_seconds = every_seconds where node_id = $1',
      after.id,
    )
  }
}

const isOftener = (before: Node, after: Node): boolean =>
  after.turnSeconds < before.turnSeconds && after.state !== 'idle'

/**
 * Its next turn is that of its new interval, not the one that the old interval, which may be a day, had still to come; nor the one that
 * a probe which is under way goes by. What is left alone until a tunnel account's limit is over stays so.
 */
async function comeSooner(tx: Queries, node: Node, at: Date): Promise<Node> {
  await tx.run(
    `update nodes set next_probe_ms = $1 where id = $2 and (next_probe_ms > $1 or next_probe_ms <= $3) and not exists
       (select 1 from nodes other where other.state = 'limited' and other.removed_at is null
          and (other.id = nodes.id or other.tunnel_account = nodes.tunnel_account))`,
    nextTurn(node.id, node.turnSeconds, at.getTime()),
    node.id,
    at.getTime(),
  )
  return mustRead(tx, node.id)
}

/** Probes of the nodes of a tunnel account stay within its requests: their turns come as often as those bear. */
async function keepBudget(tx: Queries, account: string | null): Promise<void> {
  if (account === null) return
  const rows = await tx.all(
    `select id, interval_seconds, every_seconds from nodes left join deep_checks on node_id = id
     where tunnel_account = $1 and removed_at is null and state <> 'idle'`,
    account,
  )
  const asked = rows.filter((row) => numberOrNull(row, 'every_seconds') !== null)
  let deepProbes = 0
  for (const row of asked) {
    const turn = deepIntervalWithin(asked.length, freeTunnelRequests, number(row, 'every_seconds'))
    deepProbes += probesPerMonth(1, turn)
    await tx.run(
      'update deep_checks set deep_turn_seconds = $1 where node_id = $2',
      turn,
      text(row, 'id'),
    )
  }
  for (const row of rows) {
    const turn = intervalWithin(
      rows.length,
      freeTunnelRequests,
      number(row, 'interval_seconds'),
      deepProbes,
    )
    await tx.run('update nodes set turn_seconds = $1 where id = $2', turn, text(row, 'id'))
  }
}

async function mustRead(tx: Queries, id: string): Promise<Node> {
  const row = await tx.first('select * from nodes where id = $1', id)
  if (row) return toNode(row)
  throw new AppError('internal', `node ${id} is not in the books`)
}
