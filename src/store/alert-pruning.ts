import { setImmediate as breathe } from 'node:timers/promises'
import { keepAlertsDays } from '../alerts/retention.ts'
import { keepHoursDays, keepProbesHours } from '../health/history.ts'
import { addSeconds } from '../lib/clock.ts'
import { type Database, number, type Queries, text } from './database.ts'

/** So many rows are looked at in one transaction: whoever else writes waits for a few milliseconds. */
const together = 200
/** So many of a kind at the most are looked at in one call; the next one goes on. */
const mostInCall = 25_000

/**
 * Removes what is older than it is kept: alerts that are over, the messages that told of them, failed probes that were no outage,
 * and probes of nodes that are gone. Kept are alerts that wait to be told, messages that were refused or parked, and the threads of
 * incidents that go on or have ended within the time, which a recovery has to answer. In small transactions; others work in between.
 * @returns whether the most that one call does was done, so that there may be more
 */
export async function pruneOld(db: Database, now: Date): Promise<boolean> {
  const old = addSeconds(now, -keepAlertsDays * 86_400).toISOString()
  const isMore = [
    await walk(db, '', (tx, from) => pruneAlerts(tx, from, old)),
    await walk(db, '', (tx, from) => pruneEnvelopes(tx, from, old)),
    await walk(db, null, (tx) => pruneBlips(tx, old)),
    await walk(db, null, (tx) => pruneProbes(tx, now)),
  ]
  return isMore.includes(true)
}

/** Where the next batch begins; undefined after the last one. */
type Next<From> = Promise<From | undefined>

async function walk<From>(
  db: Database,
  first: From,
  prune: (tx: Queries, from: From) => Next<From>,
): Promise<boolean> {
  let from: From | undefined = first
  for (let seen = 0; seen < mostInCall; seen += together) {
    const start: From = from
    from = await db.transaction((tx) => prune(tx, start))
    if (from === undefined) return false
    // Between two transactions everybody else has a turn.
    await breathe()
  }
  return true
}

/** Sorts as `(at, id)` does: times are of one length. */
const markOf = (at: string, id: string): string => `${at} ${id}`
const split = (mark: string): [string, string] => {
  const space = mark.indexOf(' ')
  return space < 0 ? ['', ''] : [mark.slice(0, space), mark.slice(space + 1)]
}

async function pruneAlerts(tx: Queries, from: string, old: string): Next<string> {
  const [at, id] = split(from)
  const rows = await tx.all(
    `select a.id, a.at, a.state <> 'waiting'
         and not exists (select 1 from tellings t where t.alert_id = a.id and t.state = 'held')
         and not exists (select 1 from tellings t join envelopes e on e.id = t.envelope_id
           where t.alert_id = a.id and (e.state <> 'sent' or e.ended_at >= $4))
         and not exists (select 1 from incidents i where i.thread = a.thread and (i.closed_at is null or i.closed_at >= $4))
         as is_over
     from alerts a where a.at >= $1 and (a.at > $1 or a.id > $2) and a.at < $4 order by a.at, a.id limit $3`,
    at,
    id,
    together,
    old,
  )
  for (const row of rows) {
    if (number(row, 'is_over') === 0) continue
    await tx.run('delete from tellings where alert_id = $1', text(row, 'id'))
    await tx.run('delete from alerts where id = $1', text(row, 'id'))
  }
  const last = rows.at(-1)
  return last && rows.length === together ? markOf(text(last, 'at'), text(last, 'id')) : undefined
}

/** Messages whose alerts are all gone, trial messages among them. */
async function pruneEnvelopes(tx: Queries, from: string, old: string): Next<string> {
  const [at, id] = split(from)
  const rows = await tx.all(
    `select id, ended_at, exists (select 1 from tellings t where t.envelope_id = e.id) as is_told_of from envelopes e
     where state = 'sent' and ended_at >= $1 and (ended_at > $1 or id > $2) and ended_at < $4 order by ended_at, id limit $3`,
    at,
    id,
    together,
    old,
  )
  for (const row of rows) {
    if (number(row, 'is_told_of') === 1) continue
    await tx.run('delete from envelopes where id = $1', text(row, 'id'))
  }
  const last = rows.at(-1)
  return last && rows.length === together
    ? markOf(text(last, 'ended_at'), text(last, 'id'))
    : undefined
}

async function pruneBlips(tx: Queries, old: string): Next<null> {
  const gone = await tx.run(
    `delete from blips where (node_id, from_at) in
       (select node_id, from_at from blips where ended_at < $1 order by ended_at limit $2)`,
    old,
    together,
  )
  return gone === together ? null : undefined
}

/** Those of nodes that are there are thinned where they are added up. */
async function pruneProbes(tx: Queries, now: Date): Next<null> {
  const before = addSeconds(now, -keepProbesHours * 3600)
  const node = await tx.first(
    `select number from nodes where removed_at < $1
       and exists (select 1 from probes where node = nodes.number and at_ms < $2) limit 1`,
    before.toISOString(),
    before.getTime(),
  )
  if (node) {
    await tx.run(
      `delete from probes where (node, at_ms) in
         (select node, at_ms from probes where node = $1 and at_ms < $2 order by at_ms limit $3)`,
      number(node, 'number'),
      before.getTime(),
      together * 5,
    )
    return null
  }
  const hours = addSeconds(now, -keepHoursDays * 86_400).toISOString()
  const other = await tx.first(
    `select number from nodes where removed_at < $1
       and exists (select 1 from probe_totals where node = nodes.number and span = 'hour' and starts_at < $2) limit 1`,
    before.toISOString(),
    hours,
  )
  if (!other) return undefined
  await tx.run(
    "delete from probe_totals where node = $1 and span = 'hour' and starts_at < $2",
    number(other, 'number'),
    hours,
  )
  return null
}
