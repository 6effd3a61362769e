import { addedTotals, keepHoursDays, keepProbesHours, type Totals } from '../health/history.ts'
import { counted, type Latencies } from '../health/latencies.ts'
import { addSeconds } from '../lib/clock.ts'
import { type Database, number, numberOrNull, type Queries, type Row, text } from './database.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** So many nodes are added up in one transaction: others wait no longer than for a few of them. */
const together = 10

const floor = (ms: number, to: number): number => Math.floor(ms / to) * to

/** A look as it stands in the record. */
export interface KeptProbe {
  readonly at: Date
  readonly ms: number | null
  readonly found: string
}

/** The record of looks: read by span, added up by the hour and the day, and thinned. */
export function probeHistory(db: Database, now: () => Date) {
  return {
    /** The newest looks of a node, newest first. */
    newest: async (node: number, most: number): Promise<KeptProbe[]> =>
      (
        await db.all(
          'select at_ms, ms, found from probes where node = $1 order by at_ms desc limit $2',
          node,
          most,
        )
      ).map(toKept),
    /** What a node's looks since then come to: whole hours and days from their totals, the rest look by look. */
    async since(node: number, from: Date): Promise<Totals[]> {
      const { hoursFrom, looksFrom } = await borders(db, node, from)
      const days = await db.all(
        `select * from probe_totals where node = $1 and span = 'day' and starts_at >= $2 and starts_at < $3`,
        node,
        from.toISOString(),
        hoursFrom.toISOString(),
      )
      const hours = await db.all(
        `select * from probe_totals where node = $1 and span = 'hour' and starts_at >= $2 and starts_at < $3`,
        node,
        hoursFrom.toISOString(),
        looksFrom.toISOString(),
      )
      const looks = await db.all(
        'select at_ms, ms, found from probes where node = $1 and at_ms >= $2',
        node,
        Math.max(from.getTime(), looksFrom.getTime()),
      )
      return [...[...days, ...hours].map(toTotals), totalsOf(looks.map(toKept))]
    },
    /** A node's days, oldest first, those over alone. */
    days: async (node: number, from: Date): Promise<{ day: string; totals: Totals }[]> =>
      (
        await db.all(
          `select * from probe_totals where node = $1 and span = 'day' and starts_at >= $2 order by starts_at`,
          node,
          from.toISOString(),
        )
      ).map((row) => ({ day: text(row, 'starts_at').slice(0, 10), totals: toTotals(row) })),
    /**
     * Adds up hours and days that are over and removes what is older than it is kept: some nodes at a time, so that nobody waits
     * for it. What was begun and cut short is done by the next call.
     * @returns whether there is more to do
     */
    async tidy(mostNodes = 200): Promise<boolean> {
      const at = now().getTime()
      const hour = floor(at, hourMs)
      // A look may be written a moment after its hour.
      if (at - hour < 60_000) return false
      const nodes = await db.all(
        `select number from nodes where exists (select 1 from probes where node = nodes.number and at_ms < $1 and at_ms >=
           coalesce((select max(starts_at_ms) + 3600000 from probe_marks where probe_marks.node = nodes.number), 0)) limit $2`,
        hour,
        mostNodes,
      )
      for (let from = 0; from < nodes.length; from += together) {
        await db.transaction(async (tx) => {
          for (const row of nodes.slice(from, from + together)) {
            await addUp(tx, number(row, 'number'), at)
          }
        })
      }
      return nodes.length === mostNodes
    },
  }
}

export type ProbeHistory = ReturnType<typeof probeHistory>

const toKept = (row: Row): KeptProbe => ({
  at: new Date(number(row, 'at_ms')),
  ms: numberOrNull(row, 'ms'),
  found: text(row, 'found'),
})

const toTotals = (row: Row): Totals => ({
  up: number(row, 'up'),
  bad: number(row, 'bad'),
  unknown: number(row, 'unknown'),
  latencies: JSON.parse(text(row, 'latencies')) as Latencies, // written by putTotals alone
  causes: JSON.parse(text(row, 'causes')) as Record<string, number>, // likewise
})

export function totalsOf(looks: readonly KeptProbe[]): Totals {
  const up = looks.filter(({ found }) => found === 'up')
  const unknown = looks.filter(({ found }) => found === 'unknown').length
  const causes: Record<string, number> = {}
  for (const { found } of looks) {
    if (found !== 'up' && found !== 'unknown') causes[found] = (causes[found] ?? 0) + 1
  }
  return {
    up: up.length,
    bad: looks.length - up.length - unknown,
    unknown,
    latencies: counted(up.flatMap(({ ms }) => (ms === null ? [] : [ms]))),
    causes,
  }
}

/** Up to when a node's days, and its hours, are added up. */
async function borders(db: Queries, node: number, from: Date) {
  const last = async (span: 'hour' | 'day', seconds: number): Promise<Date> => {
    const row = await db.first(
      'select max(starts_at) as at from probe_totals where node = $1 and span = $2',
      node,
      span,
    )
    return row?.at ? addSeconds(new Date(text(row, 'at')), seconds) : from
  }
  const hoursFrom = await last('day', 86_400)
  const looksFrom = await last('hour', 3600)
  const later = (a: Date, b: Date) => (a > b ? a : b)
  return { hoursFrom: later(hoursFrom, from), looksFrom: later(later(looksFrom, hoursFrom), from) }
}

async function putTotals(
  tx: Queries,
  node: number,
  span: 'hour' | 'day',
  startsAt: number,
  totals: Totals,
): Promise<void> {
  await tx.run(
    `insert into probe_totals (node, span, starts_at, up, bad, unknown, latencies, causes)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (node, span, starts_at) do update set up = excluded.up,
       bad = excluded.bad, unknown = excluded.unknown, latencies = excluded.latencies, causes = excluded.causes`,
    node,
    span,
    new Date(startsAt).toISOString(),
    totals.up,
    totals.bad,
    totals.unknown,
    JSON.stringify(totals.latencies),
    JSON.stringify(totals.causes),
  )
}

/** Every hour and every day of a node that is over and not added up yet; then what is too old goes. */
async function addUp(tx: Queries, node: number, atMs: number): Promise<void> {
  const mark = await tx.first('select starts_at_ms from probe_marks where node = $1', node)
  const from = mark ? number(mark, 'starts_at_ms') + hourMs : 0
  const hour = floor(atMs, hourMs)
  const looks = (
    await tx.all(
      'select at_ms, ms, found from probes where node = $1 and at_ms >= $2 and at_ms < $3 order by at_ms',
      node,
      from,
      hour,
    )
  ).map(toKept)
  const hours = Map.groupBy(looks, ({ at }) => floor(at.getTime(), hourMs))
  for (const [startsAt, those] of hours) {
    await putTotals(tx, node, 'hour', startsAt, totalsOf(those))
  }
  const today = floor(atMs, dayMs)
  const days = new Set([...hours.keys()].map((startsAt) => floor(startsAt, dayMs)))
  // A day ends after its last hour was added up.
  const yesterday = floor(today - 1, dayMs)
  for (const day of [...days, yesterday].filter((startsAt) => startsAt < today)) {
    const parts = await tx.all(
      "select * from probe_totals where node = $1 and span = 'hour' and starts_at >= $2 and starts_at < $3",
      node,
      new Date(day).toISOString(),
      new Date(day + dayMs).toISOString(),
    )
    if (parts.length > 0) await putTotals(tx, node, 'day', day, addedTotals(parts.map(toTotals)))
  }
  await tx.run(
    `insert into probe_marks (node, starts_at_ms) values ($1, $2)
     on conflict (node) do update set starts_at_ms = excluded.starts_at_ms`,
    node,
    hour - hourMs,
  )
  await tx.run(
    'delete from probes where node = $1 and at_ms < $2',
    node,
    atMs - keepProbesHours * hourMs,
  )
  await tx.run(
    "delete from probe_totals where node = $1 and span = 'hour' and starts_at < $2",
    node,
    new Date(floor(atMs - keepHoursDays * dayMs, dayMs)).toISOString(),
  )
}
