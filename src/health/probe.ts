/** What one look at a node brought, before anybody has said what it means. Times in milliseconds from the start of the look. */
export type Seen =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** In small letters, those that tell causes apart; see `toldHeaders`. */
      readonly headers: Readonly<Record<string, string>>
      /** The body's text, as far as the cap goes. */
      readonly body: string
      /** Whether the body was longer than the cap. */
      readonly isCut: boolean
      readonly ms: number
      /** When the certificate of the last hop ends; null without TLS. */
      readonly certificateEndsAt: Date | null
    }
  | {
      readonly kind: 'failed'
      readonly at: FailedAt
      /** In our words, without what the other side sent. */
      readonly why: string
      readonly ms: number
    }

/**
 * How far it came: the name was not found, nobody took the connection, TLS was not agreed on, no whole answer came in time, the
 * connection broke, it led to an address that is not asked, or from one address to the next without end.
 */
export type FailedAt = 'dns' | 'connect' | 'tls' | 'timeout' | 'cut' | 'refused' | 'redirects'

/** Headers by which tunnels tell what is wrong, and those that say what a body is. */
export const toldHeaders = ['ngrok-error-code', 'content-type', 'server', 'retry-after'] as const
