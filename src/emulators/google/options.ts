import type { EmulatorOptions } from '../emulator.ts'

/** What the emulated Google grants and how it behaves. */
export interface GoogleSettings {
  /** Room of each account in bytes, the bin included; null for an account without a limit. */
  readonly quotaBytes: number | null
  /** What mail and photographs of the same account take of it, in bytes. */
  readonly otherUsageBytes: number
  /** How long an access token is good, in virtual seconds. */
  readonly accessTokenSeconds: number
  /** How long an unfinished upload can be gone on with, in virtual seconds. */
  readonly uploadSeconds: number
  /** A device login is approved by nobody in particular after so many virtual seconds; never, when left out. */
  readonly approveAfterSeconds?: number
  /** New files are left out of listings for so long, as the live service sometimes does. */
  readonly listLagSeconds: number
  /** The account of whoever approves without saying who. */
  readonly user: string
  /** Secrets by client id. When left out any client may come, and the first secret that it shows is its own. */
  readonly clients?: Readonly<Record<string, string>>
  /** Added before every answer. */
  readonly latencyMs: number
  /** Speed of each connection, both ways; unlimited when left out. */
  readonly bytesPerSecond?: number
}

export interface GoogleEmulatorOptions extends Partial<GoogleSettings>, EmulatorOptions {
  /** Called with each `POST /_emulator/claim`. */
  readonly onClaim?: () => void
}

export const defaultSettings: GoogleSettings = {
  quotaBytes: 15 * 1024 ** 3,
  otherUsageBytes: 0,
  accessTokenSeconds: 3599,
  uploadSeconds: 7 * 24 * 3600,
  listLagSeconds: 0,
  user: 'ana@example.com',
  latencyMs: 0,
}
