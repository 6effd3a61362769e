import type { AppError } from '../lib/errors.ts'
import { callerGone } from './relay-failures.ts'
import type { RelayAnswer, RelayRequest } from './relay-request.ts'

/**
 * One request on its way to a node and its answer back: it waits, is handed to a session, is taken up by it (from then on
 * nobody else gets it), begins, and is over.
 */
export type ErrandState = 'waits' | 'handed' | 'taken-up' | 'begun' | 'over'

export interface Errand {
  readonly request: RelayRequest
  /** Of a caller's request: whose node, and the hash of the key it came with. Null for a look at a session. */
  readonly caller: { readonly policyId: string; readonly keySha256: string } | null
  state: ErrandState
  /** The session that has it in hand, or had it last. */
  session: string | null
  /** Resolves with the answer as soon as it begins, rejects with why none does. */
  readonly begun: Promise<RelayAnswer>
  readonly begin: (answer: RelayAnswer) => void
  readonly fail: (error: AppError) => void
  /** Rejects when whoever asked has left. */
  readonly gone: Promise<never>
  readonly leave: () => void
  /** Resolves when all of it is over: with what went wrong, or with nothing when whoever asked has all of the answer. */
  readonly over: Promise<AppError | undefined>
  readonly end: (failure?: AppError) => void
  /** Fires when it is taken up, begins, or is over: nobody need be hurried any more. */
  readonly takenUp: AbortController
}

/** An errand that nobody has seen yet. */
export function newErrand(request: RelayRequest, caller: Errand['caller']): Errand {
  const begun = Promise.withResolvers<RelayAnswer>()
  const gone = Promise.withResolvers<never>()
  const over = Promise.withResolvers<AppError | undefined>()
  for (const promise of [begun.promise, gone.promise]) promise.catch(() => undefined) // nobody may be listening
  return {
    request,
    caller,
    state: 'waits',
    session: null,
    begun: begun.promise,
    begin: begun.resolve,
    fail: begun.reject,
    gone: gone.promise,
    leave: () => gone.reject(callerGone()),
    over: over.promise,
    end: over.resolve,
    takenUp: new AbortController(),
  }
}
