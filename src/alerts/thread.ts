import { sha256Hex } from '../lib/random.ts'
import type { Alert } from './alert.ts'
import type { Envelope } from './envelope.ts'

/** An envelope's id: from its channel and its alerts alone, so that a second composer makes the same. */
export const envelopeId = (channel: string, alerts: readonly Alert[]): string =>
  sha256Hex([channel, ...alerts.map(({ id }) => id)].join('\n')).slice(0, 32)

/** The Message-ID of an envelope (RFC 5322, 3.6.4): the same at every attempt. */
export const messageId = ({ id }: Pick<Envelope, 'id'>, host: string): string =>
  `<${id}.rodizio@${host}>`

export interface ThreadHeaders {
  readonly messageId: string
  /** Null for the first message of its threads. */
  readonly inReplyTo: string | null
  readonly references: readonly string[]
}

/**
 * The headers that put a message into its threads.
 * @param earlier Message-IDs of those that told of the same threads on this channel, oldest first
 */
export function threadHeaders(
  envelope: Pick<Envelope, 'id'>,
  host: string,
  earlier: readonly string[],
): ThreadHeaders {
  const own = messageId(envelope, host)
  const references = [...new Set(earlier)].filter((id) => id !== own)
  return { messageId: own, inReplyTo: references.at(-1) ?? null, references }
}
