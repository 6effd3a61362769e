import type { EmulatorOptions } from '../emulator.ts'

/** What a free account grants (ngrok.com/docs/pricing-limits/free-plan-limits, read 2026-11). */
export interface TunnelSettings {
  /** Requests of an account in a calendar month (UTC); the next one is answered with 727. */
  readonly monthlyRequests: number
  /** In any sixty seconds; the next one is answered with 734. */
  readonly requestsPerMinute: number
  /** Agents of an account that may be there at once; the next one is refused with 108. */
  readonly agents: number
}

export interface TunnelEmulatorOptions extends Partial<TunnelSettings>, EmulatorOptions {
  /** Called with each `POST /_emulator/claim`. */
  readonly onClaim?: () => void
}

export const defaultSettings: TunnelSettings = {
  monthlyRequests: 20_000,
  requestsPerMinute: 4000,
  agents: 3,
}
