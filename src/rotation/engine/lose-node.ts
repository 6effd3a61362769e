import { secondsBetween } from '../../lib/clock.ts'
import { silenceSeconds } from '../session.ts'
import { endOf } from '../session-end.ts'
import type { Draft } from './changes.ts'
import { endSession } from './end-session.ts'
import type { Effect } from './input.ts'
import type { RotationState } from './state.ts'

/** Where a session that says nothing can be stopped by nobody. */
const unstoppable: readonly string[] = ['kaggle']

/**
 * Ends a session whose node is gone for good, so that the next look at the plan replaces it, elsewhere where that can be. Its
 * machine is to be stopped where its provider can do that; else its next heartbeat is answered with `fenced`, and one that says
 * nothing may run to its limit, up to which it stays charged. Told twice, or of a session that has ended or trains, it does nothing.
 */
export function loseNode(
  state: RotationState,
  draft: Draft,
  sessionId: string,
  reason: string,
  now: Date,
): { readonly done: boolean; readonly effects: readonly Effect[] } {
  const session = draft.session(sessionId)
  if (!session?.serves) return { done: false, effects: [] }
  const { heardAt } = session
  const isSilent = heardAt !== null && secondsBetween(heardAt, now) > silenceSeconds(session)
  const mayGoOn = isSilent && unstoppable.includes(session.provider)
  const done = endSession(state, draft, sessionId, endOf('lost', reason), now, mayGoOn)
  return { done, effects: done && session.handle !== null ? [{ kind: 'kill', session }] : [] }
}
