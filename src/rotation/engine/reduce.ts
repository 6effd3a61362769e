import { endOf } from '../session-end.ts'
import type { Answer } from '../session-gate.ts'
import { type Changes, draftOf } from './changes.ts'
import { endSession } from './end-session.ts'
import { begin, enrol } from './enrol.ts'
import { commit, heartbeat, takeReport } from './hear.ts'
import type { Effect, RotationInput } from './input.ts'
import { launching } from './launching.ts'
import { look } from './look.ts'
import { loseNode } from './lose-node.ts'
import { launched, observed } from './observed.ts'
import { planSession } from './plan-session.ts'
import { askRestart } from './restart.ts'
import { restored } from './restored.ts'
import { seek } from './seek.ts'
import { admittedTo, mustSession, type RotationState } from './state.ts'

export interface Reduced {
  readonly changes: Changes
  readonly effects: readonly Effect[]
  /** Whether something that may be asked for twice was done now. */
  readonly done: boolean
  /** The session that was let in. */
  readonly sessionId: string | null
  /** When a look at the runs has something to begin, by epoch milliseconds; null when nothing is to be waited for. */
  readonly lookAtMs: number | null
  /** To a heartbeat. */
  readonly answer: Answer | null
}

/**
 * The rotation: what an event does to the state, and what has to be done outside. Pure: the same state, event and time give the
 * same result, and what cannot be stored has not happened.
 * @throws AppError where the event is a session's that may not do this: see `enrol`, `commit`, `takeReport`
 */
export function reduce(state: RotationState, input: RotationInput, now: Date): Reduced {
  const draft = draftOf(state, now)
  const result = (more: Partial<Reduced> = {}): Reduced => ({
    changes: draft.changes,
    effects: [],
    done: true,
    sessionId: null,
    answer: null,
    lookAtMs: null,
    ...more,
  })
  switch (input.kind) {
    case 'look':
      return result({ effects: look(state, draft, input.around, now) })
    case 'seek':
      return result(seek(state, draft, input.around, input.runs, now))
    case 'observed': {
      const { sessionId, seen, logTail, around } = input
      return result({ effects: observed(state, draft, sessionId, seen, logTail, around, now) })
    }
    case 'launched':
      launched(state, draft, input.sessionId, input.result, input.around, now)
      return result()
    case 'launching': {
      const session = state.sessions.get(input.sessionId)
      if (session) launching(draft, session, input.ticketHash, now)
      return result()
    }
    case 'killed': {
      const end = endOf('lost', 'silent past its deadline')
      return result({ done: endSession(state, draft, input.sessionId, end, now) })
    }
    case 'restart-asked':
      return result({ done: askRestart(draft, input.sessionId, input.reason, now) })
    case 'node-lost':
      return result(loseNode(state, draft, input.sessionId, input.reason, now))
    case 'ended':
      return result({ done: endSession(state, draft, input.sessionId, input.end, now) })
    case 'planned':
      return result({ done: planSession(state, draft, input.planned, now) })
    case 'read-books':
      draft.changes.readings.push(input.reading)
      return result()
    case 'enrolled':
      return result({ sessionId: enrol(state, draft, input.hashes, now) })
    case 'begun': {
      const { session, run } = admittedTo(state, input.sessionId)
      begin(draft, session, run, input.secondsLeft, now)
      return result()
    }
    case 'resumed': {
      const session = mustSession(state, input.sessionId)
      if (session.lastCheckpointStep === null)
        draft.putSession({ ...session, fromStep: input.step, toStep: input.step })
      return result()
    }
    case 'heard':
      return result({ answer: heartbeat(state, draft, input.held, input.beat, now) })
    case 'committed':
      commit(state, draft, input.upload, input.files, now)
      return result()
    case 'reported':
      takeReport(state, draft, input.held, input.report, now)
      return result()
    case 'restored':
      restored(state, draft, input.reason, now)
      return result()
  }
}
