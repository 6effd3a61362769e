import type { NodeHealth } from '../health/cause.ts'
import type { Dependencies } from '../health/dependency.ts'
import type { Node, Reach } from '../health/node.ts'
import type { Watch } from '../health/watch.ts'
import { AppError } from '../lib/errors.ts'
import {
  date,
  dateOrNull,
  number,
  numberOrNull,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'

/** A watch as it is kept: times as ms since 1970, the next look in a column of its own. */
interface KeptWatch {
  readonly st: Watch['state']
  readonly si: number
  readonly d: number
  readonly b: number | null
  readonly h: number
  readonly g: 0 | 1
  readonly ch: readonly number[]
  readonly c: Watch['cause']
}

const keptWatch = (watch: Watch): string =>
  JSON.stringify({
    st: watch.state,
    si: watch.since.getTime(),
    d: watch.doubts,
    b: watch.badSince?.getTime() ?? null,
    h: watch.hopes,
    g: watch.isGood ? 1 : 0,
    ch: watch.changes.map((change) => change.getTime()),
    c: watch.cause,
  } satisfies KeptWatch)

function watchOf(row: Row): Watch {
  const kept = JSON.parse(text(row, 'watch')) as KeptWatch // written by keptWatch alone
  return {
    state: kept.st,
    since: new Date(kept.si),
    doubts: kept.d,
    badSince: kept.b === null ? null : new Date(kept.b),
    hopes: kept.h,
    isGood: kept.g === 1,
    changes: kept.ch.map((change) => new Date(change)),
    cause: kept.c,
    nextProbeAt: new Date(number(row, 'next_probe_ms')),
  }
}

const nothing: readonly string[] = []
const idsOf = (kept: string | null): readonly string[] =>
  kept === null ? nothing : (JSON.parse(kept) as string[]) // written by keptIds alone
const keptIds = (ids: readonly string[]): string | null =>
  ids.length === 0 ? null : JSON.stringify(ids)

export function toNode(row: Row): Node {
  const health = textOrNull(row, 'health')
  return {
    id: text(row, 'id'),
    number: number(row, 'number'),
    name: text(row, 'name'),
    kind: text(row, 'kind') as Node['kind'], // the column's check constraint, as the next ones
    url: textOrNull(row, 'url'),
    reach: text(row, 'reach') as Reach,
    tunnelAccount: textOrNull(row, 'tunnel_account'),
    dependsOn: idsOf(textOrNull(row, 'depends_on')),
    anyAnswer: number(row, 'any_answer') === 1,
    policyId: textOrNull(row, 'policy_id'),
    sessionId: textOrNull(row, 'session_id'),
    expectedRun: textOrNull(row, 'expected_run'),
    intervalSeconds: number(row, 'interval_seconds'),
    turnSeconds: number(row, 'turn_seconds'),
    isPublic: number(row, 'is_public') === 1,
    state: text(row, 'state') as Node['state'],
    watch: watchOf(row),
    health: health === null ? null : (JSON.parse(health) as NodeHealth), // written by updateProbed alone
    latencyMs: numberOrNull(row, 'latency_ms'),
    probedAt: dateOrNull(row, 'probed_at'),
    certificateEndsAt: dateOrNull(row, 'certificate_ends_at'),
    createdAt: date(row, 'created_at'),
  }
}

/** A node that is not removed, by id or name. */
export async function readNode(db: Queries, idOrName: string): Promise<Node | undefined> {
  const row = await db.first(
    'select * from nodes where removed_at is null and (id = $1 or name = $1)',
    idOrName,
  )
  return row && toNode(row)
}

export const readNodes = async (db: Queries): Promise<Node[]> =>
  (await db.all('select * from nodes where removed_at is null order by name')).map(toNode)

/**
 * @param kind of those that count; all when left out
 * @throws AppError `conflict` (`name_taken`) for a name that a node has
 */
export async function refuseTakenByNode(
  tx: Queries,
  name: string,
  kind?: Node['kind'],
): Promise<void> {
  const node = await tx.first(
    "select 1 as one from nodes where name = $1 and removed_at is null and ($2 = '' or kind = $2)",
    name,
    kind ?? '',
  )
  if (node) throw nameTaken(name, 'a node')
}

export const nameTaken = (name: string, by: string): AppError =>
  new AppError('conflict', `the name ${JSON.stringify(name)} belongs to ${by} already`, {
    code: 'name_taken',
    next: 'Choose another name',
  })

/** Nodes that are up by their newest looks. */
export const countUp = async (db: Queries): Promise<number> =>
  number(
    (await db.first("select count(*) as n from nodes where removed_at is null and state = 'up'")) ??
      {},
    'n',
  )

export const readPublicNodes = async (db: Queries): Promise<Node[]> =>
  (
    await db.all('select * from nodes where removed_at is null and is_public = 1 order by name')
  ).map(toNode)

export async function insertNode(tx: Queries, node: Node): Promise<void> {
  await tx.run(
    `insert into nodes (id, number, name, kind, url, reach, tunnel_account, policy_id, session_id, expected_run,
       interval_seconds, turn_seconds, is_public, state, since, watch, next_probe_ms, created_at, depends_on, any_answer)
     values ($1, (select coalesce(max(number), 0) + 1 from nodes), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
       $15, $16, $17, $18, $19)`,
    node.id,
    node.name,
    node.kind,
    node.url,
    node.reach,
    node.tunnelAccount,
    node.policyId,
    node.sessionId,
    node.expectedRun,
    node.intervalSeconds,
    node.turnSeconds,
    node.isPublic ? 1 : 0,
    node.state,
    node.watch.since.toISOString(),
    keptWatch(node.watch),
    node.watch.nextProbeAt.getTime(),
    node.createdAt.toISOString(),
    keptIds(node.dependsOn),
    node.anyAnswer ? 1 : 0,
  )
}

/** What a person or its session says of it: everything but what looks have shown. */
export async function updateGiven(tx: Queries, node: Node): Promise<void> {
  await tx.run(
    `update nodes set name = $1, url = $2, reach = $3, tunnel_account = $4, session_id = $5, expected_run = $6,
       interval_seconds = $7, turn_seconds = $8, is_public = $9, state = $10, since = $11, watch = $12, next_probe_ms = $13,
       depends_on = $14, any_answer = $15
     where id = $16`,
    node.name,
    node.url,
    node.reach,
    node.tunnelAccount,
    node.sessionId,
    node.expectedRun,
    node.intervalSeconds,
    node.turnSeconds,
    node.isPublic ? 1 : 0,
    node.state,
    node.watch.since.toISOString(),
    keptWatch(node.watch),
    node.watch.nextProbeAt.getTime(),
    keptIds(node.dependsOn),
    node.anyAnswer ? 1 : 0,
    node.id,
  )
}

/** What every node depends on that depends on anything. */
export async function readDependencies(db: Queries): Promise<Dependencies> {
  const rows = await db.all(
    'select id, depends_on from nodes where depends_on is not null and removed_at is null',
  )
  return new Map(rows.map((row) => [text(row, 'id'), idsOf(textOrNull(row, 'depends_on'))]))
}

export async function updateDependsOn(
  tx: Queries,
  id: string,
  dependsOn: readonly string[],
): Promise<void> {
  await tx.run('update nodes set depends_on = $1 where id = $2', keptIds(dependsOn), id)
}

/** Has it probed at once, unless it is about to be. */
export const probeSoon = (tx: Queries, id: string, at: Date): Promise<number> =>
  tx.run(
    'update nodes set next_probe_ms = $1 where id = $2 and next_probe_ms > $1 and removed_at is null',
    at.getTime(),
    id,
  )

/**
 * What a look has shown. A node that is another's by now, at another address, or brought down meanwhile by what another way has shown,
 * keeps what it has: the look was at what it was.
 * @param before as this look began: a next one that was asked for meanwhile stands
 * @returns whether it was written
 */
export async function updateProbed(tx: Queries, node: Node, before: Node): Promise<boolean> {
  const changed = await tx.run(
    `update nodes set state = $1, since = $2, watch = $3,
       next_probe_ms = case when next_probe_ms = $4 or next_probe_ms > $5 then $5 else next_probe_ms end,
       health = $6, latency_ms = $7, probed_at = $8, certificate_ends_at = $9
     where id = $10 and removed_at is null and coalesce(url, '') = $11 and coalesce(session_id, '') = $12
       and since = $13`,
    node.state,
    node.watch.since.toISOString(),
    keptWatch(node.watch),
    before.watch.nextProbeAt.getTime(),
    node.watch.nextProbeAt.getTime(),
    node.health === null ? null : JSON.stringify(node.health),
    node.latencyMs,
    node.probedAt?.toISOString() ?? null,
    node.certificateEndsAt?.toISOString() ?? null,
    node.id,
    node.url ?? '',
    node.sessionId ?? '',
    before.watch.since.toISOString(),
  )
  return changed > 0
}

/** What a node's deep probe has changed of it; when it is probed next stays. */
export async function updateWatched(tx: Queries, node: Node): Promise<void> {
  await tx.run(
    'update nodes set state = $1, since = $2, watch = $3 where id = $4',
    node.state,
    node.watch.since.toISOString(),
    keptWatch(node.watch),
    node.id,
  )
}
