import type { Alert, AlertKind } from '../alert.ts'

export type Language = 'en' | 'pt'

/** One alert in words: a headline that begins with what it is about, then what else there is to know. Nothing is escaped yet. */
export interface Told {
  readonly headline: string
  readonly lines: readonly string[]
  readonly link?: { readonly label: string; readonly url: string }
}

/** How a language shows what is not words. */
export interface Shown {
  /** A moment, in the operator's zone and in UTC. */
  readonly time: (iso: string) => string
  /** Seconds, as people say them. */
  readonly duration: (seconds: number) => string
  readonly number: (value: number, digits?: number) => string
}

/** All that is said in one language. */
export interface Phrases {
  readonly tell: (alert: Alert, shown: Shown) => Told
  /** The headline of several alerts of one kind: `names` is a list that was cut to what a line bears. */
  readonly many: (kind: AlertKind, count: number, names: string) => string
  /** The headline of the nodes of a tunnel account that have all fallen together. */
  readonly account: (account: string, count: number, names: string) => string
  /** The headline of an hour that had too many. */
  readonly summary: (count: number) => string
  readonly andMore: (count: number) => string
  readonly footer: string
  readonly test: Told
  readonly units: {
    readonly day: string
    readonly hour: string
    readonly minute: string
    readonly second: string
  }
  readonly locale: string
}

/** A fact as text; empty where there is none. */
export const word = ({ facts }: Alert, name: string): string => {
  const value = facts[name]
  return value === null || value === undefined ? '' : String(value)
}

/** A fact as a number; null where there is none. */
export const figure = ({ facts }: Alert, name: string): number | null => {
  const value = facts[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** The lines that have something to say. */
export const lines = (...all: readonly (string | false | null | undefined)[]): string[] =>
  all.filter((line): line is string => typeof line === 'string' && line !== '')
