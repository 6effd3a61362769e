/** Something that happens at its moment; what it returns is waited for before time goes on. */
export type Work = () => unknown

/** Known to `cancel` alone. */
export interface Handle {
  readonly atMs: number
  /** Null once it has happened, or will not. */
  work: Work | null
  readonly order: number
}

/** Time that stands still until something is to happen. All moments are epoch milliseconds. */
export interface VirtualTime {
  /** The true time: providers and notebooks live on it. */
  now(): number
  /**
   * Has something done at that moment, rounded up to the millisecond, after what was asked for earlier at the same one; a
   * moment that has passed means now.
   */
  at(atMs: number, work: Work): Handle
  cancel(handle: Handle | null): void
  /** When something happens next; infinity when nothing does. */
  nextAt(): number
  /** Lets time go on to the next thing and has it done. False when there is none. */
  next(): Promise<boolean>
  /** Lets everything happen up to that moment, it included, and stands there. */
  advanceTo(atMs: number): Promise<void>
  /** The time as the service's clock shows it: true time and what the clock has jumped. */
  date(): Date
  /** Makes the service's clock jump, back with a negative number; the true time does not notice. */
  jump(byMs: number): void
  /** Things that have happened so far. */
  happened(): number
}

/** Time that begins at `startMs`: a queue of what is to happen, kept as a binary heap. */
export function virtualTime(startMs: number): VirtualTime {
  const heap: Handle[] = []
  let nowMs = startMs
  let jumpedMs = 0
  let orders = 0
  let count = 0

  const isBefore = (left: Handle, right: Handle): boolean =>
    left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order)

  function push(handle: Handle): void {
    let at = heap.length
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above] as Handle // above a place in the heap there is one
      if (!isBefore(handle, parent)) break
      heap[at] = parent
      at = above
    }
    heap[at] = handle
  }

  function dropTop(): void {
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      let child = heap[below]
      if (child === undefined) break
      const other = heap[below + 1]
      if (other !== undefined && isBefore(other, child)) {
        child = other
        below += 1
      }
      if (!isBefore(child, last)) break
      heap[at] = child
      at = below
    }
    heap[at] = last
  }

  /** The next thing that still is to happen. */
  function top(): Handle | undefined {
    while (heap[0] !== undefined && heap[0].work === null) dropTop()
    return heap[0]
  }

  async function next(): Promise<boolean> {
    const first = top()
    if (first === undefined) return false
    dropTop()
    nowMs = first.atMs
    count += 1
    const { work } = first
    first.work = null
    const done = work?.()
    if (done instanceof Promise) await done
    return true
  }

  return {
    now: () => nowMs,
    at(atMs, work) {
      if (Number.isNaN(atMs)) throw new RangeError('a moment that is no number never comes')
      const handle: Handle = { atMs: Math.max(Math.ceil(atMs), nowMs), work, order: orders }
      orders += 1
      if (atMs !== Number.POSITIVE_INFINITY) push(handle)
      return handle
    },
    cancel(handle) {
      if (handle !== null) handle.work = null
    },
    nextAt: () => top()?.atMs ?? Number.POSITIVE_INFINITY,
    next,
    async advanceTo(atMs) {
      for (let first = top(); first !== undefined && first.atMs <= atMs; first = top()) await next()
      nowMs = Math.max(nowMs, atMs)
    },
    date: () => new Date(nowMs + jumpedMs),
    jump(byMs) {
      jumpedMs += byMs
    },
    happened: () => count,
  }
}
