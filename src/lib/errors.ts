/** What went wrong, coarse enough to choose an exit status and an HTTP status from. */
export type ErrorKind =
  | 'invalid'
  | 'not-found'
  | 'not-allowed'
  | 'unauthorized'
  | 'conflict'
  | 'unavailable'
  | 'disk-full'
  | 'internal'

export interface ErrorDetails {
  /** A stable name for machines; the kind when left out. */
  readonly code?: string
  /** The next step, one line, for the person who reads the message. */
  readonly next?: string
  readonly cause?: unknown
  /** How long to wait before trying again, in seconds, where the other side said so. */
  readonly retryAfterSeconds?: number
}

/** The one error the product throws on purpose: what happened, what to do next, a code for machines. */
export class AppError extends Error {
  readonly kind: ErrorKind
  readonly code: string
  readonly next: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'AppError'
    this.kind = kind
    this.code = details.code ?? kind
    this.next = details.next
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}

/** The system's own error code (`ENOSPC`, `EADDRINUSE`, …), or undefined when there is none. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** One line about anything that was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
