import type { Alert, AlertKind } from '../../src/alerts/alert.ts'
import type { Channel } from '../../src/alerts/channel.ts'
import type { ComposeOptions } from '../../src/alerts/compose.ts'
import { alertDesk, inboxSender, type Sender } from '../../src/control/alert-desk.ts'
import { addSeconds } from '../../src/lib/clock.ts'
import { mailSender } from '../../src/providers/smtp/mail-sender.ts'
import { smtpTarget } from '../../src/providers/smtp/smtp-url.ts'
import { insertAlert } from '../../src/store/alert-rows.ts'
import { channelRows } from '../../src/store/channel-rows.ts'
import { outboxRows } from '../../src/store/outbox-rows.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase, start } from '../store/fixture.ts'

export const compose: ComposeOptions = {
  voice: { language: 'en', zone: 'UTC' },
  host: 'vm.example',
  recipients: ['ops@example.com'],
}

export interface DeskOptions {
  /** Where mail goes; without one it is kept in the inbox. */
  readonly mailPort?: number
  readonly compose?: ComposeOptions
  /** In place of the real ways to send. */
  readonly senderFor?: (channel: Channel) => Sender
  readonly timeoutMs?: number
}

/** A desk over a real database, with a clock that is moved by hand. */
export async function openDesk(options: DeskOptions = {}) {
  const fresh = await freshDatabase()
  const clock = settableClock(start)
  const { db } = fresh
  const now = () => clock.now()
  const channels = channelRows(db, Buffer.alloc(32, 7), now)
  const outbox = outboxRows(db)
  const trouble: unknown[] = []
  if (options.mailPort === undefined && !options.senderFor)
    await channels.setOwn('inbox', 'kept here', 'inbox')
  else await channels.setOwn('mail', 'ops@example.com', 'first')
  const open = (owner: string) =>
    alertDesk({
      outbox,
      channels,
      senderFor: async (channel) => {
        if (options.senderFor) return options.senderFor(channel)
        if (channel.kind === 'inbox') return inboxSender
        return mailSender({
          target: smtpTarget(`smtp://127.0.0.1:${options.mailPort}`),
          from: 'rodizio@vm.example',
          timeoutMs: options.timeoutMs ?? 5000,
        })
      },
      compose: options.compose ?? compose,
      owner,
      now,
      trouble: (error) => trouble.push(error),
    })
  let desk = open('first')
  return {
    db,
    clock,
    channels,
    outbox,
    trouble,
    at: (seconds: number) => addSeconds(new Date(start), seconds),
    tell: (alert: Alert) => db.transaction((tx) => insertAlert(tx, alert)),
    /** Another process takes the place of the one before, of which nothing is left but the database. */
    async reopen(owner: string) {
      desk = open(owner)
      await desk.begin()
    },
    /** Looks a few times, as the beats do, and waits for what was begun. */
    async work() {
      for (let look = 0; look < 4; look += 1) {
        const { compose: toCompose, deliver } = await outbox.hasWork(now())
        if (!toCompose && !deliver) return
        if (toCompose) await desk.compose()
        await desk.deliver()
      }
    },
    desk: () => desk,
    letters: async () =>
      (await db.all('select * from envelopes order by number')).map((row) => ({
        kind: String(row.kind),
        channel: String(row.channel),
        state: String(row.state),
        subject: String(row.subject),
        said: row.said === null ? null : String(row.said),
        attempts: Number(row.attempts),
        messageId: String(row.message_id),
        id: String(row.id),
      })),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

export type OpenDesk = Awaited<ReturnType<typeof openDesk>>

/** An alert about a node, some seconds after the start. */
export const alertOf = (
  kind: AlertKind,
  about: string,
  second: number,
  more: Partial<Alert> = {},
): Alert => {
  const at = addSeconds(new Date(start), second)
  return {
    id: `${kind} ${about} ${second}`,
    kind,
    about,
    at,
    dueAt: at,
    thread: `incident ${about}`,
    facts: { words: 'the tunnel is gone', from: at.toISOString() },
    ...more,
  }
}

/** A mail's header by names in small letters, unfolded, and its body. */
export function readMail(raw: string) {
  const end = raw.indexOf('\r\n\r\n')
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (headers.has(name)) throw new Error(`the header ${name} is there twice`)
    headers.set(name, line.slice(colon + 1).trim())
  }
  return { headers, body: raw.slice(end + 4) }
}
