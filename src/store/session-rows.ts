import type { ProviderName } from '../rotation/account.ts'
import type {
  NodeRestart,
  Outcome,
  Session,
  SessionNode,
  SessionState,
  TunnelState,
} from '../rotation/session.ts'
import {
  date,
  dateOrNull,
  number,
  numberOrNull,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'

export const toSession = (row: Row): Session => ({
  id: text(row, 'id'),
  runId: text(row, 'run_id'),
  generation: number(row, 'generation'),
  name: text(row, 'name'),
  account: text(row, 'account'),
  provider: text(row, 'provider') as ProviderName, // copied from the account's checked column
  serves: number(row, 'serves') === 1,
  sealed: number(row, 'sealed') === 1,
  state: text(row, 'state') as SessionState, // the column's check constraint
  outcome: textOrNull(row, 'outcome') as Outcome | null, // likewise
  reason: textOrNull(row, 'reason'),
  handle: textOrNull(row, 'handle'),
  plannedSeconds: number(row, 'planned_seconds'),
  heartbeatSeconds: number(row, 'heartbeat_seconds'),
  fromStep: number(row, 'from_step'),
  toStep: number(row, 'to_step'),
  lastCheckpointStep: numberOrNull(row, 'last_checkpoint_step'),
  createdAt: date(row, 'created_at'),
  launchedAt: dateOrNull(row, 'launched_at'),
  enrolledAt: dateOrNull(row, 'enrolled_at'),
  trainingAt: dateOrNull(row, 'training_at'),
  heardAt: dateOrNull(row, 'heard_at'),
  node: toNode(row),
  badBeatAt: dateOrNull(row, 'bad_beat_at'),
  restart: toRestart(row),
  restarts: number(row, 'restarts'),
  checkedAt: dateOrNull(row, 'checked_at'),
  expiresAt: dateOrNull(row, 'expires_at'),
  deadlineAt: dateOrNull(row, 'deadline_at'),
  endedAt: dateOrNull(row, 'ended_at'),
  usedSeconds: numberOrNull(row, 'used_seconds'),
  logTail: textOrNull(row, 'log_tail'),
})

function toNode(row: Row): SessionNode | null {
  const readyAt = dateOrNull(row, 'node_ready_at')
  if (!readyAt) return null
  const url = textOrNull(row, 'node_url')
  // Null of rows from before there was a relay.
  const reach = textOrNull(row, 'node_reach') ?? (url === null ? 'local' : 'url')
  return {
    readyAt,
    reach: reach as SessionNode['reach'], // the column's check constraint
    url,
    adapter: text(row, 'node_adapter'),
    tunnel: textOrNull(row, 'node_tunnel') as TunnelState | null, // as reach
  }
}

function toRestart(row: Row): NodeRestart | null {
  const askedAt = dateOrNull(row, 'restart_asked_at')
  return askedAt && { askedAt, begunAt: dateOrNull(row, 'restart_begun_at') }
}

export async function readSession(db: Queries, id: string): Promise<Session | undefined> {
  const row = await db.first('select * from sessions where id = $1', id)
  return row && toSession(row)
}

/** Those of a run that are open: a policy may have several. */
export const readOpenSessionsOf = async (db: Queries, runId: string): Promise<Session[]> =>
  (await db.all('select * from sessions where run_id = $1 and ended_at is null', runId)).map(
    toSession,
  )

export const readOpenSessions = async (db: Queries): Promise<Session[]> =>
  (await db.all('select * from sessions where ended_at is null order by created_at, id')).map(
    toSession,
  )

/** The sessions of a run, first to last. */
export const readSessionsOf = async (db: Queries, runId: string): Promise<Session[]> =>
  (await db.all('select * from sessions where run_id = $1 order by generation', runId)).map(
    toSession,
  )
