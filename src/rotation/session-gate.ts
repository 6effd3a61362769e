import type { Run } from './run.ts'
import { isRestarting, type Session, type TunnelState } from './session.ts'
import type { Failure } from './session-end.ts'

export type Order = 'continue' | 'checkpoint_now' | 'restart' | 'stop' | 'fenced'

/** What a session that serves says of its model. */
export interface NodeSaid {
  readonly ready: boolean
  readonly url: string | null
  /** Not said by a session from before there was a relay: by its address, where it has one. */
  readonly reach?: 'url' | 'relay' | 'local' | null
  /** SHA-256 of the manifest of the adapter that answers; null before any does. */
  readonly adapter: string | null
  /** Of its GPU, as last measured; null without one. */
  readonly freeVramBytes: number | null
  /** Of the tunnel that it has opened; null where it has none. */
  readonly tunnel?: TunnelState | null
  /** How often it has started its server anew. */
  readonly restarts?: number
}

export interface Heartbeat {
  readonly step: number
  readonly phase: string
  readonly history: readonly (readonly [step: number, loss: number, learningRate: number])[]
  /** Of a training there is none. */
  readonly node?: NodeSaid | null
}

export interface Answer {
  readonly order: Order
  readonly secondsLeft: number
  readonly heartbeatSeconds: number
  readonly reason: string | null
}

export interface Report {
  readonly outcome: 'finished' | 'limit' | 'stopped' | 'failed'
  readonly step: number
  readonly failure: Failure | null
  readonly logTail: string
}

/** A session as its token shows it, with the run it belongs to and whether it still may write. */
export interface Admitted {
  readonly session: Session
  readonly run: Run
  readonly current: boolean
}

/** A session as one process of it knows itself: another may have taken its place since, with a later generation. */
export interface Held {
  readonly id: string
  readonly generation: number
}

/** An upload of one checkpoint or artifact, file by file. */
export interface Upload {
  readonly id: string
  readonly sessionId: string
  readonly runId: string
  readonly generation: number
  readonly kind: 'checkpoint' | 'artifact'
  readonly step: number
  readonly files: readonly {
    readonly name: string
    readonly bytes: number
    readonly sha256: string
  }[]
}

/** A one-time URL's other side: what may be sent or fetched with it. */
export interface Transfer {
  readonly tokenHash: string
  readonly sessionId: string
  readonly direction: 'upload' | 'download'
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly spent: boolean
  /** Whether its session still may write. */
  readonly current: boolean
}

export interface CommittedFiles {
  readonly manifestSha256: string
  readonly bytes: number
  readonly label: string | null
  readonly metrics: Readonly<Record<string, unknown>>
}

/** What the session protocol needs remembered; see docs/session-protocol.md. Each call is one transaction. */
export interface SessionGate {
  /**
   * Lets a notebook in. A used ticket with another nonce lets a session that a person starts go on, with the next generation.
   * @throws AppError `unauthorized` (`ticket_unknown`), `conflict` (`ticket_used`, `session_ended`, `fenced`)
   */
  enrol(hashes: {
    readonly ticket: string
    readonly nonce: string
    readonly token: string
  }): Promise<Admitted>
  /** Who holds this token, dead ones included; undefined for one that was never issued. */
  admitted(tokenHash: string): Promise<Admitted | undefined>
  /** A session with its run. @throws AppError `not-found` */
  session(sessionId: string): Promise<Admitted>
  /** A sealed session was heard for the first time, with so many seconds left by its own clock. Repeated, it changes nothing. */
  begin(sessionId: string, secondsLeft: number): Promise<void>
  /** Where this session begins, once its resume point is known. */
  noteResume(sessionId: string, step: number): Promise<void>
  heartbeat(held: Held, beat: Heartbeat): Promise<Answer>
  /** The same id for the same session, generation, kind and step. @throws AppError `conflict` (`fenced`) */
  openUpload(upload: Omit<Upload, 'id'>): Promise<Upload>
  upload(id: string): Promise<Upload | undefined>
  /** From here on the checkpoint or artifact exists. @throws AppError `conflict` (`fenced`) */
  commit(upload: Upload, files: CommittedFiles): Promise<void>
  /** Ends the session by its own word; a second report changes nothing. */
  report(held: Held, report: Report): Promise<void>
  issue(transfers: readonly Omit<Transfer, 'spent' | 'current'>[]): Promise<void>
  transfer(tokenHash: string): Promise<Transfer | undefined>
  spend(tokenHash: string): Promise<void>
}

/** What a session is told when it calls: stop while the run is being stopped, start its server anew while that is wanted, else go on. */
export function answerTo(session: Session, run: Run, current: boolean, now: Date): Answer {
  if (!current) {
    const reason =
      run.generation > session.generation
        ? `generation ${run.generation} has the run now`
        : `the session has ended${session.reason ? `: ${session.reason}` : ''}`
    return { order: 'fenced', secondsLeft: 0, heartbeatSeconds: session.heartbeatSeconds, reason }
  }
  const left = session.deadlineAt
    ? (session.deadlineAt.getTime() - now.getTime()) / 1000
    : session.plannedSeconds
  const isWanted = session.restart?.begunAt === null && isRestarting(session, now)
  const [order, reason]: readonly [Order, string | null] = run.stopAsked
    ? ['stop', 'the run was asked to stop']
    : isWanted
      ? ['restart', 'its server does not answer']
      : ['continue', null]
  const { heartbeatSeconds } = session
  return { order, secondsLeft: Math.max(0, left), heartbeatSeconds, reason }
}
