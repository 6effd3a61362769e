import { type CauseKind, consequenceOf } from '../health/cause.ts'
import { nextTurn } from '../health/turn.ts'
import { looked, newWatch, usualRhythm, type Watch } from '../health/watch.ts'
import { secondsBetween } from '../lib/clock.ts'
import { restartSeconds } from '../rotation/session.ts'
import type { NodeSight } from './models/notebook-node.ts'
import type { Handle, VirtualTime } from './virtual-time.ts'

/** What a look finds for each thing that it can see. */
const causes: Readonly<Record<Exclude<NodeSight, 'up'>, CauseKind>> = {
  'tunnel-gone': 'tunnel-gone',
  hung: 'timeout',
  loading: 'server-dead',
}
const words: Partial<Record<CauseKind, string>> = {
  'tunnel-gone': 'its tunnel is gone',
  timeout: 'it did not answer in time',
  'server-dead': 'its tunnel is there, and no server behind it',
}
/** Said of a node whose restart has not brought it back. */
const notBack = 'its server was started anew and has not answered since'
/** What could not be done is tried again after so long. */
const retryMs = 10_000

export interface ProberOptions {
  readonly time: VirtualTime
  /** Whether the service can do nothing now: it is dead, or nothing can be written. */
  readonly isDown: () => boolean
  /** Whether that session is open, and is a node. */
  readonly isOpen: (sessionId: string) => boolean
  readonly sightOf: (sessionId: string) => NodeSight
  /** Delivers the heartbeats that have been sent since. */
  readonly hear: () => Promise<void>
  readonly askRestart: (sessionId: string, reason: string) => Promise<void>
  readonly lose: (sessionId: string, reason: string) => Promise<void>
}

interface Watched {
  watch: Watch
  next: Handle | null
  /** When its restart was ordered; null while none is waited for. */
  askedAt: Date | null
  /** What is to be done and has not been written down yet. */
  wanted: { readonly kind: 'replace' | 'restart'; readonly reason: string } | null
}

/**
 * Looks at nodes in the rhythm of src/health and does what follows from what it finds. A look at a node that is up changes
 * nothing, so that there are looks only from the moment on in which a node is seen otherwise.
 */
export function prober(options: ProberOptions) {
  const { time } = options
  const nodes = new Map<string, Watched>()

  function lookAt(id: string, atMs: number): void {
    const node = nodes.get(id)
    if (!node || (node.next?.work && node.next.atMs <= atMs)) return
    time.cancel(node.next)
    node.next = time.at(atMs, () => look(id))
  }

  async function look(id: string): Promise<void> {
    const node = nodes.get(id)
    if (!node) return
    if (!options.isOpen(id)) {
      nodes.delete(id)
      return
    }
    if (options.isDown()) {
      lookAt(id, time.now() + retryMs)
      return
    }
    await options.hear()
    const at = time.date()
    if (!node.wanted) judge(id, node, at)
    if (node.wanted) await act(id, node)
    if (!nodes.has(id) || node.wanted) return
    if (node.watch.state === 'up' && node.watch.doubts === 0) return
    const untilLook = secondsBetween(at, node.watch.nextProbeAt)
    // One that does not come back is looked at in the very moment in which its time is over.
    const left = node.askedAt ? restartSeconds - secondsBetween(node.askedAt, at) : 0
    lookAt(id, time.now() + Math.max(1, left > 0 ? Math.min(untilLook, left) : untilLook) * 1000)
  }

  /** What a look finds, and what that asks for. */
  function judge(id: string, node: Watched, at: Date): void {
    const sight = options.sightOf(id)
    const kind = sight === 'up' ? null : causes[sight]
    const found = kind ? { kind, words: words[kind] ?? kind, retryAfterSeconds: null } : 'up'
    const { watch, happened } = looked(node.watch, found, at, new Date(turnAfter(id, at)))
    node.watch = watch
    const isBack = happened.some(({ kind: what }) => what === 'came-back')
    if (isBack) node.askedAt = null
    const isDown = happened.some(
      (what) => what.kind === 'went-down' || (what.kind === 'steadied' && !what.isUp),
    )
    const consequence = isDown && watch.cause ? consequenceOf[watch.cause.kind] : 'none'
    if (consequence === 'replace' || consequence === 'restart')
      node.wanted = { kind: consequence, reason: watch.cause?.words ?? '' }
    // One that was good at this look is waited for until the next one.
    else if (node.askedAt && watch.hopes === 0 && !isBack) {
      if (secondsBetween(node.askedAt, at) >= restartSeconds)
        node.wanted = { kind: 'replace', reason: notBack }
    }
  }

  async function act(id: string, node: Watched): Promise<void> {
    if (!node.wanted) return
    const { kind, reason } = node.wanted
    try {
      if (kind === 'replace') await options.lose(id, reason)
      else await options.askRestart(id, reason)
    } catch {
      // The service has died in the middle of it, or nothing can be written.
      lookAt(id, time.now() + retryMs)
      return
    }
    node.wanted = null
    if (kind === 'replace') nodes.delete(id)
    else node.askedAt = time.date()
  }

  /** The node's own turn, by the service's clock. */
  const turnAfter = (id: string, at: Date): number =>
    nextTurn(id, usualRhythm.intervalSeconds, at.getTime())

  return {
    /** A node is seen otherwise: it is looked at in its turn, or when a heartbeat tells of it or is missed. */
    suspect(id: string, noticedMs: number): void {
      const at = time.date()
      if (!nodes.has(id)) {
        const { watch } = looked(newWatch(at, at), 'up', at, at)
        nodes.set(id, { watch, next: null, askedAt: null, wanted: null })
      }
      const inTurnMs = time.now() + turnAfter(id, at) - at.getTime()
      lookAt(id, Math.min(inTurnMs, noticedMs))
    },
  }
}
