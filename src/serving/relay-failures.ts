import { AppError } from '../lib/errors.ts'

/** The node is gone, or what it sends is no answer. */
export const nodeLost = (why: string, cause?: unknown) =>
  new AppError('unavailable', `the node's answer is lost: ${why}`, {
    code: 'node_lost',
    next: 'Send the request again',
    ...(cause === undefined ? {} : { cause }),
  })

/** Its caller has left: nobody waits for this answer any more. */
export const callerGone = () =>
  new AppError('conflict', 'nobody waits for this answer any more', {
    code: 'caller_gone',
    next: 'End it; take the next request',
  })

export const noNode = () =>
  new AppError('unavailable', 'no node of this serving policy answers now', {
    code: 'no_node',
    next: 'Try again later; rodizio serve show tells when one is planned',
    retryAfterSeconds: 10,
  })

export const queueFull = () =>
  new AppError('unavailable', 'too many requests wait for this node', {
    code: 'queue_full',
    next: 'Try again later',
    retryAfterSeconds: 5,
  })

export const nodeLate = (ms: number) =>
  new AppError('unavailable', `the node has not begun to answer within ${ms / 1000} s`, {
    code: 'node_late',
    next: 'Try again later',
  })

/** Why an answer is not taken from who sends it. */
export const refusedAnswer = {
  unknown: () =>
    new AppError('not-found', 'no request of that id waits for an answer', {
      code: 'answer_unknown',
      next: 'Take the next request',
    }),
  another: () =>
    new AppError('conflict', 'this request was handed to another session', {
      code: 'answer_of_another',
      next: 'Take the next request',
    }),
  twice: () =>
    new AppError('conflict', 'this request is being answered already', {
      code: 'answer_begun',
      next: 'Take the next request',
    }),
}
