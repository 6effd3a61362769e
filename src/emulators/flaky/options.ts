import type { EmulatorOptions } from '../emulator.ts'

/** `port` of the options is that of the orders; it is looked at elsewhere. */
export interface FlakyEmulatorOptions extends EmulatorOptions {
  /** The name in its certificate. */
  readonly name?: string
  /** The run whose adapter it says to serve. */
  readonly run?: string
  /** Called with each `POST /_emulator/claim`. */
  readonly onClaim?: () => void
}
