import type { Alert } from './alert.ts'
import type { Channel, EnvelopeKind } from './channel.ts'
import type { EarlierLetter, Letter } from './outbox.ts'
import { type Message, messageOfAlerts, type Voice } from './texts/message.ts'
import { envelopeId, threadHeaders } from './thread.ts'
import { webhookBody } from './webhook-body.ts'

export interface ComposeOptions {
  readonly voice: Voice
  /** Stands in Message-IDs after the @. */
  readonly host: string
  /** Of mail. */
  readonly recipients: readonly string[]
}

/** A message of some alerts to one channel; made again from the same it is the same. */
export function composeLetter(
  channel: Channel,
  alerts: readonly Alert[],
  isSummary: boolean,
  earlier: readonly EarlierLetter[],
  now: Date,
  options: ComposeOptions,
): Letter {
  const message = messageOfAlerts(alerts, isSummary, options.voice)
  const id = envelopeId(channel.name, alerts)
  const kind = isSummary ? 'summary' : (alerts[0]?.kind ?? 'summary')
  const subject = subjectIn(message.subject, earlier)
  return letterOf(
    { id, channel, kind, message: { ...message, subject }, alerts, earlier, now },
    options,
  )
}

interface Parts {
  readonly id: string
  readonly channel: Pick<Channel, 'name' | 'kind' | 'preset'>
  readonly kind: EnvelopeKind
  readonly message: Message
  readonly alerts: readonly Alert[]
  readonly earlier: readonly EarlierLetter[]
  readonly now: Date
}

/** A message in the form of its channel. */
export function letterOf(parts: Parts, { host, recipients }: ComposeOptions): Letter {
  const { id, channel, kind, message, alerts, earlier, now } = parts
  const isWebhook = channel.kind === 'webhook'
  const sent = { ...message, id, kind, alerts, at: now }
  const call = isWebhook ? webhookBody(channel.preset ?? 'generic', sent) : null
  const ids = earlier.map(({ messageId }) => messageId)
  return {
    ...threadHeaders({ id }, host, ids),
    id,
    channel: channel.name,
    kind,
    subject: message.subject,
    body: call?.body ?? message.text,
    html: isWebhook ? null : message.html,
    headers: call?.headers ?? {},
    recipients: channel.kind === 'mail' ? recipients : [],
    createdAt: now,
  }
}

/** Mail programs that thread by subject want the one that is answered; of several there is none. */
function subjectIn(own: string, earlier: readonly EarlierLetter[]): string {
  const answered = new Set(earlier.map(({ subject }) => subject.replace(/^Re: /, '')))
  const [only] = answered
  return answered.size === 1 && only !== undefined ? `Re: ${only}` : own
}
