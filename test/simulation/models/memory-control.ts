import type { NodeSaid, Order, Report } from '../../../src/rotation/session-gate.ts'
import type {
  ControlPlane,
  Enrolment,
  SessionToken,
  Work,
} from '../../../src/simulation/control-plane.ts'
import type { VirtualTime } from '../../../src/simulation/virtual-time.ts'

export interface MemoryControlOptions {
  readonly work?: Partial<Extract<Work, { kind: 'training' }>> | { readonly kind: 'serving' }
  readonly secondsLeft?: number
}

/** A service that remembers one run: whoever enrolled last may write, and what was accepted is gone on from. */
export function memoryControl(time: VirtualTime, options: MemoryControlOptions = {}) {
  const began = time.now()
  const at = () => (time.now() - began) / 1000
  const state = {
    generation: 0,
    step: 0,
    order: 'continue' as Order,
    isAway: () => false,
    refusal: null as Extract<Enrolment, { kind: 'refused' }>['code'] | null,
    /** What was accepted, with the second in which it was. */
    accepted: [] as [kind: string, step: number, at: number][],
    /** What was refused to those who may not write any more. */
    refused: [] as ('beat' | 'commit')[],
    beats: [] as [step: number, at: number][],
    /** What the newest heartbeat says of a node. */
    node: null as NodeSaid | null,
    reports: [] as (Report & { readonly at: number })[],
  }
  const isCurrent = (token: SessionToken) => token.generation === state.generation
  const control: ControlPlane = {
    async enrol(ticket) {
      if (state.isAway()) return { kind: 'away' }
      if (state.refusal !== null) return { kind: 'refused', code: state.refusal }
      state.generation += 1
      const training = {
        kind: 'training' as const,
        resumeStep: state.step,
        targetSteps: 1_000_000,
        saveSeconds: 900,
        saveSteps: 0,
        sessionSteps: null,
      }
      return {
        kind: 'enrolled',
        token: { sessionId: ticket, generation: state.generation },
        work: { ...training, ...options.work } as Work,
        secondsLeft: options.secondsLeft ?? 5400,
        heartbeatSeconds: 60,
      }
    },
    async beat(token, step, node) {
      state.node = node
      if (state.isAway()) return { order: 'away' }
      if (!isCurrent(token)) {
        state.refused.push('beat')
        return { order: 'fenced', secondsLeft: 0 }
      }
      state.beats.push([step, at()])
      return { order: state.order, secondsLeft: 1_000_000 }
    },
    async commit(token, step, kind) {
      if (state.isAway()) return 'away'
      if (!isCurrent(token)) {
        state.refused.push('commit')
        return 'fenced'
      }
      state.step = Math.max(state.step, step)
      state.accepted.push([kind, step, at()])
      return 'accepted'
    },
    async report(token, report) {
      if (state.isAway()) return 'away'
      if (!isCurrent(token)) return 'fenced'
      state.reports.push({ ...report, at: at() })
      return 'accepted'
    },
  }
  return { control, state, at }
}
