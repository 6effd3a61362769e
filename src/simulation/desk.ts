import { AppError } from '../lib/errors.ts'
import { progressOf } from '../rotation/engine/state.ts'
import type { NodeSaid, Report } from '../rotation/session-gate.ts'
import type {
  BeatAnswer,
  ControlPlane,
  Enrolment,
  SessionToken,
  Taken,
  Work,
} from './control-plane.ts'
import type { Memory } from './memory.ts'
import type { Oracle } from './oracle.ts'

/** The front desk of the simulated service: the session protocol, without its files, over the engine. */
export function desk(memory: Memory, oracle: Oracle, now: () => Date): ControlPlane {
  const { store, state } = memory

  async function enrol(ticket: string, nonce: string): Promise<Enrolment> {
    try {
      const hashes = { ticket, nonce, token: nonce }
      const { sessionId } = await store.apply({ kind: 'enrolled', hashes })
      const session = state.sessions.get(sessionId ?? '')
      const run = session && state.runs.get(session.runId)
      if (!session || !run) return { kind: 'away' }
      const resumeStep = progressOf(state, run.id).furthestStep
      await store.apply({ kind: 'resumed', sessionId: session.id, step: resumeStep })
      if (!run.serving) oracle.resumed(run.id, resumeStep)
      const work: Work = run.serving
        ? { kind: 'serving' }
        : {
            kind: 'training',
            resumeStep,
            targetSteps: run.targetSteps,
            saveSeconds: run.options.saveSeconds,
            saveSteps: run.options.saveSteps,
            sessionSteps: run.options.sessionSteps,
          }
      const left = session.deadlineAt
        ? (session.deadlineAt.getTime() - now().getTime()) / 1000
        : session.plannedSeconds
      return {
        kind: 'enrolled',
        token: { sessionId: session.id, generation: session.generation },
        work,
        secondsLeft: Math.max(0, left),
        heartbeatSeconds: session.heartbeatSeconds,
      }
    } catch (error) {
      const code = refusalOf(error)
      return code === undefined ? { kind: 'away' } : { kind: 'refused', code }
    }
  }

  async function beat(
    token: SessionToken,
    step: number,
    node: NodeSaid | null,
  ): Promise<BeatAnswer> {
    const held = { id: token.sessionId, generation: token.generation }
    try {
      const event = { step, phase: node ? 'serve' : 'train', history: [], node }
      const { answer } = await store.apply({ kind: 'heard', held, beat: event })
      return answer ? { order: answer.order, secondsLeft: answer.secondsLeft } : { order: 'away' }
    } catch (error) {
      // What the service has forgotten is long over.
      if (error instanceof AppError && error.kind === 'not-found')
        return { order: 'fenced', secondsLeft: 0 }
      if (error instanceof AppError) return { order: 'away' }
      throw error
    }
  }

  async function commit(
    token: SessionToken,
    step: number,
    kind: 'checkpoint' | 'artifact',
  ): Promise<Taken> {
    const runId = state.sessions.get(token.sessionId)?.runId
    if (runId === undefined) return 'fenced'
    const { sessionId, generation } = token
    const upload = { sessionId, runId, generation, kind, step, files: [] }
    const files = { manifestSha256: '', bytes: 0, label: 'candidate', metrics: {} }
    const taken = await takenBy(() => store.apply({ kind: 'committed', upload, files }))
    if (taken === 'accepted') oracle.committed(runId, sessionId, generation, kind, step)
    return taken
  }

  const report = (token: SessionToken, given: Report): Promise<Taken> => {
    const held = { id: token.sessionId, generation: token.generation }
    return takenBy(() => store.apply({ kind: 'reported', held, report: given }))
  }

  return { enrol, beat, commit, report }
}

async function takenBy(work: () => Promise<unknown>): Promise<Taken> {
  try {
    await work()
    return 'accepted'
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.kind === 'conflict' || error.kind === 'not-found') return 'fenced'
    return 'away'
  }
}

type Refusal = Extract<Enrolment, { kind: 'refused' }>['code']
const refusals: readonly Refusal[] = ['ticket_unknown', 'ticket_used', 'session_ended', 'fenced']

function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof AppError)) throw error
  return refusals.find((code) => code === error.code)
}
