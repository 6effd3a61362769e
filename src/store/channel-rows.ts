import { type Channel, ownNames, usualRules } from '../alerts/channel.ts'
import type { ChannelCounts, ChannelRows, WebhookTarget } from '../alerts/outbox.ts'
import { AppError } from '../lib/errors.ts'
import { seal, unseal } from '../safekeeping/seal.ts'
import {
  type Database,
  date,
  number,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'

const toChannel = (row: Row): Channel => {
  const brokenAt = textOrNull(row, 'broken_at')
  const quiet = textOrNull(row, 'quiet')
  return {
    name: text(row, 'name'),
    kind: text(row, 'kind') as Channel['kind'], // the column's check constraint
    preset: textOrNull(row, 'preset') as Channel['preset'], // written by `add` alone
    shown: text(row, 'shown'),
    quiet: quiet === null ? null : (JSON.parse(quiet) as Channel['quiet']), // likewise
    perHour: number(row, 'per_hour'),
    digest: number(row, 'digest') === 1,
    broken:
      brokenAt === null
        ? null
        : { at: new Date(brokenAt), said: textOrNull(row, 'broken_said') ?? '' },
    createdAt: date(row, 'created_at'),
  }
}

export const readChannels = async (db: Queries): Promise<Channel[]> =>
  (await db.all('select * from channels order by created_at, name')).map(toChannel)

/** The channel may be used again, and what was refused with its sign-in is sent. */
export async function mendChannel(tx: Queries, name: string, now: Date): Promise<void> {
  await tx.run('update channels set broken_at = null, broken_said = null where name = $1', name)
  await tx.run(
    `update envelopes set state = 'waiting', is_sign_in = 0, attempts = 0, tried_from = $2, next_at = $2, ended_at = null
     where channel = $1 and state = 'refused' and is_sign_in = 1`,
    name,
    now.toISOString(),
  )
}

const purpose = (name: string): string => `alert channel ${name}`

/** Channels in the database, addresses and secrets of webhooks sealed with `key`; see `ChannelRows`. */
export function channelRows(db: Database, key: Uint8Array, now: () => Date): ChannelRows {
  const must = async (tx: Queries, name: string): Promise<Channel> => {
    const row = await tx.first('select * from channels where name = $1', name)
    if (row) return toChannel(row)
    throw new AppError('not-found', `there is no channel ${JSON.stringify(name)}`, {
      code: 'channel_unknown',
      next: 'All channels: rodizio alerts channels list',
    })
  }
  return {
    all: () => readChannels(db),
    async counts() {
      const rows = await db.all(
        `select channel, state, count(*) as found from envelopes where state != 'sent' group by channel, state`,
      )
      const counts = new Map<string, ChannelCounts>()
      for (const row of rows) {
        const before = counts.get(text(row, 'channel')) ?? { waiting: 0, refused: 0, parked: 0 }
        counts.set(text(row, 'channel'), { ...before, [text(row, 'state')]: number(row, 'found') })
      }
      return counts
    },
    add: (wanted) =>
      db.transaction(async (tx) => {
        const { name, preset, shown, quiet, perHour, digest } = wanted
        const target: WebhookTarget = { url: wanted.url, secret: wanted.secret }
        const added = await tx.run(
          `insert into channels (name, kind, preset, sealed, shown, quiet, per_hour, digest, created_at)
           values ($1, 'webhook', $2, $3, $4, $5, $6, $7, $8) on conflict (name) do nothing`,
          name,
          preset,
          seal(key, purpose(name), JSON.stringify(target)),
          shown,
          quiet && JSON.stringify(quiet),
          perHour,
          digest ? 1 : 0,
          now().toISOString(),
        )
        if (added > 0) return must(tx, name)
        throw new AppError('conflict', `there is a channel ${JSON.stringify(name)} already`, {
          code: 'channel_taken',
          next: `Choose another name, or remove it first: rodizio alerts channels rm ${name}`,
        })
      }),
    change: (name, rules) =>
      db.transaction(async (tx) => {
        const { quiet, perHour, digest } = { ...(await must(tx, name)), ...rules }
        await tx.run(
          'update channels set quiet = $1, per_hour = $2, digest = $3 where name = $4',
          quiet && JSON.stringify(quiet),
          perHour,
          digest ? 1 : 0,
          name,
        )
        // What is held is looked at again by the new rules.
        await tx.run(
          "update tellings set not_before = $1 where channel = $2 and state = 'held'",
          now().toISOString(),
          name,
        )
        return must(tx, name)
      }),
    remove: (name) =>
      db.transaction(async (tx) => {
        const channel = await must(tx, name)
        if (channel.kind !== 'webhook') {
          throw new AppError('invalid', `the channel ${name} comes from the settings`, {
            code: 'channel_of_settings',
            next: 'Change RODIZIO_SMTP_URL, and start the service again',
          })
        }
        await take(tx, name, now())
        return channel
      }),
    async target(name) {
      const row = await db.first('select sealed from channels where name = $1', name)
      const sealed = row && textOrNull(row, 'sealed')
      // What `add` has sealed.
      return sealed ? (JSON.parse(unseal(key, purpose(name), sealed)) as WebhookTarget) : undefined
    },
    setOwn: (kind, shown, mark) =>
      db.transaction(async (tx) => {
        const other = kind === 'mail' ? ownNames.inbox : ownNames.mail
        const before = await tx.first('select settings from channels where name = $1', kind)
        if (before && text(before, 'settings') === mark) return
        if (await tx.first('select 1 as one from channels where name = $1', other))
          await take(tx, other, now())
        await tx.run(
          `insert into channels (name, kind, shown, settings, per_hour, digest, created_at) values ($1, $1, $2, $3, $4, 1, $5)
           on conflict (name) do update set shown = excluded.shown, settings = excluded.settings`,
          kind,
          shown,
          mark,
          usualRules.perHour,
          now().toISOString(),
        )
        await mendChannel(tx, kind, now())
      }),
    mend: (name, at) => db.transaction((tx) => mendChannel(tx, name, at)),
  }
}

/** Takes a channel away; what it had not sent stays on record. */
async function take(tx: Queries, name: string, at: Date): Promise<void> {
  await tx.run(
    `update envelopes set state = 'parked', said = 'the channel was removed', ended_at = $2
     where channel = $1 and state = 'waiting'`,
    name,
    at.toISOString(),
  )
  await tx.run("update tellings set state = 'left-out' where channel = $1 and state = 'held'", name)
  await tx.run('delete from channels where name = $1', name)
}
