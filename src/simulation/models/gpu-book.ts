import type { Allowed, Duplicate, Overrun, PhysicalSession, Truth } from './machine.ts'

/** One machine's stay in the book. */
export interface Stay {
  readonly name: string
  readonly startedMs: number
  endedMs: number | null
}

/** Where a week of the provider begins. */
export type WeekStartOf = (ms: number) => number

/**
 * The true book of one account: every machine that ever ran, and the GPU time of each of the provider's weeks.
 * @param weekAfter the beginning of the week that follows the one beginning then
 */
export function gpuBook(
  now: () => number,
  weekStartOf: WeekStartOf,
  weekAfter: WeekStartOf,
  allowedMs: (weekStartMs: number) => number,
) {
  const stays: Stay[] = []
  const live: Stay[] = []
  const names = new Set<string>()
  const duplicates: Duplicate[] = []
  const ended = new Map<number, number>()
  let denials = 0

  function charge(book: Map<number, number>, fromMs: number, toMs: number): void {
    let week = weekStartOf(fromMs)
    for (let at = fromMs; at < toMs; ) {
      const next = weekAfter(week)
      const until = Math.min(next, toMs)
      book.set(week, (book.get(week) ?? 0) + until - at)
      at = until
      week = next
    }
  }

  function byWeek(): Map<number, number> {
    const book = new Map(ended)
    for (const stay of live) charge(book, stay.startedMs, now())
    return book
  }

  function allowed(fromMs: number, toMs: number): Allowed[] {
    const weeks: Allowed[] = []
    for (let weekStartMs = weekStartOf(fromMs); weekStartMs < toMs; ) {
      const weekEndMs = weekAfter(weekStartMs)
      weeks.push({ weekStartMs, weekEndMs, allowedMs: allowedMs(weekStartMs) })
      weekStartMs = weekEndMs
    }
    return weeks
  }

  return {
    live: live as readonly Stay[],
    /** @param wanted whether the machine was asked for anew; another press of a person is no duplicate of ours */
    start(name: string, wanted = true): Stay {
      const stay: Stay = { name, startedMs: now(), endedMs: null }
      if (wanted && names.has(name)) {
        const atOnce = live.some((other) => other.name === name)
        duplicates.push({ name, startedMs: stay.startedMs, atOnce })
      }
      names.add(name)
      stays.push(stay)
      live.push(stay)
      return stay
    },
    end(stay: Stay): void {
      stay.endedMs = now()
      live.splice(live.indexOf(stay), 1)
      charge(ended, stay.startedMs, stay.endedMs)
    },
    deny(): void {
      denials += 1
    },
    /** GPU time of this week so far. */
    usedMs(): number {
      const week = weekStartOf(now())
      let used = ended.get(week) ?? 0
      for (const stay of live) used += now() - Math.max(stay.startedMs, week)
      return used
    },
    left() {
      const week = weekStartOf(now())
      let used = ended.get(week) ?? 0
      for (const stay of live) used += now() - Math.max(stay.startedMs, week)
      const granted = allowedMs(week)
      return { leftMs: granted - used, allowedMs: granted }
    },
    truth(): Truth {
      const usedByWeek = byWeek()
      const overruns: Overrun[] = []
      for (const [weekStartMs, usedMs] of usedByWeek) {
        const allowed = allowedMs(weekStartMs)
        if (usedMs > allowed) overruns.push({ weekStartMs, usedMs, allowedMs: allowed })
      }
      const sessions: PhysicalSession[] = stays.map((stay) => ({
        ...stay,
        gpuMs: (stay.endedMs ?? now()) - stay.startedMs,
      }))
      return { sessions, usedByWeek, overruns, duplicates, denials, allowed }
    },
  }
}

export type GpuBook = ReturnType<typeof gpuBook>
