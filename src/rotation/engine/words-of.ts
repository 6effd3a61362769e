import type { GapReason } from '../planner/coverage.ts'
import type { Constraint } from '../planner/plan.ts'
import type { RotationState } from './state.ts'

type Named = Pick<RotationState, 'runs' | 'accounts'>

/** Why there is no session now, as a person reads it, without a full stop. */
export function wordsOf(why: Constraint | undefined, state: Named): string {
  const nameOf = (id: string) => state.runs.get(id)?.name ?? id
  switch (why?.kind) {
    case 'hours':
      return `${why.account}: this week's GPU hours are spent or booked`
    case 'session-limit':
      return `${why.account}: no session there is longer`
    case 'run-limit':
      return `${workOf(why.run, state)} asks for no longer session`
    case 'need':
      return `run ${nameOf(why.run)} needs no more`
    case 'window':
      return `the window of ${nameOf(why.policy)} ends`
    case 'reserve':
      return `${why.account}: its hours are kept for the windows of ${nameOf(why.policy)}`
    case 'hold':
      return `${why.account}: ${state.accounts.get(why.account)?.holdReason ?? 'left alone for a while after launches that failed'}`
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

/** What a planned session's account, start or length hangs on, as a person reads it after "bound by", without a full stop. */
export function boundWords(by: Constraint, state: Named): string {
  const nameOf = (id: string) => state.runs.get(id)?.name ?? id
  switch (by.kind) {
    case 'hours':
      return `the GPU hours of ${by.account} in its week from ${dayOf(by.weekStartMs, by.account, state)}`
    case 'session-limit':
      return `the longest session that ${by.account} takes`
    case 'run-limit':
      return `the longest session that ${workOf(by.run, state)} asks for`
    case 'need':
      return `the steps that run ${nameOf(by.run)} still needs`
    case 'window':
      return `the end of a window of ${nameOf(by.policy)}`
    case 'reserve':
      return `the hours of ${by.account} that are kept for the windows of ${nameOf(by.policy)}`
    case 'hold':
      return `the hold on ${by.account}${holdWords(by.account, state)}`
    case 'slots':
      return `the other sessions of ${by.account}`
    case 'person':
      return `the hours in which the person of ${by.account} is there`
    case 'one-session':
      return `run ${nameOf(by.run)} having one session at a time`
    case 'none':
      return "nothing but the plan's own end"
  }
}

/** Why a wanted window has no node, as a person reads it, without a full stop. */
export function gapWords(why: GapReason, state: Named): string {
  switch (why.kind) {
    case 'nobody':
      return why.only === null
        ? nobodyServes
        : `no account may serve at ${why.only}, which alone has its base: accept that rule with rodizio accounts accept`
    case 'start':
      return `${why.account}: its node is coming up`
    case 'outranked':
      return 'work of greater or the same priority goes before it'
    case 'hours':
      return `${why.account}: its GPU hours of the week from ${dayOf(why.weekStartMs, why.account, state)} are spent or booked`
    case 'session-limit':
      return `${why.account}: a longer session than it takes would be needed`
    case 'none':
      return 'no account has room for it then'
    default:
      return wordsOf(why, state)
  }
}

/** Why a run waits, as the tick has noted it, without the moment of its next look. */
export const withoutNextLook = (waiting: string): string => waiting.replace(/; next look [^;]*/, '')

/** Said of a policy whose sessions have nowhere to go. */
export const nobodyServes =
  'no account may serve: accept a provider’s rule of serving with rodizio accounts accept'

/** A run or a policy by its name. */
const workOf = (id: string, { runs }: Named): string => {
  const run = runs.get(id)
  return `${run?.serving ? 'the serving policy' : 'run'} ${run?.name ?? id}`
}

const holdWords = (account: string, { accounts }: Named): string => {
  const why = accounts.get(account)?.holdReason
  return why ? ` (${why})` : ''
}

/** The day on which a week of the account begins, on its own calendar. */
const dayOf = (atMs: number, account: string, { accounts }: Named): string =>
  new Intl.DateTimeFormat('en-GB', {
    timeZone: accounts.get(account)?.reset.zone ?? 'UTC',
    weekday: 'long',
    day: 'numeric',
    month: 'long',
  }).format(atMs)
