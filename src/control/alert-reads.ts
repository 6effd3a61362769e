import type { Alert, AlertKind } from '../alerts/alert.ts'
import type { Digest } from '../alerts/digest.ts'
import type { DeliveryView } from '../alerts/outbox.ts'
import type { Part } from './reads.ts'

/** Waiting for its message; dealt to the channels; overtaken before it was due; on record alone. */
export const alertStates = ['waiting', 'told', 'withdrawn', 'silenced'] as const
export type AlertState = (typeof alertStates)[number]

export interface AlertView extends Alert {
  readonly state: AlertState
  readonly deliveries: readonly DeliveryView[]
}

/** A message as the inbox shows it; its words are empty once newer ones have taken their place. */
export interface InboxMail {
  readonly id: string
  readonly at: Date
  readonly subject: string
  readonly text: string
  readonly html: string | null
  readonly messageId: string
  readonly inReplyTo: string | null
}

export interface AlertFilter {
  readonly kind?: AlertKind | undefined
  /** Of the alert; or of a delivery of it. */
  readonly state?: AlertState | DeliveryView['state'] | undefined
}

/** Alerts and their deliveries, as people ask for them. */
export interface AlertReads {
  /** Newest first. */
  alerts(filter: AlertFilter, limit: number, cursor: string | undefined): Promise<Part<AlertView>>
  alert(id: string): Promise<AlertView | undefined>
  delivery(id: string): Promise<DeliveryView | undefined>
  /** Newest first. */
  inbox(limit: number): Promise<readonly InboxMail[]>
  digestSince(since: Date, until: Date): Promise<Digest>
  isKnown(alertId: string): Promise<boolean>
  /** Whether anything happened here before that moment. */
  wasThere(before: Date): Promise<boolean>
}
