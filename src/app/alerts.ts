import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Channel } from '../alerts/channel.ts'
import { minuteOf } from '../alerts/quiet-hours.ts'
import type { Config } from '../config/schema.ts'
import { type AlertDesk, alertDesk, inboxSender, type Sender } from '../control/alert-desk.ts'
import {
  type AlertWatch,
  alertWatch,
  type Room,
  type WeekOfAccount,
} from '../control/alert-watch.ts'
import { type ChannelDesk, channelDesk } from '../control/channel-desk.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { newId, sha256Hex } from '../lib/random.ts'
import { addressGuard, hostOf } from '../providers/probe/address-guard.ts'
import { mailSender } from '../providers/smtp/mail-sender.ts'
import { shownTarget, smtpTarget } from '../providers/smtp/smtp-url.ts'
import { guardedCall } from '../providers/webhook/post.ts'
import { webhookSender } from '../providers/webhook/webhook-sender.ts'
import { plannableSeconds, totals } from '../rotation/ledger.ts'
import { weekOf } from '../rotation/week.ts'
import type { Storage } from './storage.ts'

export interface AlertOptions {
  readonly config: Config
  readonly clock: Clock
  readonly trouble: (error: unknown) => void
}

export interface Alerts {
  readonly desk: AlertDesk
  readonly channels: ChannelDesk
  readonly watch: AlertWatch
  /** Tells a service elsewhere that this one lives; undefined where none is set. */
  readonly heartbeat: (() => Promise<void>) | undefined
  /** Where mail goes; null where it is kept in the inbox. */
  readonly mailTo: string | null
  /** Puts the channel of the settings there and takes up what a process before this one left. */
  readonly begin: () => Promise<void>
}

/** How long a mail server or a webhook gets for each step. */
const timeoutMs = 20_000

/** @throws AppError `invalid` for settings of mail that do not go together */
export function openAlerts(storage: Storage, { config, clock, trouble }: AlertOptions): Alerts {
  const now = () => clock.now()
  const { channelRows: channels, outbox, alertReads } = storage
  const mail = mailSettings(config)
  const guard = addressGuard(config.RODIZIO_ALLOW_PRIVATE)
  const call = guardedCall({ guard, timeoutMs })

  async function senderFor(channel: Channel): Promise<Sender> {
    if (channel.kind === 'inbox') return inboxSender
    if (channel.kind === 'mail' && mail) {
      const ca = mail.caFile === undefined ? {} : { ca: readFileSync(mail.caFile, 'utf8') }
      return mailSender({ target: mail.target, from: mail.from, timeoutMs, ...ca })
    }
    const target = await channels.target(channel.name)
    if (target) return webhookSender({ preset: channel.preset ?? 'generic', target, call, now })
    throw new AppError('internal', `the channel ${channel.name} leads nowhere`)
  }

  const desk = alertDesk({
    outbox,
    channels,
    senderFor,
    compose: {
      voice: { language: config.RODIZIO_LANGUAGE, zone: config.RODIZIO_ZONE },
      host: mail?.from.match(/@([^\s<>@]+)>?$/)?.[1] ?? 'rodizio.invalid',
      recipients: config.RODIZIO_MAIL_TO,
    },
    owner: newId('proc'),
    now,
    trouble,
  })
  const minute = config.RODIZIO_DIGEST === 'off' ? undefined : minuteOf(config.RODIZIO_DIGEST)
  const watch = alertWatch({
    weeks: () => weeksOf(storage, now()),
    rooms: async () => [await roomOf(storage.folder.root)],
    digestSince: alertReads.digestSince,
    wasThere: alertReads.wasThere,
    isKnown: alertReads.isKnown,
    tell: storage.tellAlert,
    digest: minute === undefined ? null : { minute, zone: config.RODIZIO_ZONE },
    now,
  })
  return {
    desk,
    channels: channelDesk({ rows: channels, admit: (url) => void guard.admit(url) }),
    watch,
    heartbeat: heartbeatTo(config.RODIZIO_HEARTBEAT_URL, timeoutMs),
    mailTo: mail ? config.RODIZIO_MAIL_TO.join(', ') : null,
    async begin() {
      await desk.begin()
      if (mail) await channels.setOwn('mail', mail.shown, mail.mark)
      else await channels.setOwn('inbox', 'kept here: rodizio alerts inbox', 'inbox')
    },
  }
}

/** What mail needs, from the settings; undefined where no server is set. */
function mailSettings(config: Config) {
  const { RODIZIO_SMTP_URL: url, RODIZIO_MAIL_TO: to, RODIZIO_SMTP_CA: caFile } = config
  if (url === undefined) return undefined
  const target = smtpTarget(url)
  if (to.length === 0) {
    throw new AppError('invalid', 'RODIZIO_SMTP_URL is set, and RODIZIO_MAIL_TO names nobody', {
      code: 'mail_to',
      next: 'Set RODIZIO_MAIL_TO to who gets alerts, such as ana@example.com',
    })
  }
  const unlike = to.find((address) => !isAddress(address))
  if (unlike !== undefined) throw noAddress('RODIZIO_MAIL_TO', unlike)
  const from = config.RODIZIO_MAIL_FROM ?? target.user ?? ''
  if (!isAddress(from.match(/<([^<>]*)>$/)?.[1] ?? from)) throw noAddress('RODIZIO_MAIL_FROM', from)
  if (caFile !== undefined) mustBeReadable(caFile)
  return {
    target,
    from,
    caFile,
    shown: `${to.join(', ')} by ${shownTarget(target)}`,
    mark: sha256Hex(JSON.stringify([url, from, to, caFile ?? null])),
  }
}

const isAddress = (text: string): boolean => /^[^\s<>@,;"]+@[^\s<>@,;"]+$/.test(text)

const noAddress = (name: string, value: string): AppError =>
  new AppError('invalid', `${name}: ${JSON.stringify(value)} is no mail address`, {
    code: 'mail_address',
    next: `Set ${name}, for example to ana@example.com`,
  })

function mustBeReadable(file: string): void {
  try {
    readFileSync(file)
  } catch (cause) {
    throw new AppError('invalid', `RODIZIO_SMTP_CA: ${file} cannot be read: ${messageOf(cause)}`, {
      code: 'smtp_ca',
      next: 'Name a file of PEM certificates, or leave the setting out',
      cause,
    })
  }
}

/** Asks the address once; what it answers is its own business, no answer is trouble. The setting may name any host. */
function heartbeatTo(url: string | undefined, patienceMs: number) {
  if (url === undefined) return undefined
  const host = hostOf(new URL(url))
  const call = guardedCall({
    guard: addressGuard([host, '0.0.0.0/0', '::/0']),
    timeoutMs: patienceMs,
  })
  return async () => {
    const answer = await call(url, { method: 'GET', headers: {} })
    if ('failed' in answer || answer.status >= 400) {
      const why = 'failed' in answer ? answer.failed : `${answer.status} ${answer.words}`
      throw new AppError('unavailable', `RODIZIO_HEARTBEAT_URL was not told that we live: ${why}`, {
        code: 'heartbeat',
      })
    }
  }
}

async function weeksOf({ look }: Storage, now: Date): Promise<WeekOfAccount[]> {
  const weeks: WeekOfAccount[] = []
  for (const account of await look.accounts()) {
    const week = weekOf(account.reset, now)
    const rows = await look.ledger(account.name, week.start)
    const { settledSeconds, adjustedSeconds } = totals(rows, week.start)
    weeks.push({
      account,
      week,
      plannableSeconds: plannableSeconds(account),
      usedSeconds: settledSeconds - adjustedSeconds,
    })
  }
  return weeks
}

async function roomOf(folder: string): Promise<Room> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return {
    store: 'the disk of the data folder',
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
  }
}
