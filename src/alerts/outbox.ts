import type { Alert } from './alert.ts'
import type { Channel, ChannelRules, EnvelopeKind } from './channel.ts'
import type { Attempt, Delivery, DeliveryState } from './delivery.ts'

/** A message as it was put together: whoever sends it sends this. */
export interface Letter {
  readonly id: string
  readonly channel: string
  readonly kind: EnvelopeKind
  readonly subject: string
  /** Plain text of a mail, or the body of a webhook's call. */
  readonly body: string
  /** Of a mail alone. */
  readonly html: string | null
  /** Of a webhook's call: those that belong to the message. */
  readonly headers: Readonly<Record<string, string>>
  readonly messageId: string
  readonly inReplyTo: string | null
  readonly references: readonly string[]
  /** Of a mail: who has not got it yet. */
  readonly recipients: readonly string[]
  readonly createdAt: Date
}

/** A message in the outbox, with how it has fared. */
export interface StoredLetter extends Letter {
  readonly delivery: Delivery
}

/** A message of which an earlier one of the same thread is known. */
export interface EarlierLetter {
  readonly messageId: string
  readonly subject: string
}

/** Puts alerts into words for a channel. */
export type Compose = (
  channel: Channel,
  alerts: readonly Alert[],
  isSummary: boolean,
  earlier: readonly EarlierLetter[],
) => Letter

/** The outbox as the beats use it. Every call is one transaction. */
export interface OutboxRows {
  /** Whether there is anything to compose, and channels that have something to send now. One look, cheap when there is nothing. */
  hasWork(now: Date): Promise<{ readonly compose: boolean; readonly deliver: boolean }>
  /** Deals alerts that are due to every channel and puts what each may tell now into messages; the number of messages. */
  compose(now: Date, compose: Compose): Promise<number>
  /** Channels whose first message waits for no later time; messages of broken ones that waited for a day are parked. */
  dueChannels(now: Date): Promise<readonly Channel[]>
  /** The first message of a channel when it is due, claimed for `owner`; undefined when there is none, or another has it. */
  claimHead(channel: string, owner: string, now: Date): Promise<StoredLetter | undefined>
  /** What came of an attempt. One that was refused at the sign-in breaks the channel. */
  record(letter: StoredLetter, after: Delivery, attempt: Attempt, now: Date): Promise<void>
  /** Claims of processes that are gone. */
  releaseClaims(owner: string): Promise<void>
  /** Keeps a message that was sent without waiting. */
  keepSent(letter: Letter, said: string): Promise<void>
  /** @throws AppError `not-found` (`delivery_unknown`), `conflict` (`delivery_sent`) */
  retry(id: string, now: Date): Promise<void>
  /** All that was refused or parked within a week, of one channel or of all; broken channels are mended. The number of messages. */
  retryAll(channel: string | undefined, now: Date): Promise<number>
}

/** A channel as somebody wants it: what is secret is sealed before it is stored. */
export interface WantedChannel extends ChannelRules {
  readonly name: string
  readonly preset: Channel['preset']
  readonly url: string
  readonly secret: string | null
  readonly shown: string
}

export interface WebhookTarget {
  readonly url: string
  readonly secret: string | null
}

export interface ChannelCounts {
  readonly waiting: number
  readonly refused: number
  readonly parked: number
}

export interface ChannelRows {
  all(): Promise<readonly Channel[]>
  counts(): Promise<ReadonlyMap<string, ChannelCounts>>
  /** @throws AppError `conflict` (`channel_taken`) */
  add(channel: WantedChannel): Promise<Channel>
  /** @throws AppError `not-found` (`channel_unknown`) */
  change(name: string, rules: Partial<ChannelRules>): Promise<Channel>
  /** What it still held is told nowhere. @throws AppError `not-found`, `invalid` (`channel_of_settings`) */
  remove(name: string): Promise<Channel>
  target(name: string): Promise<WebhookTarget | undefined>
  /** Puts the channel of the settings there, in place of the other one; with other settings than before it is mended. */
  setOwn(kind: 'mail' | 'inbox', shown: string, mark: string): Promise<void>
  mend(name: string, now: Date): Promise<void>
}

/** How a message to one channel fares, as people see it. */
export interface DeliveryView {
  readonly id: string
  readonly channel: string
  readonly kind: EnvelopeKind
  readonly subject: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly createdAt: Date
  /** Null once it is over. */
  readonly nextAt: Date | null
  readonly endedAt: Date | null
  readonly said: string | null
  readonly messageId: string
}
