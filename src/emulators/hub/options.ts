import type { EmulatorOptions } from '../emulator.ts'

/** A model repository of one commit; its files are those of a folder. */
export interface HubRepository {
  /** `owner/name` */
  readonly id: string
  readonly folder: string
  /** Forty hex digits; made from the files when left out. */
  readonly revision?: string
  /** Whether its files are given out only to those who accepted its licence. */
  readonly isGated?: boolean
}

/** Somebody with a token. */
export interface HubUser {
  readonly name: string
  /** Repositories whose licence is accepted. */
  readonly accepted: readonly string[]
  /** What the token may do; `read` when left out. */
  readonly role?: 'read' | 'write' | 'fineGrained'
  /** Of a fine-grained token: the repositories to which it may write, and namespaces as `name/*`, where it may make them too. */
  readonly writes?: readonly string[]
}

/** What the emulated hub holds and how it behaves. */
export interface HubSettings {
  readonly repositories: readonly HubRepository[]
  /**
   * By token. When left out any token that begins with `hf_` is a writing one of somebody's who has accepted everything and
   * whose every namespace is.
   */
  readonly users?: Readonly<Record<string, HubUser>>
  /** A file of so many bytes and more is stored apart and given out by a redirect to a signed address. */
  readonly largeBytes: number
  /** A large file of more bytes is sent in parts of so many each. */
  readonly partBytes: number
  /** How long a signed address is good, in virtual seconds. */
  readonly signedSeconds: number
  /** Files on one page of a listing. */
  readonly pageFiles: number
  /** Calls in a window of five minutes: huggingface.co/docs/hub/rate-limits, a free user's (read 2026-09). */
  readonly apiCalls: number
  readonly resolverCalls: number
  /** Commits of one repository in an hour. */
  readonly hourlyCommits: number
  /** What all private repositories may hold. */
  readonly privateBytes: number
  /** Added before every answer. */
  readonly latencyMs: number
  /** Speed of each connection; unlimited when left out. */
  readonly bytesPerSecond?: number
}

export interface HubEmulatorOptions
  extends Partial<Omit<HubSettings, 'repositories'>>,
    Pick<HubSettings, 'repositories'>,
    EmulatorOptions {
  /** Called with each `POST /_emulator/claim`. */
  readonly onClaim?: () => void
}

export const defaultSettings: Omit<HubSettings, 'repositories'> = {
  largeBytes: 10_000_000,
  partBytes: 5_000_000_000,
  signedSeconds: 3600,
  pageFiles: 1000,
  apiCalls: 1000,
  resolverCalls: 5000,
  hourlyCommits: 128,
  privateBytes: 100_000_000_000,
  latencyMs: 0,
}
