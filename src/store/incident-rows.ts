import type { IncidentStep } from '../control/incidents.ts'
import type { Cause } from '../health/cause.ts'
import type { Incident } from '../health/incident.ts'
import { withdrawAlerts } from './alert-rows.ts'
import { date, dateOrNull, type Queries, type Row, text, textOrNull } from './database.ts'

export function toIncident(row: Row): Incident {
  const cause = textOrNull(row, 'cause')
  return {
    id: text(row, 'id'),
    node: text(row, 'node_id'),
    kind: text(row, 'kind') as Incident['kind'], // the column's check constraint
    thread: text(row, 'thread'),
    startedAt: date(row, 'started_at'),
    openedAt: date(row, 'opened_at'),
    closedAt: dateOrNull(row, 'closed_at'),
    cause: cause === null ? null : (JSON.parse(cause) as Cause), // written by putIncident alone
    sessionId: textOrNull(row, 'session_id'),
    consequence: text(row, 'consequence') as Incident['consequence'], // as kind
    restartAt: dateOrNull(row, 'restart_at'),
    replacedAt: dateOrNull(row, 'replaced_at'),
    acknowledgedAt: dateOrNull(row, 'acknowledged_at'),
    acknowledgedBy: textOrNull(row, 'acknowledged_by'),
    toldAt: date(row, 'told_at'),
    heldAt: dateOrNull(row, 'held_at'),
    heldBy: textOrNull(row, 'held_by'),
  }
}

const iso = (at: Date | null): string | null => at?.toISOString() ?? null

/** Writes an incident as it is now, whether it stood there or not. */
export async function putIncident(tx: Queries, incident: Incident): Promise<void> {
  await tx.run(
    `insert into incidents (id, node_id, kind, thread, cause, started_at, opened_at, closed_at, acknowledged_at,
       acknowledged_by, session_id, consequence, restart_at, replaced_at, told_at, held_at, held_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
     on conflict (id) do update set closed_at = excluded.closed_at, acknowledged_at = excluded.acknowledged_at,
       acknowledged_by = excluded.acknowledged_by, session_id = excluded.session_id, consequence = excluded.consequence,
       restart_at = excluded.restart_at, replaced_at = excluded.replaced_at, told_at = excluded.told_at,
       held_at = excluded.held_at, held_by = excluded.held_by`,
    incident.id,
    incident.node,
    incident.kind,
    incident.thread,
    incident.cause === null ? null : JSON.stringify(incident.cause),
    incident.startedAt.toISOString(),
    incident.openedAt.toISOString(),
    iso(incident.closedAt),
    iso(incident.acknowledgedAt),
    incident.acknowledgedBy,
    incident.sessionId,
    incident.consequence,
    iso(incident.restartAt),
    iso(incident.replacedAt),
    incident.toldAt.toISOString(),
    iso(incident.heldAt),
    incident.heldBy,
  )
}

export async function readIncident(db: Queries, id: string): Promise<Incident | undefined> {
  const row = await db.first('select * from incidents where id = $1', id)
  return row && toIncident(row)
}

/** The newest incident of a node, open or closed. */
export async function newestIncident(db: Queries, nodeId: string): Promise<Incident | null> {
  const row = await db.first(
    'select * from incidents where node_id = $1 order by opened_at desc, id desc limit 1',
    nodeId,
  )
  return row ? toIncident(row) : null
}

export async function addStep(
  tx: Queries,
  incident: string,
  kind: IncidentStep['kind'],
  words: string,
  at: Date,
): Promise<void> {
  await tx.run(
    `insert into incident_steps (incident_id, number, at, kind, words)
     values ($1, (select coalesce(max(number), 0) + 1 from incident_steps where incident_id = $1), $2, $3, $4)`,
    incident,
    at.toISOString(),
    kind,
    words,
  )
}

/** Ends the open incident of a node that is wanted no longer, where there is one: what nobody was told of it yet is not told any more. */
export async function dropIncident(
  tx: Queries,
  nodeId: string,
  by: IncidentStep['kind'],
  words: string,
  at: Date,
): Promise<void> {
  const newest = await newestIncident(tx, nodeId)
  if (!newest || newest.closedAt !== null) return
  await putIncident(tx, { ...newest, closedAt: at })
  await addStep(tx, newest.id, by, words, at)
  await withdrawAlerts(tx, newest.thread, 'node-down')
}

export const readSteps = async (db: Queries, incident: string): Promise<IncidentStep[]> =>
  (
    await db.all('select * from incident_steps where incident_id = $1 order by number', incident)
  ).map((row) => ({
    at: date(row, 'at'),
    kind: text(row, 'kind') as IncidentStep['kind'], // written by addStep alone
    words: text(row, 'words'),
  }))
