import type { Alert } from '../alerts/alert.ts'
import { type Incident, settleSeconds } from '../health/incident.ts'
import type { Node } from '../health/node.ts'
import { afterProbe, factsAround, following } from '../health/noted.ts'
import { afterUnknown, type Probe, type ProbeBook } from '../health/prober.ts'
import { isSilenced } from '../health/silence.ts'
import type { Happened } from '../health/watch.ts'
import { sha256Hex } from '../lib/random.ts'
import { insertAlert, withdrawAlerts } from './alert-rows.ts'
import { type Database, date, number, numberOrNull, type Queries, text } from './database.ts'
import {
  askAround,
  askOnReturn,
  askWord,
  countBelow,
  hold,
  settleHeld,
  type Telling,
  tellingIn,
} from './hold-rows.ts'
import { addStep, newestIncident, putIncident } from './incident-rows.ts'
import { toNode, updateProbed } from './node-rows.ts'

/**
 * The prober's memory on a database.
 * @param now when nodes whose word is wanted are to be probed; left out, at the time of the look that wants it
 */
export function probeBook(
  db: Database,
  settles = settleSeconds,
  now: (() => Date) | undefined = undefined,
): ProbeBook {
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
        const telling = tellingIn(tx)
        let newsAt: Date | null = null
        for (const look of looks) {
          // A moment ahead, so that who reads what has become due since the last time finds it.
          const soon = now ? new Date(now().getTime() + 1) : look.at
          const isNews = await saveProbe(tx, look, soon, telling, settles)
          if (isNews && (newsAt === null || look.at > newsAt)) newsAt = look.at
        }
        if (newsAt !== null) await settleHeld(tx, newsAt, telling)
      }),
    ownNetwork: (isDown, at) =>
      db.transaction((tx) => (isDown ? ownNetworkDown(tx, at) : ownNetworkBack(tx, at))),
  }
}

/** Whether there was news of the node. */
async function saveProbe(
  tx: Queries,
  { node, at, seen }: Probe,
  soon: Date,
  telling: Telling,
  settles: number,
): Promise<boolean> {
  if (seen === 'own-network') {
    const watch = { ...node.watch, nextProbeAt: afterUnknown(node, at) }
    const isKept = await updateProbed(tx, { ...node, state: 'unknown', watch, probedAt: at }, node)
    if (isKept) await insertProbe(tx, node, at, null, 'unknown')
    return false
  }
  const after = afterProbe(node, seen, at)
  if (!(await updateProbed(tx, after.node, node))) return false
  await insertProbe(tx, node, at, seen.kind === 'answered' ? seen.ms : null, after.found)
  const isDoubted = node.watch.doubts === 0 && after.node.watch.doubts === 1
  if (isDoubted) await askAround(tx, after.node, soon, telling)
  const isHoped = node.watch.hopes === 0 && after.node.watch.hopes === 1
  if (isHoped) await askOnReturn(tx, after.node, soon)
  if (after.happened.length === 0) return false
  await follow(tx, after.node, after.happened, at, settles, telling)
  return true
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
  telling: Telling = tellingIn(tx),
): Promise<void> {
  for (const one of happened) {
    if (one.kind === 'blip') await insertBlip(tx, node, one, at)
  }
  const isFirst = await isFirstLimited(tx, node)
  const then = following(node, happened, await newestIncident(tx, node.id), at, isFirst, settles)
  const silenced = then.alerts.length > 0 && isSilenced(await telling.silences(at), node.id, at)
  // One that nobody was told of is told when the silence is over, where it goes on until then.
  const untold = (incident: Incident) => (silenced ? { ...incident, toldAt: never } : incident)
  for (const incident of then.incidents) await putIncident(tx, untold(incident))
  for (const { incident, words } of then.steps) await addStep(tx, incident, 'seen', words, at)
  for (const thread of then.withdrawn) await withdrawAlerts(tx, thread, 'node-recovered')
  for (const alert of then.alerts) {
    const about = then.incidents.find(({ id }) => id === alert.facts.incident)
    const told = about ? await tellOrHold(tx, alert, untold(about), node, at, telling) : alert
    if (told) await insertAlert(tx, told, silenced)
  }
  if (then.limitedUntil && node.tunnelAccount !== null) {
    await tx.run(
      'update nodes set next_probe_ms = $1 where next_probe_ms < $1 and tunnel_account = $2 and removed_at is null',
      then.limitedUntil.getTime(),
      node.tunnelAccount,
    )
  }
}

/** The alert with what it says of others, or null where people are not told: its incident is held then. */
async function tellOrHold(
  tx: Queries,
  alert: Alert,
  incident: Incident,
  node: Node,
  at: Date,
  telling: Telling,
): Promise<Alert | null> {
  if (alert.kind === 'node-recovered') {
    return incident.heldAt !== null && !(await wasTold(tx, incident.thread)) ? null : alert
  }
  const word = await askWord(tx, incident, node, at, telling)
  if (word.kind === 'hold') {
    await hold(tx, incident, word.by, at)
    return null
  }
  const below = await countBelow(telling, node.id)
  return { ...alert, facts: { ...alert.facts, ...factsAround(below, word.account) } }
}

const wasTold = async (tx: Queries, thread: string): Promise<boolean> =>
  (await tx.first(
    "select 1 as one from alerts where thread = $1 and state in ('waiting', 'told') limit 1",
    thread,
  )) !== undefined

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
