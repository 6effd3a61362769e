import type { NodeSaid, Order, Report } from '../rotation/session-gate.ts'

/** The right to speak for one session; another process of it has the next generation. */
export interface SessionToken {
  readonly sessionId: string
  readonly generation: number
}

/** What a notebook is to do, from the answer to its ticket. */
export type Work =
  | {
      readonly kind: 'training'
      readonly resumeStep: number
      readonly targetSteps: number
      /** A checkpoint at least this often. */
      readonly saveSeconds: number
      /** … and at each multiple of so many steps; 0 for never. */
      readonly saveSteps: number
      /** It hands over after so many steps of its own; null for as many as its time allows. */
      readonly sessionSteps: number | null
    }
  | { readonly kind: 'serving' }

export type Enrolment =
  | {
      readonly kind: 'enrolled'
      readonly token: SessionToken
      readonly work: Work
      /** Until its deadline, counted from this answer. */
      readonly secondsLeft: number
      readonly heartbeatSeconds: number
    }
  | {
      readonly kind: 'refused'
      readonly code: 'ticket_unknown' | 'ticket_used' | 'session_ended' | 'fenced'
    }
  /** Nobody answers, or nothing can be written down: it is tried again. */
  | { readonly kind: 'away' }

export type BeatAnswer =
  | { readonly order: Order; readonly secondsLeft: number }
  | { readonly order: 'away' }

/** What became of something that a notebook brought: `away` is tried again, `fenced` ends it. */
export type Taken = 'accepted' | 'fenced' | 'away'

/** The service as a notebook meets it: docs/session-protocol.md without its files. Every call resolves at once. */
export interface ControlPlane {
  /** @param nonce one for each process: with another one, a used ticket is taken over where a person starts sessions */
  enrol(ticket: string, nonce: string): Promise<Enrolment>
  /** @param node what it says of the model that it has put up; null of a training */
  beat(token: SessionToken, step: number, node: NodeSaid | null): Promise<BeatAnswer>
  commit(token: SessionToken, step: number, kind: 'checkpoint' | 'artifact'): Promise<Taken>
  report(token: SessionToken, report: Report): Promise<Taken>
}
