import { type Incident, settleSeconds } from '../health/incident.ts'
import type { Node } from '../health/node.ts'
import { afterProbe, following } from '../health/noted.ts'
import { afterUnknown, type Probe, type ProbeBook } from '../health/prober.ts'
import { isSilenced, type Silence } from '../health/silence.ts'
import type { Happened } from '../health/watch.ts'
import { sha256Hex } from '../lib/random.ts'
import { insertAlert, withdrawAlerts } from './alert-rows.ts'
import { type Database, date, number, numberOrNull, type Queries, text } from './database.ts'
import { addStep, newestIncident, putIncident } from './incident-rows.ts'
import { toNode, updateProbed } from './node-rows.ts'
import { readSilences } from './silence-rows.ts'

/** The prober's memory on a database. */
export function probeBook(db: Database, settles = settleSeconds): ProbeBook {
  return {
    due: async (fromMs, toMs, most) =>
      (
        await db.all(
          `select * from nodes where removed_at is null and next_probe_ms > $1 and next_probe_ms <= $2 and state <> 'idle'
             and (url is not null or session_id is not null)
           order by next_probe_ms limit $3`,
          fromMs,
          toMs,
          most,
        )
      ).map(toNode),
    nextDueMs: async () => {
      const row = await db.first(
        `select next_probe_ms as next from nodes where removed_at is null and state <> 'idle'
           and (url is not null or session_id is not null) order by next_probe_ms limit 1`,
      )
      return row ? numberOrNull(row, 'next') : null
    },
    save: (looks) =>
      db.transaction(async (tx) => {
        const silences = silencesAt(tx)
        for (const look of looks) await saveProbe(tx, look, silences, settles)
      }),
    ownNetwork: (isDown, at) =>
      db.transaction((tx) => (isDown ? ownNetworkDown(tx, at) : ownNetworkBack(tx, at))),
  }
}

/** Silences are read once for all looks that are written together, and only where somebody would be told. */
type Silences = (at: Date) => Promise<readonly Silence[]>

function silencesAt(tx: Queries): Silences {
  let read: Promise<readonly Silence[]> | undefined
  return (at) => {
    read ??= readSilences(tx, at)
    return read
  }
}

async function saveProbe(
  tx: Queries,
  { node, at, seen }: Probe,
  silences: Silences,
  settles: number,
): Promise<void> {
  if (seen === 'own-network') {
    const watch = { ...node.watch, nextProbeAt: afterUnknown(node, at) }
    const isKept = await updateProbed(tx, { ...node, state: 'unknown', watch, probedAt: at }, node)
    if (isKept) await insertProbe(tx, node, at, null, 'unknown')
    return
  }
  const after = afterProbe(node, seen, at)
  if (!(await updateProbed(tx, after.node, node))) return
  await insertProbe(tx, node, at, seen.kind === 'answered' ? seen.ms : null, after.found)
  if (after.happened.length > 0) {
    await follow(tx, after.node, after.happened, at, settles, silences)
  }
}

async function insertProbe(
  tx: Queries,
  { number: short }: Node,
  at: Date,
  ms: number | null,
  found: string,
): Promise<void> {
  await tx.run(
    'insert into probes (node, at_ms, ms, found) values ($1, $2, $3, $4) on conflict do nothing',
    short,
    at.getTime(),
    ms,
    found,
  )
}

/** Writes down what follows from news of a node: incidents, their record, what people are told. */
export async function follow(
  tx: Queries,
  node: Node,
  happened: readonly Happened[],
  at: Date,
  settles: number,
  silences: Silences = silencesAt(tx),
): Promise<void> {
  for (const one of happened) {
    if (one.kind === 'blip') await insertBlip(tx, node, one, at)
  }
  const isFirst = await isFirstLimited(tx, node)
  const then = following(node, happened, await newestIncident(tx, node.id), at, isFirst, settles)
  const silenced = then.alerts.length > 0 && isSilenced(await silences(at), node.id, at)
  // One that nobody was told of is told when the silence is over, where it goes on until then.
  const untold = (incident: Incident) => (silenced ? { ...incident, toldAt: never } : incident)
  for (const incident of then.incidents) await putIncident(tx, untold(incident))
  for (const { incident, words } of then.steps) await addStep(tx, incident, 'seen', words, at)
  for (const thread of then.withdrawn) await withdrawAlerts(tx, thread, 'node-recovered')
  for (const alert of then.alerts) {
    await insertAlert(tx, alert, silenced)
  }
  if (then.limitedUntil && node.tunnelAccount !== null) {
    await tx.run(
      'update nodes set next_probe_ms = $1 where next_probe_ms < $1 and tunnel_account = $2 and removed_at is null',
      then.limitedUntil.getTime(),
      node.tunnelAccount,
    )
  }
}

const never = new Date(0)

async function insertBlip(
  tx: Queries,
  node: Node,
  blip: Extract<Happened, { kind: 'blip' }>,
  at: Date,
): Promise<void> {
  await tx.run(
    'insert into blips (node_id, from_at, ended_at, cause) values ($1, $2, $3, $4) on conflict do nothing',
    node.id,
    blip.from.toISOString(),
    at.toISOString(),
    JSON.stringify(blip.cause),
  )
}

async function isFirstLimited(tx: Queries, node: Node): Promise<boolean> {
  if (node.tunnelAccount === null || node.state !== 'limited') return true
  const other = await tx.first(
    "select 1 as one from nodes where tunnel_account = $1 and id <> $2 and state = 'limited' and removed_at is null",
    node.tunnelAccount,
    node.id,
  )
  return other === undefined
}

async function ownNetworkDown(tx: Queries, at: Date): Promise<void> {
  if (await tx.first('select 1 as one from own_outages where to_at is null')) return
  await tx.run(
    'insert into own_outages (id, from_at) values ($1, $2)',
    `own_${sha256Hex(at.toISOString()).slice(0, 20)}`,
    at.toISOString(),
  )
}

/** Told when it is over: before, nobody would have been reached. */
async function ownNetworkBack(tx: Queries, at: Date): Promise<void> {
  const open = await tx.first('select * from own_outages where to_at is null')
  if (!open) return
  const from = date(open, 'from_at')
  await tx.run('update own_outages set to_at = $1 where to_at is null', at.toISOString())
  const row = await tx.first(
    "select count(distinct node) as nodes from probes where found = 'unknown' and at_ms >= $1",
    from.getTime(),
  )
  await insertAlert(tx, {
    id: `alr_${text(open, 'id')}`,
    kind: 'own-network',
    about: 'Rodízio',
    at,
    dueAt: at,
    thread: null,
    facts: {
      from: from.toISOString(),
      to: at.toISOString(),
      downSeconds: (at.getTime() - from.getTime()) / 1000,
      count: number(row ?? {}, 'nodes'),
    },
  })
}
