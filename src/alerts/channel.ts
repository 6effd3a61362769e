import type { AlertKind } from './alert.ts'
import type { QuietHours } from './quiet-hours.ts'

/** By mail, kept in the database and shown, or by a call to somebody's address. */
export type ChannelKind = 'mail' | 'inbox' | 'webhook'

/** Whose form the bodies of a webhook have; `generic` is our own, signed. */
export const presets = ['generic', 'discord', 'slack', 'telegram', 'ntfy'] as const
export type Preset = (typeof presets)[number]

/** When a channel may be used, and how often. */
export interface ChannelRules {
  readonly quiet: QuietHours | null
  /** So many messages an hour at most; what is more goes into one summary. */
  readonly perHour: number
  /** Whether the daily digest goes there. */
  readonly digest: boolean
}

export const usualRules: ChannelRules = { quiet: null, perHour: 20, digest: true }

export interface Channel extends ChannelRules {
  readonly name: string
  readonly kind: ChannelKind
  /** Of a webhook alone. */
  readonly preset: Preset | null
  /** Where it goes, without what is secret. */
  readonly shown: string
  /** Nothing is tried while it is: its sign-in was refused, in these words. */
  readonly broken: { readonly at: Date; readonly said: string } | null
  readonly createdAt: Date
}

/** Names that the settings give to channels of their own. */
export const ownNames = { mail: 'mail', inbox: 'inbox' } as const

/** What a message is about: a kind of alert, an hour that had too many, or a trial. */
export type EnvelopeKind = AlertKind | 'summary' | 'test'
