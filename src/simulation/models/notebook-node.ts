import type { NodeSaid } from '../../rotation/session-gate.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { Handle, VirtualTime } from '../virtual-time.ts'

const hourMs = 3_600_000
/** A server that hangs is known to its own notebook after three looks, ten seconds apart. */
const watchMs = 30_000

/** The adapter that all policies serve. */
const servedAdapter = 'a'.repeat(64)

/** What can be seen of a node from outside. */
export type NodeSight = 'up' | 'tunnel-gone' | 'hung' | 'loading'

export interface NotebookNodeOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly nonce: string
  readonly faults: Faults
  /** It is seen otherwise from now on; its own heartbeats show it from that moment on, or never. */
  readonly turned: (noticedMs: number) => void
}

/** The model that a notebook has put up: it hangs, its tunnel goes, and it is started anew when that is ordered. */
export function notebookNode({ time, seed, nonce, faults, turned }: NotebookNodeOptions) {
  const { now } = time
  const perHour = faults.tunnelsLostPerServedHour + faults.serversHungPerServedHour
  const random = perHour > 0 ? stream(seed, `node/${nonce}`) : null
  let sight: NodeSight = 'up'
  let readyMs = Number.POSITIVE_INFINITY
  let sinceMs = 0
  /** Whether the tunnel's own program knows that it leads nowhere. */
  let isTold = false
  const restarts: number[] = []
  let next: Handle | null = null

  function turn(to: NodeSight, noticedMs: number): void {
    sight = to
    sinceMs = now()
    turned(noticedMs)
  }

  function failLater(): void {
    if (random === null) return
    next = time.at(now() + (random.exponential(1) / perHour) * hourMs, () => {
      const isTunnel = random.chance(faults.tunnelsLostPerServedHour / perHour)
      isTold = isTunnel && random.chance(0.5)
      if (isTunnel) turn('tunnel-gone', isTold ? now() : Number.POSITIVE_INFINITY)
      else turn('hung', now() + watchMs)
    })
  }

  return {
    sight: (): NodeSight => sight,
    begin(): void {
      readyMs = now()
      failLater()
    },
    /** Starts the server anew: one more time than the heartbeat of that moment has told of. */
    restart(sentMs: number): void {
      if (random === null || restarts.some((atMs) => atMs > sentMs)) return
      time.cancel(next)
      restarts.push(now())
      turn('loading', now())
      next = time.at(now() + faults.serverReloadSeconds * 1000, () => {
        const isHealed = !random.chance(faults.serverStaysHungShare)
        turn(isHealed ? 'up' : 'hung', now())
        if (isHealed) failLater()
      })
    },
    end: (): void => time.cancel(next),
    /** What a heartbeat of that moment says. */
    said(ms: number): NodeSaid {
      const isOut = (sight === 'hung' && sinceMs + watchMs <= ms) || sight === 'loading'
      return {
        ready: readyMs <= ms && !isOut,
        url: null,
        adapter: servedAdapter,
        freeVramBytes: null,
        ...(random === null
          ? {}
          : {
              tunnel: isTold && sight === 'tunnel-gone' && sinceMs <= ms ? 'down' : 'up',
              restarts: restarts.filter((atMs) => atMs <= ms).length,
            }),
      }
    },
  }
}

export type NotebookNode = ReturnType<typeof notebookNode>
