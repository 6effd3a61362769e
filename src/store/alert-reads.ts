import type { Digest } from '../alerts/digest.ts'
import type { AlertReads, AlertView, InboxMail } from '../control/alert-reads.ts'
import { toAlert } from './alert-rows.ts'
import {
  type Database,
  date,
  number,
  numberOrNull,
  type Row,
  text,
  textOrNull,
  type Value,
} from './database.ts'
import { inboxSize, toDeliveryView } from './outbox-rows.ts'
import { partOf, readCursor } from './parts.ts'

/** More nodes than these nobody reads in a digest; the worst go first. */
const mostNodes = 60

const toMail = (row: Row): InboxMail => ({
  id: text(row, 'id'),
  at: date(row, 'created_at'),
  subject: text(row, 'subject'),
  text: text(row, 'body'),
  html: textOrNull(row, 'html'),
  messageId: text(row, 'message_id'),
  inReplyTo: textOrNull(row, 'in_reply_to'),
})

/** Alerts in the database, as people ask for them; see `AlertReads`. */
export function alertReads(db: Database): AlertReads {
  const toView = async (row: Row): Promise<AlertView> => {
    const deliveries = await db.all(
      `select e.* from tellings t join envelopes e on e.id = t.envelope_id where t.alert_id = $1 order by e.number`,
      text(row, 'id'),
    )
    return {
      ...toAlert(row),
      state: text(row, 'state') as AlertView['state'], // the column's check constraint
      deliveries: deliveries.map(toDeliveryView),
    }
  }
  const isThere = async (sql: string, ...values: Value[]): Promise<boolean> =>
    (await db.first(sql, ...values)) !== undefined

  return {
    async alerts({ kind, state }, limit, cursor) {
      const [at, id] = readCursor(cursor)
      const rows = await db.all(
        `select a.*, a.at as created_at from alerts a
         where (a.at < $1 or (a.at = $1 and a.id < $2)) and ($3 is null or a.kind = $3)
           and ($4 is null or a.state = $4 or exists (select 1 from tellings t join envelopes e on e.id = t.envelope_id
             where t.alert_id = a.id and e.state = $4))
         order by a.at desc, a.id desc limit $5`,
        at,
        id,
        kind ?? null,
        state ?? null,
        limit + 1,
      )
      const part = partOf(rows, limit, (row) => row)
      return { items: await Promise.all(part.items.map(toView)), next: part.next }
    },
    async alert(id) {
      const row = await db.first('select * from alerts where id = $1', id)
      return row && toView(row)
    },
    async delivery(id) {
      const row = await db.first('select * from envelopes where id = $1', id)
      return row && toDeliveryView(row)
    },
    inbox: async (limit) =>
      (
        await db.all(
          "select * from envelopes where channel = 'inbox' order by number desc limit $1",
          Math.min(limit, inboxSize),
        )
      ).map(toMail),
    async digestSince(since, until) {
      const [from, to] = [since.toISOString(), until.toISOString()]
      const worked = await db.first(
        `select sum(used_seconds) as used, sum(case when serves = 0 then to_step - from_step else 0 end) as steps
         from sessions where ended_at > $1 and ended_at <= $2`,
        from,
        to,
      )
      const count = async (sql: string): Promise<number> => {
        const row = await db.first(sql, from, to)
        return row ? number(row, 'found') : 0
      }
      return {
        nodes: await nodesSince(from, to),
        gpuHours: (numberOrNull(worked ?? {}, 'used') ?? 0) / 3600,
        steps: numberOrNull(worked ?? {}, 'steps') ?? 0,
        sessions: await count(
          'select count(*) as found from sessions where created_at > $1 and created_at <= $2',
        ),
        undelivered: await count(
          `select count(*) as found from envelopes where state in ('refused', 'parked') and ended_at > $1 and ended_at <= $2`,
        ),
      }
    },
    isKnown: (id) => isThere('select 1 as one from alerts where id = $1', id),
    wasThere: (before) =>
      isThere('select 1 as one from events where at < $1 limit 1', before.toISOString()),
  }

  async function nodesSince(from: string, to: string): Promise<Digest['nodes']> {
    const rows = await db.all(
      `select n.name, n.state, sum(t.up) as up, sum(t.bad) as bad from nodes n
         left join probe_totals t on t.node = n.number and t.span = 'hour' and t.starts_at >= $1 and t.starts_at < $2
       where n.removed_at is null group by n.number, n.name, n.state
       order by case n.state when 'down' then 0 when 'unstable' then 1 when 'limited' then 2 when 'unknown' then 3 else 4 end,
         n.name limit $3`,
      from,
      to,
      mostNodes,
    )
    return rows.map((row) => {
      const [up, bad] = [numberOrNull(row, 'up') ?? 0, numberOrNull(row, 'bad') ?? 0]
      return {
        name: text(row, 'name'),
        state: text(row, 'state'),
        uptime: up + bad > 0 ? up / (up + bad) : null,
      }
    })
  }
}
