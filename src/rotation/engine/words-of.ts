import type { Constraint } from '../planner/plan.ts'
import type { RotationState } from './state.ts'

/** A constraint as a person reads it, without a full stop. */
export function wordsOf(why: Constraint | undefined, state: Pick<RotationState, 'runs'>): string {
  const nameOf = (id: string) => state.runs.get(id)?.name ?? id
  switch (why?.kind) {
    case 'hours':
      return `${why.account}: this week's GPU hours are spent or booked`
    case 'session-limit':
      return `${why.account}: no session there is longer`
    case 'run-limit':
      return `run ${nameOf(why.run)} asks for no longer session`
    case 'need':
      return `run ${nameOf(why.run)} needs no more`
    case 'window':
      return `the window of ${nameOf(why.policy)} ends`
    case 'reserve':
      return `${why.account}: its hours are kept for the windows of ${nameOf(why.policy)}`
    case 'hold':
      return `${why.account}: on hold`
    case 'slots':
      return `${why.account}: busy with another session`
    case 'person':
      return `${why.account}: its person is asleep or away`
    case 'one-session':
      return `run ${nameOf(why.run)} has its session elsewhere`
    default:
      return 'a better moment is near'
  }
}
