import { z } from 'zod'
import { iso, secondsBetween } from '../lib/clock.ts'

/** A kill that waits for its session, and then for its moment. */
export const Preemption = z.object({
  nth: z.number().nullable(), // how many sessions are still to start until it takes one
  slug: z.string().nullable(),
  sessionId: z.number().nullable(),
  afterSeconds: z.number(),
  afterLine: z.string().nullable(), // a regular expression over one line of output
  countsFrom: z.string().nullable(),
})
export type Preemption = z.infer<typeof Preemption>

export interface PreemptionOrder {
  /** The n-th session that starts from now (1 is the next), or the slug of one that runs or will start. */
  readonly session: number | string
  /** Counted from the session's start, or from the line. */
  readonly afterSeconds?: number
  /** A regular expression; the count begins at the first line of output that matches. */
  readonly afterLine?: string
}

/** The body of `POST /_emulator/preempt`. */
export const PreemptionBody = z.object({
  session: z.union([z.number().int().min(1), z.string().min(1)]),
  afterSeconds: z.number().min(0).default(0),
  afterLine: z.string().refine(isPattern, 'not a regular expression').exactOptional(),
})

interface Target {
  readonly id: number
  readonly slug: string
  readonly startedAt: string | null
  readonly endedAt: string | null
}

/** Where orders are written down, beside the sessions that they are for. */
export interface PreemptionBook {
  readonly state: { preemptions: Preemption[]; readonly sessions: readonly Target[] }
  save(): void
}

/** Kills that were ordered and wait for their moment. */
export function createPreemptions(file: PreemptionBook) {
  const waiting = (): Preemption[] => file.state.preemptions
  return {
    order: ({ session, afterSeconds = 0, afterLine }: PreemptionOrder, now: Date): void => {
      const running = file.state.sessions.find(
        ({ slug, startedAt, endedAt }) =>
          slug === session && startedAt !== null && endedAt === null,
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

    started: (session: Target, now: Date): void => {
      for (const preemption of waiting()) {
        if (preemption.sessionId !== null) continue
        if (preemption.nth !== null) preemption.nth -= 1
        if (preemption.nth !== 0 && preemption.slug !== session.slug) continue
        preemption.sessionId = session.id
        if (preemption.afterLine === null) preemption.countsFrom = iso(now)
      }
    },

    printed: (session: Target, lines: readonly string[], now: Date): void => {
      for (const preemption of waiting()) {
        if (preemption.sessionId !== session.id || preemption.countsFrom !== null) continue
        const pattern = new RegExp(preemption.afterLine ?? '')
        if (lines.some((line) => pattern.test(line))) preemption.countsFrom = iso(now)
      }
    },

    /** Whether this session's moment has come. */
    isDue: (session: Target, now: Date): boolean =>
      waiting().some(
        ({ sessionId, countsFrom, afterSeconds }) =>
          sessionId === session.id &&
          countsFrom !== null &&
          secondsBetween(new Date(countsFrom), now) >= afterSeconds,
      ),

    ended: (session: Target): void => {
      file.state.preemptions = waiting().filter(({ sessionId }) => sessionId !== session.id)
    },
  }
}

export type Preemptions = ReturnType<typeof createPreemptions>

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) !== undefined
  } catch {
    return false // SyntaxError: it is not one
  }
}
