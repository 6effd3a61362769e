import type { EmulatorOptions } from '../emulator.ts'

/** `port` of the options is that of the orders; it is looked at elsewhere. */
export interface FlakyEmulatorOptions extends EmulatorOptions {
  /** Where HTTP is looked at. 0 (the default): the port of the last time when it is free, else any free one. */
  readonly targetPort?: number
  /** The name in its certificate. */
  readonly name?: string
  /** The run whose adapter it says to serve. */
  readonly run?: string
  /** Called with each `POST /_emulator/claim`. */
  readonly onClaim?: () => void
}
