import { addSeconds, type Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { isOwnMachine, isWatched, type Node } from './node.ts'
import { hostOf } from './noted.ts'
import { type CanaryLook, isOwnNetworkDown } from './own-network.ts'
import type { Seen } from './probe.ts'
import { nextTurn } from './turn.ts'

/** One look, with the node as it was when it began. */
export interface Probe {
  readonly node: Node
  readonly at: Date
  /** `own-network` where nothing was learned, since this service's own network is down. */
  readonly seen: Seen | 'own-network'
}

/** What the prober needs remembered. */
export interface ProbeBook {
  /** Nodes whose turn came after `fromMs` and has come by `toMs`, the longest overdue first. */
  due(fromMs: number, toMs: number, most: number): Promise<readonly Node[]>
  /** When the next turn comes, in ms since 1970; null where nothing is watched. */
  nextDueMs(): Promise<number | null>
  /** Writes looks with all that follows from them, in one transaction; a node that has changed meanwhile keeps what it was given. */
  save(looks: readonly Probe[]): Promise<void>
  /** The own network is down since then, or is back; told twice it is one outage. */
  ownNetwork(isDown: boolean, at: Date): Promise<void>
}

export interface ProberPorts {
  readonly book: ProbeBook
  /** One look, by the way that the node is reached. Never throws. */
  readonly look: (node: Node) => Promise<Seen>
  /** Whether the node's own session is heard here: then the network is there, whatever the look came to. */
  readonly isHeard: (node: Node) => Promise<boolean>
  /** Asks addresses that have nothing to do with any node. */
  readonly canaries: () => Promise<readonly CanaryLook[]>
  readonly clock: Clock
  /** A failure of the book: told, once until it changes or passes, and tried again. */
  readonly failed: (error: unknown) => void
}

/** So many looks are under way at once at the most. */
const mostAtOnce = 512
/** What has been seen is written together, once in so long: half the work of writing each look by itself. */
const writeMs = 1000
/** Turns that come within so long are begun together; no look is later than that by it. */
const pollMs = 800
const longestMs = 1000
/** So often all that stands as due is gone through, also what came in late; in between only what has become due since. */
const wholeMs = 5000
/** What the canaries have said is believed so long. */
const canaryMs = 10_000
/** A node that nothing was learned of is looked at again so soon. */
export const unknownSeconds = 30

/** Looks at nodes when their turns come, and writes down what was seen. */
export function prober(ports: ProberPorts) {
  const { book, clock } = ports
  const underWay = new Map<string, Promise<void>>()
  let seen: Probe[] = []
  let readToMs = 0
  let readWholeAt = Number.NEGATIVE_INFINITY
  // An outage may stand open from an earlier life.
  let isOwnDown = true
  /** Until the next turn, a second at the most: somebody may have added a node meanwhile. */
  const untilNext = async (): Promise<number> => {
    const next = await book.nextDueMs()
    if (next === null) return longestMs
    return Math.min(longestMs, Math.max(pollMs, next - clock.now().getTime()))
  }
  let canary: { readonly at: number; readonly isDown: Promise<boolean> } | undefined

  let told: string | undefined
  const failed = (error: unknown): void => {
    if (messageOf(error) !== told) ports.failed(error)
    told = messageOf(error)
  }

  const askCanaries = (): Promise<boolean> => {
    const now = clock.monotonicMs()
    if (!canary || now - canary.at > canaryMs) {
      canary = { at: now, isDown: ports.canaries().then(isOwnNetworkDown) }
    }
    return canary.isDown
  }

  async function look(node: Node): Promise<Probe> {
    const at = clock.now()
    const seen = await ports.look(node)
    // What got an answer, whichever, was reached; and what stands on this machine needs no network.
    const needsNone = node.reach === 'local' || isOwnMachine(hostOf(node))
    if (seen.kind === 'answered' || seen.at === 'refused' || needsNone) return { node, at, seen }
    if (await ports.isHeard(node)) return { node, at, seen }
    return { node, at, seen: (await askCanaries()) ? 'own-network' : seen }
  }

  /** Begins what is due and not under way; the number of looks begun. */
  async function begin(isWhole: boolean): Promise<number> {
    const room = mostAtOnce - underWay.size
    if (room <= 0) return 0
    const now = clock.now().getTime()
    // In a whole reading those under way, and those not written down yet, stand as due.
    const most = room + (isWhole ? underWay.size + seen.length : 0)
    const due = await book.due(isWhole ? 0 : readToMs, now, most)
    if (isWhole) readWholeAt = clock.monotonicMs()
    readToMs = due.length < most ? now : (due.at(-1)?.watch.nextProbeAt.getTime() ?? now)
    const written = new Set(seen.map(({ node }) => node.id))
    let begun = 0
    for (const node of due) {
      if (begun >= room) break
      if (underWay.has(node.id) || written.has(node.id) || !isWatched(node)) continue
      begun += 1
      underWay.set(
        node.id,
        look(node).then((one) => {
          seen.push(one)
          underWay.delete(node.id)
        }),
      )
    }
    return begun
  }

  async function write(): Promise<void> {
    if (seen.length === 0) return
    const looks = seen
    seen = []
    try {
      const isDown = looks.some(({ seen: one }) => one === 'own-network')
      if (isDown || isOwnDown) {
        isOwnDown = isDown || (!looks.some(wasReached) && (await askCanaries()))
        await book.ownNetwork(isOwnDown, looks[0]?.at ?? clock.now())
      }
      await book.save(looks)
      told = undefined
    } catch (error) {
      // Kept out of the record, and probed again: their turns stand as they were.
      failed(error)
    }
  }

  return {
    /** All that is due now, looked at and written down; when the next turn comes, in ms since 1970. */
    async sweep(): Promise<number | null> {
      while ((await begin(true)) > 0) await Promise.all(underWay.values())
      await write()
      return book.nextDueMs()
    },
    /** Goes on until told to stop; the returned function resolves when what was under way is written down. */
    start(): () => Promise<void> {
      const stop = new AbortController()
      const done = (async () => {
        let wroteAt = clock.monotonicMs()
        while (!stop.signal.aborted) {
          let waitMs = longestMs
          try {
            await begin(clock.monotonicMs() - readWholeAt >= wholeMs)
            if (seen.length > 0 && clock.monotonicMs() - wroteAt >= writeMs) {
              await write()
              wroteAt = clock.monotonicMs()
            }
            waitMs = underWay.size + seen.length > 0 ? pollMs : await untilNext()
          } catch (error) {
            failed(error)
          }
          await clock.sleep(waitMs, stop.signal)
        }
        await Promise.all(underWay.values())
        await write()
      })()
      return async () => {
        stop.abort()
        await done
      }
    },
  }
}

/** Somebody elsewhere has answered, so that the network is there. */
const wasReached = ({ node, seen }: Probe): boolean =>
  seen !== 'own-network' &&
  seen.kind === 'answered' &&
  node.reach !== 'local' &&
  !isOwnMachine(hostOf(node))

export type Prober = ReturnType<typeof prober>

/** When a node of which nothing was learned is looked at again: soon, but not later than its own turn. */
export const afterUnknown = (node: Node, at: Date): Date => {
  const turn = nextTurn(node.id, node.turnSeconds, at.getTime())
  return new Date(Math.min(turn, addSeconds(at, unknownSeconds).getTime()))
}
