import { iso, secondsBetween } from '../../lib/clock.ts'
import type { Preemption, Session, StateFile } from './state.ts'

export interface PreemptionOrder {
  /** The n-th session that starts from now (1 is the next), or the slug of one that runs or will start. */
  readonly session: number | string
  /** Counted from the session's start, or from the line. */
  readonly afterSeconds?: number
  /** A regular expression; the count begins at the first line of output that matches. */
  readonly afterLine?: string
}

/** Kills that were ordered and wait for their moment. */
export function createPreemptions(file: StateFile) {
  const waiting = (): Preemption[] => file.state.preemptions
  return {
    order: ({ session, afterSeconds = 0, afterLine }: PreemptionOrder, now: Date): void => {
      const running = file.state.sessions.find(
        (candidate) => candidate.state === 'RUNNING' && candidate.slug === session,
      )
      waiting().push({
        nth: typeof session === 'number' ? session : null,
        slug: typeof session === 'string' ? session : null,
        sessionId: running?.id ?? null,
        afterSeconds,
        afterLine: afterLine ?? null,
        countsFrom: running && afterLine === undefined ? iso(now) : null,
      })
      file.save()
    },

    started: (session: Session, now: Date): void => {
      for (const preemption of waiting()) {
        if (preemption.sessionId !== null) continue
        if (preemption.nth !== null) preemption.nth -= 1
        if (preemption.nth !== 0 && preemption.slug !== session.slug) continue
        preemption.sessionId = session.id
        if (preemption.afterLine === null) preemption.countsFrom = iso(now)
      }
    },

    printed: (session: Session, lines: readonly string[], now: Date): void => {
      for (const preemption of waiting()) {
        if (preemption.sessionId !== session.id || preemption.countsFrom !== null) continue
        const pattern = new RegExp(preemption.afterLine ?? '')
        if (lines.some((line) => pattern.test(line))) preemption.countsFrom = iso(now)
      }
    },

    /** Whether this session's moment has come. */
    isDue: (session: Session, now: Date): boolean =>
      waiting().some(
        ({ sessionId, countsFrom, afterSeconds }) =>
          sessionId === session.id &&
          countsFrom !== null &&
          secondsBetween(new Date(countsFrom), now) >= afterSeconds,
      ),

    ended: (session: Session): void => {
      file.state.preemptions = waiting().filter(({ sessionId }) => sessionId !== session.id)
    },
  }
}

export type Preemptions = ReturnType<typeof createPreemptions>
