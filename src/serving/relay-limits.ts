/** What one request may take. Bytes and counts. */
export const relayLimits = {
  requestBytes: 1024 * 1024,
  answerBytes: 32 * 1024 * 1024,
  /** Status and headers of an answer, which come as its first line. */
  headBytes: 16 * 1024,
  /** Callers' requests that one node has in hand. */
  inFlight: 32,
  /** Callers' requests of one policy that wait for its node. */
  queue: 64,
  /** Bodies that wait, of all policies together. */
  queuedBytes: 16 * 1024 * 1024,
  /** Requests that one poll takes with it, and their bodies together where it is more than one. */
  most: 8,
  takenBytes: 2 * 1024 * 1024,
} as const

export interface RelayTimes {
  /** The longest wait of a poll. */
  readonly pollMs: number
  /** Between its polls a node is taken for there for so long. */
  readonly aliveMs: number
  /** A request that was handed out is handed out again when no answer is begun in this time: that poll was lost. */
  readonly claimMs: number
  /** A node that has not begun to answer in this time is not waited for any longer. */
  readonly beginMs: number
}

export const relayTimes: RelayTimes = {
  pollMs: 25_000,
  aliveMs: 10_000,
  claimMs: 10_000,
  beginMs: 120_000,
}
