import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { type DeepTurn, deepBase } from './deep-check.ts'
import { type DeepSeen, type DeepVerdict, deepVerdictOf } from './deep-verdict.ts'
import { isOwnMachine } from './node.ts'
import { hostOf } from './noted.ts'
import { type CanaryLook, isOwnNetworkDown } from './own-network.ts'

/** One deep probe, with the node and its check as they were when it began. */
export interface DeepLook extends DeepTurn {
  readonly at: Date
  /** `own-network` where nothing was learned, since this service's own network is down. */
  readonly verdict: DeepVerdict | 'own-network'
}

/** What deep probes need remembered. */
export interface DeepBook {
  /** Those whose turn has come by `toMs`, of nodes that are up, or down for nothing but that they generate nothing. */
  due(toMs: number, most: number): Promise<readonly DeepTurn[]>
  /** When the next such turn comes, in ms since 1970; null where none is wanted. */
  nextDueMs(): Promise<number | null>
  /** The key that goes to it; null without one. @throws AppError where it cannot be opened */
  key(turn: DeepTurn): Promise<string | null>
  /** Writes one with all that follows from it, in one transaction; what has changed meanwhile keeps what it was given. */
  save(look: DeepLook): Promise<void>
}

export interface DeepPorts {
  readonly book: DeepBook
  /** Never throws; ends at once when the signal fires. */
  readonly ask: (
    target: {
      readonly base: string
      readonly model: string | null
      readonly key: string | null
    },
    signal: AbortSignal,
  ) => Promise<DeepSeen>
  readonly canaries: () => Promise<readonly CanaryLook[]>
  readonly clock: Clock
  /** A failure of the book: told, once until it changes or passes, and tried again. */
  readonly failed: (error: unknown) => void
}

/** So many are under way at once at the most: each may take half a minute. */
const mostAtOnce = 4
const shortestMs = 1000
/** While none is wanted, one statement in so long. */
const longestMs = 60_000
/** After a check was given, so often and for so long: its node may have to be probed first. */
const hurryMs = 2000
const hurryForMs = 30_000

/** Asks nodes for one token when their turns come: a queue of its own, so that probes of /health wait for none of it. */
export function deepProber({ book, ask, canaries, clock, failed }: DeepPorts) {
  const underWay = new Map<string, Promise<void>>()
  /** Those that could not be written down are left alone for a while: each costs a token. */
  const resting = new Map<string, number>()
  /** Whoever stops waits for no token. */
  const end = new AbortController()
  let hurryUntil = Number.NEGATIVE_INFINITY
  let pause = new AbortController()
  let told: string | undefined
  const tell = (error: unknown): void => {
    if (messageOf(error) !== told) failed(error)
    told = messageOf(error)
  }

  async function look(turn: DeepTurn): Promise<DeepLook> {
    const { node, deep } = turn
    const at = clock.now()
    let key: string | null
    try {
      key = await book.key(turn)
    } catch (error) {
      // The secrets' file is another one: what to do stands in the error that `unseal` throws.
      tell(error)
      const words = 'its stored key cannot be opened: give it again'
      return { ...turn, at, verdict: { kind: 'refused', words } }
    }
    const base = deepBase(node.url ?? '', deep.baseUrl)
    const model = deep.model ?? node.health?.model ?? null
    const seen = await ask({ base, model, key }, end.signal)
    const needsNone = isOwnMachine(hostOf({ url: base }))
    const isLost = seen.kind === 'failed' && seen.at !== 'refused' && !needsNone
    if (isLost && isOwnNetworkDown(await canaries())) return { ...turn, at, verdict: 'own-network' }
    return { ...turn, at, verdict: deepVerdictOf(seen, key !== null) }
  }

  async function once(turn: DeepTurn): Promise<void> {
    try {
      const one = await look(turn)
      // What was broken off says nothing of the node.
      if (end.signal.aborted) return
      await book.save(one)
      told = undefined
    } catch (error) {
      resting.set(turn.node.id, clock.monotonicMs() + longestMs)
      tell(error)
    }
  }

  /** Begins what is due; the number begun. */
  async function begin(): Promise<number> {
    const room = mostAtOnce - underWay.size
    if (room <= 0) return 0
    const now = clock.monotonicMs()
    for (const [id, until] of resting) if (until <= now) resting.delete(id)
    const most = mostAtOnce + resting.size
    const due = (await book.due(clock.now().getTime(), most)).filter(
      ({ node }) => !underWay.has(node.id) && !resting.has(node.id),
    )
    for (const turn of due.slice(0, room)) {
      const { id } = turn.node
      underWay.set(
        id,
        once(turn).finally(() => underWay.delete(id)),
      )
    }
    return Math.min(room, due.length)
  }

  return {
    /** All that is due now, asked and written down; when the next turn comes, in ms since 1970. */
    async sweep(): Promise<number | null> {
      while ((await begin()) > 0) await Promise.all(underWay.values())
      return book.nextDueMs()
    },
    /** A check was given: its turn may have come. */
    wake(): void {
      hurryUntil = clock.monotonicMs() + hurryForMs
      pause.abort()
    },
    /** Goes on until told to stop; the returned function breaks off what is under way. */
    start(): () => Promise<void> {
      const done = (async () => {
        while (!end.signal.aborted) {
          let waitMs = longestMs
          try {
            const next = await book.nextDueMs()
            const leftMs = next === null ? longestMs : next - clock.now().getTime()
            if (leftMs <= 0) await begin()
            const most = clock.monotonicMs() < hurryUntil ? hurryMs : longestMs
            waitMs = Math.min(most, Math.max(shortestMs, leftMs))
          } catch (error) {
            tell(error)
          }
          await clock.sleep(waitMs, pause.signal)
          pause = new AbortController()
        }
        await Promise.all(underWay.values())
      })()
      return async () => {
        end.abort()
        pause.abort()
        await done
      }
    },
  }
}
