import { AppError } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import {
  type Admitted,
  type Answer,
  answerTo,
  type Heartbeat,
  type Report,
  type SessionGate,
} from '../rotation/session-gate.ts'
import { type WorkOrderPorts, workOrder } from './work-order.ts'

export interface DeskPorts extends WorkOrderPorts {
  readonly gate: SessionGate
}

/** The front desk of the session protocol: tickets in, work orders out, heartbeats answered, reports taken. */
export function sessionDesk(ports: DeskPorts) {
  const { gate } = ports

  /** @throws AppError `unauthorized` (`token_unknown`) for a token that was never issued */
  async function known(token: string): Promise<Admitted> {
    const admitted = await gate.admitted(sha256Hex(token))
    if (admitted) return admitted
    throw new AppError(
      'unauthorized',
      'this session token was never issued here, or is dead by now',
      {
        code: 'token_unknown',
        next: 'Enrol with the ticket of the notebook',
      },
    )
  }

  /** @throws AppError as `known`, or `conflict` (`fenced`) when another generation has the run */
  async function live(token: string): Promise<Admitted> {
    const admitted = await known(token)
    if (admitted.current) return admitted
    const { session, run } = admitted
    const why = answerTo(session, run, false, ports.now()).reason
    throw new AppError('conflict', `this session may not write any more: ${why}`, {
      code: 'fenced',
      next: 'End it; the run goes on elsewhere',
    })
  }

  return {
    known,
    live,
    /** Exchanges a ticket for a session token and the work order. */
    async enrol(ticket: string, nonce: string) {
      const sessionToken = newSecret('rzs')
      const admitted = await gate.enrol({
        ticket: sha256Hex(ticket),
        nonce: sha256Hex(nonce),
        token: sha256Hex(sessionToken),
      })
      return { sessionToken, workOrder: await workOrder(ports, admitted) }
    },
    workOrder: async (token: string) => workOrder(ports, await live(token)),
    /** Every known token gets an answer; one whose session is over is told `fenced`. */
    async heartbeat(token: string, beat: Heartbeat): Promise<Answer> {
      const { session } = await known(token)
      return gate.heartbeat(session, beat)
    },
    async report(token: string, report: Report): Promise<void> {
      const { session } = await known(token)
      await gate.report(session, report)
    },
  }
}

export type SessionDesk = ReturnType<typeof sessionDesk>
