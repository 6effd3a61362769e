/** Something that happened to a run or an account, as the log, the API and `train show` tell it. */
export type EventKind =
  | 'run.started'
  | 'run.waiting'
  | 'run.stop_asked'
  | 'run.stopped'
  | 'run.priority_set'
  | 'run.rows_halved'
  | 'run.completed'
  | 'run.failed'
  | 'session.planned'
  | 'session.launched'
  | 'session.awaiting_person'
  | 'session.reminder'
  | 'session.enrolled'
  | 'session.taken_over'
  | 'session.training'
  | 'node.ready'
  | 'node.moved'
  | 'node.restart_asked'
  | 'node.restarted'
  | 'session.ended'
  | 'checkpoint.committed'
  | 'checkpoint.pruned'
  | 'checkpoint.damaged'
  | 'artifact.committed'
  | 'adapter.promoted'
  | 'adapter.rejected'
  | 'adapter.rolled_back'
  | 'account.added'
  | 'account.held'
  | 'account.adjusted'
  | 'account.removed'
  | 'account.serving_accepted'
  | 'account.serving_revoked'
  | 'run.removed'
  | 'policy.added'
  | 'policy.waiting'
  | 'policy.changed'
  | 'policy.stop_asked'
  | 'policy.stopped'
  | 'policy.removed'
  | 'data.removed'
  | 'store.cleaned'
  | 'standing.opened'
  | 'standing.waiting'
  | 'standing.stopped'
  | 'standing.removed'
  | 'zombie.fenced'
  | 'google.signed_in'
  | 'google.signed_out'
  | 'hub.signed_in'
  | 'hub.signed_out'
  | 'service.restored'

export interface RotationEvent {
  /** Dense and growing. */
  readonly id: number
  readonly at: Date
  readonly kind: EventKind
  readonly runId: string | null
  readonly sessionId: string | null
  readonly data: Readonly<Record<string, unknown>>
}
