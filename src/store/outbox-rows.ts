import type { Alert } from '../alerts/alert.ts'
import type { Channel, EnvelopeKind } from '../alerts/channel.ts'
import { type Delivery, longestSeconds } from '../alerts/delivery.ts'
import { envelopesOf } from '../alerts/envelope.ts'
import type {
  Compose,
  DeliveryView,
  EarlierLetter,
  Letter,
  OutboxRows,
  StoredLetter,
} from '../alerts/outbox.ts'
import { type Past, pack } from '../alerts/pack.ts'
import { addSeconds } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { toAlert } from './alert-rows.ts'
import { mendChannel, readChannels } from './channel-rows.ts'
import {
  type Database,
  date,
  dateOrNull,
  number,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'

/** So many alerts are dealt at once; the rest follows at the next look. */
const mostDealt = 1000
/** So many messages are kept to be read in the inbox. */
export const inboxSize = 200

const toDelivery = (row: Row): Delivery => ({
  state: text(row, 'state') as Delivery['state'], // the column's check constraint
  createdAt: date(row, 'tried_from'),
  attempts: number(row, 'attempts'),
  nextAt: date(row, 'next_at'),
  said: textOrNull(row, 'said'),
})

export const toLetter = (row: Row): StoredLetter => ({
  id: text(row, 'id'),
  channel: text(row, 'channel'),
  kind: text(row, 'kind') as EnvelopeKind, // written by `insertLetter` alone, and so is what is parsed below
  subject: text(row, 'subject'),
  body: text(row, 'body'),
  html: textOrNull(row, 'html'),
  headers: JSON.parse(text(row, 'headers')) as Record<string, string>,
  messageId: text(row, 'message_id'),
  inReplyTo: textOrNull(row, 'in_reply_to'),
  references: JSON.parse(text(row, 'refs')) as string[],
  recipients: JSON.parse(text(row, 'recipients')) as string[],
  createdAt: date(row, 'created_at'),
  delivery: toDelivery(row),
})

export const toDeliveryView = (row: Row): DeliveryView => {
  const { id, channel, kind, subject, createdAt, messageId, delivery } = toLetter(row)
  const { state, attempts, nextAt, said } = delivery
  return {
    id,
    channel,
    kind,
    subject,
    state,
    attempts,
    createdAt,
    nextAt: state === 'waiting' ? nextAt : null,
    endedAt: dateOrNull(row, 'ended_at'),
    said,
    messageId,
  }
}

/** Messages and what is to become one, in the database; see `OutboxRows`. */
export const outboxRows = (db: Database): OutboxRows => ({
  async hasWork(now) {
    const row = await db.first(
      `select exists (select 1 from alerts where state = 'waiting' and due_at <= $1)
           or exists (select 1 from tellings where state = 'held' and not_before <= $1) as compose,
         exists (select 1 from envelopes where state = 'waiting' and next_at <= $1) as deliver`,
      now.toISOString(),
    )
    return { compose: Number(row?.compose) === 1, deliver: Number(row?.deliver) === 1 }
  },
  compose: (now, compose) =>
    db.transaction(async (tx) => {
      const channels = await readChannels(tx)
      if (channels.length === 0) return 0
      await deal(tx, channels, now)
      let made = 0
      for (const channel of channels) made += await packChannel(tx, channel, compose, now)
      return made
    }),
  dueChannels: (now) =>
    db.transaction(async (tx) => {
      const at = now.toISOString()
      await tx.run(
        `update envelopes set state = 'parked', ended_at = $1,
           said = coalesce(said, (select broken_said from channels where name = channel))
         where state = 'waiting' and tried_from <= $2
           and channel in (select name from channels where broken_at is not null)`,
        at,
        addSeconds(now, -longestSeconds).toISOString(),
      )
      const rows = await tx.all(
        `select e.channel from envelopes e where e.state = 'waiting' and e.next_at <= $1 and e.claimed_by is null
           and e.number = (select min(h.number) from envelopes h where h.channel = e.channel and h.state = 'waiting')`,
        at,
      )
      const due = new Set(rows.map((row) => text(row, 'channel')))
      return (await readChannels(tx)).filter(({ name, broken }) => due.has(name) && !broken)
    }),
  claimHead: (channel, owner, now) =>
    db.transaction(async (tx) => {
      const row = await tx.first(
        `select * from envelopes where channel = $1 and state = 'waiting' order by number limit 1`,
        channel,
      )
      const isDue = row && date(row, 'next_at') <= now && textOrNull(row, 'claimed_by') === null
      if (!isDue) return undefined
      await tx.run('update envelopes set claimed_by = $1 where id = $2', owner, text(row, 'id'))
      return toLetter(row)
    }),
  record: (letter, after, attempt, now) =>
    db.transaction(async (tx) => {
      const { id, channel } = letter
      const isSignIn = attempt.kind === 'refused' && attempt.isSignIn === true
      const left =
        attempt.kind === 'later' ? (attempt.left ?? letter.recipients) : letter.recipients
      await tx.run(
        `update envelopes set state = $1, attempts = $2, next_at = $3, said = $4, is_sign_in = $5, recipients = $6,
           claimed_by = null, ended_at = $7 where id = $8`,
        after.state,
        after.attempts,
        after.nextAt.toISOString(),
        after.said,
        isSignIn ? 1 : 0,
        JSON.stringify(left),
        after.state === 'waiting' ? null : now.toISOString(),
        id,
      )
      if (isSignIn) {
        await tx.run(
          'update channels set broken_at = $1, broken_said = $2 where name = $3 and broken_at is null',
          now.toISOString(),
          attempt.said,
          channel,
        )
      }
    }),
  releaseClaims: async (owner) => {
    await db.run(
      "update envelopes set claimed_by = null where state = 'waiting' and claimed_by != $1",
      owner,
    )
  },
  keepSent: (letter, said) =>
    db.transaction(async (tx) => {
      await insertLetter(tx, letter)
      await tx.run(
        "update envelopes set state = 'sent', attempts = 1, said = $1, ended_at = $2 where id = $3",
        said,
        letter.createdAt.toISOString(),
        letter.id,
      )
    }),
  retry: (id, now) =>
    db.transaction(async (tx) => {
      const row = await tx.first('select channel, state from envelopes where id = $1', id)
      if (!row) {
        throw new AppError('not-found', `there is no delivery ${JSON.stringify(id)}`, {
          code: 'delivery_unknown',
          next: 'Deliveries stand with their alerts: rodizio alerts show ID',
        })
      }
      if (text(row, 'state') === 'sent') {
        throw new AppError('conflict', 'this message has been taken by its channel already', {
          code: 'delivery_sent',
          next: 'A trial message goes out with: rodizio alerts test',
        })
      }
      await mendChannel(tx, text(row, 'channel'), now)
      await tryAgain(tx, 'id = $2', id, now)
    }),
  retryAll: (channel, now) =>
    db.transaction(async (tx) => {
      let count = 0
      for (const { name } of await readChannels(tx)) {
        if (channel !== undefined && name !== channel) continue
        await mendChannel(tx, name, now)
        const since = addSeconds(now, -7 * 86_400).toISOString()
        await tryAgain(tx, `channel = $2 and created_at > '${since}'`, name, now)
        const row = await tx.first(
          "select count(*) as found from envelopes where channel = $1 and state = 'waiting'",
          name,
        )
        count += row ? number(row, 'found') : 0
      }
      return count
    }),
})

/** What is not sent waits again from now on. */
const tryAgain = (tx: Queries, which: string, value: string, now: Date): Promise<number> =>
  tx.run(
    `update envelopes set state = 'waiting', attempts = 0, tried_from = $1, next_at = $1, ended_at = null, is_sign_in = 0
     where state != 'sent' and kind != 'test' and ${which}`,
    now.toISOString(),
    value,
  )

/** Gives alerts whose time has come, and whose group is whole, to every channel. */
async function deal(tx: Queries, channels: readonly Channel[], now: Date): Promise<void> {
  const waiting = await tx.all(
    "select * from alerts where state = 'waiting' and due_at <= $1 order by at, id limit $2",
    now.toISOString(),
    mostDealt,
  )
  const whole = envelopesOf(waiting.map(toAlert), '', now, () => '').flatMap(({ alerts }) => alerts)
  for (const { id, kind } of whole) {
    for (const channel of channels) {
      if (kind === 'digest' && !channel.digest) continue
      await tx.run(
        `insert into tellings (channel, alert_id, state, not_before) values ($1, $2, 'held', $3)
         on conflict (channel, alert_id) do nothing`,
        channel.name,
        id,
        now.toISOString(),
      )
    }
    await tx.run("update alerts set state = 'told' where id = $1", id)
  }
}

/** Puts what a channel may tell now into messages; none while an earlier one is still on its way. */
async function packChannel(
  tx: Queries,
  channel: Channel,
  compose: Compose,
  now: Date,
): Promise<number> {
  const { name } = channel
  const rows = await tx.all(
    `select a.*, t.is_over, t.not_before from tellings t join alerts a on a.id = t.alert_id
     where t.channel = $1 and t.state = 'held' order by a.at, a.id`,
    name,
  )
  if (!rows.some((row) => date(row, 'not_before') <= now)) return 0
  const busy = await tx.first(
    "select 1 as one from envelopes where channel = $1 and state = 'waiting' limit 1",
    name,
  )
  if (busy) return 0
  const held = rows.map((row) => ({ alert: toAlert(row), isOver: number(row, 'is_over') === 1 }))
  const past = await pastOf(
    tx,
    name,
    held.map(({ alert }) => alert),
    now,
  )
  const { messages, leftOut, later } = pack(held, channel, past, now)
  for (const { id } of leftOut) {
    await tx.run(
      "update tellings set state = 'left-out' where channel = $1 and alert_id = $2",
      name,
      id,
    )
  }
  for (const { alert, isOver, notBefore } of later) {
    await tx.run(
      'update tellings set not_before = $1, is_over = $2 where channel = $3 and alert_id = $4',
      notBefore.toISOString(),
      isOver ? 1 : 0,
      name,
      alert.id,
    )
  }
  for (const { alerts, isSummary } of messages) {
    const letter = compose(channel, alerts, isSummary, await earlierOf(tx, name, alerts))
    await insertLetter(tx, letter)
    for (const { id } of alerts) {
      await tx.run(
        "update tellings set state = 'put', envelope_id = $1 where channel = $2 and alert_id = $3",
        letter.id,
        name,
        id,
      )
    }
  }
  if (messages.length > 0 && channel.kind === 'inbox') await emptyOld(tx, name)
  return messages.length
}

async function pastOf(
  tx: Queries,
  channel: string,
  alerts: readonly Alert[],
  now: Date,
): Promise<Past> {
  const threads = new Set<string>()
  for (const thread of threadsOf(alerts)) {
    const told = await tx.first(
      `select 1 as one from alerts a join tellings t on t.alert_id = a.id
       where a.thread = $1 and t.channel = $2 and t.state = 'put' limit 1`,
      thread,
      channel,
    )
    if (told) threads.add(thread)
  }
  const made = await tx.all(
    "select created_at from envelopes where channel = $1 and created_at > $2 and kind != 'test' order by created_at",
    channel,
    addSeconds(now, -3600).toISOString(),
  )
  return { threads, lastHour: made.map((row) => date(row, 'created_at')) }
}

/** What the channel was told of the same threads before, oldest first. */
async function earlierOf(
  tx: Queries,
  channel: string,
  alerts: readonly Alert[],
): Promise<EarlierLetter[]> {
  const found = new Map<number, EarlierLetter>()
  for (const thread of threadsOf(alerts)) {
    const rows = await tx.all(
      `select e.number, e.message_id, e.subject from alerts a join tellings t on t.alert_id = a.id
         join envelopes e on e.id = t.envelope_id where a.thread = $1 and t.channel = $2`,
      thread,
      channel,
    )
    for (const row of rows) {
      const earlier = { messageId: text(row, 'message_id'), subject: text(row, 'subject') }
      found.set(number(row, 'number'), earlier)
    }
  }
  return [...found].toSorted(([a], [b]) => a - b).map(([, earlier]) => earlier)
}

const threadsOf = (alerts: readonly Alert[]): Set<string> =>
  new Set(alerts.flatMap(({ thread }) => (thread === null ? [] : [thread])))

async function insertLetter(tx: Queries, letter: Letter): Promise<void> {
  await tx.run(
    `insert into envelopes (id, channel, number, kind, subject, body, html, headers, message_id, in_reply_to, refs, recipients,
       created_at, state, tried_from, attempts, next_at)
     values ($1, $2, (select coalesce(max(number), 0) + 1 from envelopes), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'waiting',
       $12, 0, $12)`,
    letter.id,
    letter.channel,
    letter.kind,
    letter.subject,
    letter.body,
    letter.html,
    JSON.stringify(letter.headers),
    letter.messageId,
    letter.inReplyTo,
    JSON.stringify(letter.references),
    JSON.stringify(letter.recipients),
    letter.createdAt.toISOString(),
  )
}

/** Of the messages of the inbox the newest keep their words. */
async function emptyOld(tx: Queries, channel: string): Promise<void> {
  await tx.run(
    `update envelopes set body = '', html = null where channel = $1 and body != '' and number <=
       (select number from envelopes where channel = $1 order by number desc limit 1 offset $2)`,
    channel,
    inboxSize,
  )
}
