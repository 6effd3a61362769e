import type { Certificate } from '../certificate.ts'
import type { EmulatorOptions } from '../emulator.ts'

/** `port` of the options is that of its inbox and orders; mail is taken at another. */
export interface MailEmulatorOptions extends EmulatorOptions {
  /** Where mail is taken. 0 (the default): the port of the last time when it is free, else any free one. */
  readonly smtpPort?: number
  /** Passwords by name; anybody may send without a sign-in where it is left out. */
  readonly users?: Readonly<Record<string, string>>
  /** With one, STARTTLS is offered. */
  readonly certificate?: Certificate
  /** Called with each `POST /_emulator/claim`. */
  readonly onClaim?: () => void
}
