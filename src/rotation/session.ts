import { secondsBetween } from '../lib/clock.ts'
import type { ProviderName } from './account.ts'

export type SessionState =
  | 'planned'
  | 'launching'
  | 'awaiting_person'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'ended'

export type Outcome =
  | 'finished'
  | 'budget'
  | 'limit'
  | 'preempted'
  | 'lost'
  | 'failed'
  | 'cancelled'
  | 'superseded'
  | 'expired'

/** The model that a session has put up, as its newest heartbeat tells of it. */
export interface SessionNode {
  /** Since when it has been ready without a break. */
  readonly readyAt: Date
  /** By its own address, through this service, which the session calls, or from its own machine. */
  readonly reach: 'url' | 'relay' | 'local'
  /** Its own address, null without one. The session's word, not looked at here. */
  readonly url: string | null
  /** SHA-256 of the manifest of the adapter that answers. */
  readonly adapter: string
  /** Whether the tunnel's own program holds it open; null where none is used, or nothing is told of it. */
  readonly tunnel: TunnelState | null
}

export type TunnelState = 'up' | 'down'

/** The server of a node, started anew without an end of its session. */
export interface NodeRestart {
  readonly askedAt: Date
  /** When the session was heard to be at it; null before. */
  readonly begunAt: Date | null
}

/** One bounded stay of a run on an account's GPU. */
export interface Session {
  readonly id: string
  readonly runId: string
  readonly generation: number
  /** The provider's name for it, made from run and generation: a launch whose answer was lost is found again by it. */
  readonly name: string
  readonly account: string
  readonly provider: ProviderName
  /** It serves a model instead of training one. */
  readonly serves: boolean
  /** It takes no orders: its work order went with it, and it is followed through its log. */
  readonly sealed: boolean
  readonly state: SessionState
  readonly outcome: Outcome | null
  readonly reason: string | null
  readonly handle: string | null
  readonly plannedSeconds: number
  readonly heartbeatSeconds: number
  readonly fromStep: number
  readonly toStep: number
  readonly lastCheckpointStep: number | null
  readonly createdAt: Date
  readonly launchedAt: Date | null
  readonly enrolledAt: Date | null
  /** When its first step, or its readiness to serve, was heard of. */
  readonly trainingAt: Date | null
  readonly heardAt: Date | null
  /** Null for a training, and while nothing answers. */
  readonly node: SessionNode | null
  /** When a heartbeat last said that its server is not ready, or its tunnel is down; null while none has. */
  readonly badBeatAt: Date | null
  /** The restart that was asked for and is not done; null while there is none. */
  readonly restart: NodeRestart | null
  /** How often its present process has started its server anew, by its own word. */
  readonly restarts: number
  readonly checkedAt: Date | null
  /** When a session that waits for a person is given up; null for any other. */
  readonly expiresAt: Date | null
  readonly deadlineAt: Date | null
  readonly endedAt: Date | null
  readonly usedSeconds: number | null
  readonly logTail: string | null
}

/** The name under which a provider knows the session: at most 45 characters, the same each time it is asked for. */
export function sessionName(runId: string, runName: string, generation: number): string {
  const slug = runName
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-zA-Z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .toLowerCase()
    .slice(0, 20)
    .replace(/-$/, '')
  return ['rodizio', slug, runId.slice(-6), `g${generation}`]
    .filter((part) => part !== '')
    .join('-')
}

/** One heartbeat is late by a quarter of its interval, or more. False of a session that has ended or was never heard. */
export const isBeatMissed = (session: Session, now: Date): boolean =>
  session.endedAt === null &&
  session.heardAt !== null &&
  secondsBetween(session.heardAt, now) > 1.25 * session.heartbeatSeconds

/** A server that does not answer so long after its restart was asked for does not come back: its node is to be replaced. */
export const restartSeconds = 600

/** Whether its restart is wanted or under way; one that is not done within its time is given up, and may be asked for anew. */
export const isRestarting = ({ restart }: Session, now: Date): boolean =>
  restart !== null && secondsBetween(restart.askedAt, now) < restartSeconds

/** Lost means three missed heartbeats: seconds without a sign of life after which the provider is asked. */
export const silenceSeconds = (session: Session): number => 3 * session.heartbeatSeconds
