import { aboveOf, belowOf, type Dependencies } from '../health/dependency.ts'
import {
  type Around,
  askedBy,
  askedByReturn,
  isOfTunnel,
  type Word,
  waitsForAbove,
  wordOf,
} from '../health/hold.ts'
import type { Incident } from '../health/incident.ts'
import type { Node } from '../health/node.ts'
import { incidentAlert } from '../health/noted.ts'
import { isSilenced, type Silence } from '../health/silence.ts'
import { insertAlert } from './alert-rows.ts'
import { type Queries, type Row, text } from './database.ts'
import { addStep, putIncident, readIncident, toIncident } from './incident-rows.ts'
import { probeSoon, readDependencies, toNode } from './node-rows.ts'
import { readSilences } from './silence-rows.ts'

/** What decides who is told, read once in a transaction and only where somebody would be. */
export interface Telling {
  readonly silences: (at: Date) => Promise<readonly Silence[]>
  readonly dependencies: () => Promise<Dependencies>
}

export function tellingIn(tx: Queries): Telling {
  let silences: Promise<readonly Silence[]> | undefined
  let dependencies: Promise<Dependencies> | undefined
  return {
    silences(at) {
      silences ??= readSilences(tx, at)
      return silences
    },
    dependencies() {
      dependencies ??= readDependencies(tx)
      return dependencies
    },
  }
}

/** An account with more nodes than these has them told as any others. */
const mostBeside = 50

/** What stands around a node as it is by now; nothing is read for one that depends on nothing and has no tunnel account. */
async function around(
  tx: Queries,
  node: Node,
  isBesideWanted: boolean,
  telling: Telling,
): Promise<Around> {
  return {
    above: await readAbove(tx, node, telling),
    beside: isBesideWanted ? await readBeside(tx, node) : [],
  }
}

async function readAbove(tx: Queries, node: Node, telling: Telling): Promise<Node[]> {
  if (node.dependsOn.length === 0) return []
  const above: Node[] = []
  for (const id of aboveOf(await telling.dependencies(), node.id)) {
    const row = await tx.first('select * from nodes where id = $1 and removed_at is null', id)
    if (row) above.push(toNode(row))
  }
  return above
}

async function readBeside(tx: Queries, node: Node): Promise<Node[]> {
  if (node.tunnelAccount === null) return []
  const rows = await tx.all(
    `select * from nodes where tunnel_account = $1 and id <> $2 and removed_at is null and state <> 'idle' limit $3`,
    node.tunnelAccount,
    node.id,
    mostBeside,
  )
  return rows.length < mostBeside ? rows.map(toNode) : []
}

/** The node has failed for the first time: whose word will be wanted when its outage is known is asked for it now. */
export async function askAround(
  tx: Queries,
  node: Node,
  now: Date,
  telling: Telling,
): Promise<void> {
  const stands = await around(tx, node, isOfTunnel(node.watch.cause), telling)
  for (const id of askedBy(node, stands)) await probeSoon(tx, id, now)
}

/** The node was down, and has answered once: those that its return concerns are probed now. */
export async function askOnReturn(tx: Queries, node: Node, now: Date): Promise<void> {
  if (!isOfTunnel(node.watch.cause)) return
  for (const id of askedByReturn(node, await readBeside(tx, node))) await probeSoon(tx, id, now)
}

/** Whether people are told of an outage now; who has to be asked before is. */
export async function askWord(
  tx: Queries,
  incident: Incident,
  node: Node,
  now: Date,
  telling: Telling,
): Promise<Word> {
  const word = wordOf(
    incident,
    node,
    await around(tx, node, isOfTunnel(incident.cause), telling),
    now,
  )
  if (word.kind === 'hold') for (const id of word.ask) await probeSoon(tx, id, now)
  return word
}

/** How many nodes depend on it. */
export const countBelow = async (telling: Telling, node: string): Promise<number> =>
  belowOf(await telling.dependencies(), node).length

/** An incident that is held from now on, or goes on being held: what is down above it stands in its record once. */
export async function hold(
  tx: Queries,
  incident: Incident,
  by: string | null,
  at: Date,
): Promise<void> {
  const isNew = by !== null && by !== incident.heldBy
  if (incident.heldAt !== null && !isNew) return
  const heldBy = by ?? incident.heldBy
  await putIncident(tx, { ...incident, heldAt: incident.heldAt ?? at, heldBy })
  if (!isNew) return
  const row = await tx.first('select name from nodes where id = $1', by)
  const name = row ? text(row, 'name') : 'a node'
  await addStep(tx, incident.id, 'seen', `depends on ${name}, which is down: nobody is told`, at)
}

/**
 * Tells what was held and has to be held no longer, and has nodes probed whose word is wanted for that. Done twice it is done once.
 * @returns the number of incidents that were told
 */
export async function settleHeld(
  tx: Queries,
  at: Date,
  telling: Telling = tellingIn(tx),
): Promise<number> {
  const rows = await tx.all(
    `select incidents.id as incident_id, nodes.* from incidents join nodes on nodes.id = incidents.node_id
     where held_at is not null and closed_at is null order by opened_at, incidents.id`,
  )
  let told = 0
  for (const row of rows) {
    const node = toNode(row)
    const incident = await readIncident(tx, text(row, 'incident_id'))
    if (!incident) continue
    const word = await askWord(tx, incident, node, at, telling)
    if (word.kind === 'hold') {
      await hold(tx, incident, word.by, at)
      continue
    }
    await tellHeld(tx, incident, node, word.account, at, telling)
    told += 1
  }
  return told
}

async function tellHeld(
  tx: Queries,
  incident: Incident,
  node: Node,
  account: Extract<Word, { kind: 'tell' }>['account'],
  at: Date,
  telling: Telling,
): Promise<void> {
  const silenced = isSilenced(await telling.silences(at), node.id, at)
  // As of every outage: one that nobody was told of is told when the silence is over.
  const toldAt = silenced ? new Date(0) : at
  await putIncident(tx, { ...incident, heldAt: null, toldAt })
  if (incident.heldBy !== null) {
    const row = await tx.first('select name from nodes where id = $1', incident.heldBy)
    const name = row ? text(row, 'name') : 'what it depends on'
    await addStep(tx, incident.id, 'seen', `still down though ${name} is back`, at)
  }
  // Somebody knows of it already.
  if (incident.acknowledgedAt !== null) return
  const kind = incident.kind === 'down' ? 'node-down' : 'node-unstable'
  const below = await countBelow(telling, node.id)
  await insertAlert(tx, incidentAlert(node, kind, incident, at, at, { below, account }), silenced)
}

/** Whether reminders of an open incident, and what follows for its session, wait for what its node depends on. */
export async function waits(
  tx: Queries,
  incident: Incident,
  node: Node,
  at: Date,
  telling: Telling,
): Promise<boolean> {
  if (node.dependsOn.length === 0) return false
  return waitsForAbove(incident, node, await readAbove(tx, node, telling), at)
}

/**
 * Open ones of sessions that call for something which has not been done yet, or may do so; those that wait for what their node
 * depends on are left out.
 */
export async function unfinishedIncidents(db: Queries, now: Date): Promise<Incident[]> {
  const rows = await db.all(
    `select incidents.*, nodes.depends_on from incidents join nodes on nodes.id = incidents.node_id
     where closed_at is null and incidents.session_id is not null and consequence <> 'none' and replaced_at is null
     order by opened_at, incidents.id`,
  )
  const telling = tellingIn(db)
  const unfinished: Incident[] = []
  for (const row of rows) {
    const incident = toIncident(row)
    if (!(await mayWait(db, row, incident, now, telling))) unfinished.push(incident)
  }
  return unfinished
}

async function mayWait(
  db: Queries,
  row: Row,
  incident: Incident,
  now: Date,
  telling: Telling,
): Promise<boolean> {
  if (row.depends_on === null) return false
  const node = await db.first('select * from nodes where id = $1', incident.node)
  return node !== undefined && waits(db, incident, toNode(node), now, telling)
}
