/** What people are written to about. */
export type AlertKind =
  | 'node-down'
  | 'node-unstable'
  | 'node-recovered'
  | 'node-limited'
  | 'certificate-ending'
  | 'own-network'
  | 'action-needed'
  | 'session-lost'
  | 'run-finished'
  | 'run-failed'
  | 'run-stalled'
  | 'adapter-promoted'
  | 'adapter-rejected'
  | 'budget-low'
  | 'budget-spent'
  | 'budget-reset'
  | 'quota-low'
  | 'checkpoint-damaged'
  | 'store-nearly-full'
  | 'backup-failed'
  | 'backup-recovered'
  | 'service-restored'
  | 'digest'

/** A message about an event; stored in the transaction of its cause. */
export interface Alert {
  readonly id: string
  readonly kind: AlertKind
  /** What it is about: a node's, a run's or an account's name. Untrusted where it is shown. */
  readonly about: string
  readonly at: Date
  /** It is told no earlier, and not at all when it is withdrawn before. */
  readonly dueAt: Date
  /** What belongs together, such as an incident; alerts of one thread answer each other. */
  readonly thread: string | null
  readonly facts: Readonly<Record<string, string | number | null>>
}
