import type { Config } from '../config/schema.ts'
import { type FollowUpPorts, followUp, incidentDesk } from '../control/incidents.ts'
import { nodeHistory } from '../control/node-history.ts'
import { nodeDesk, usualInterval } from '../control/nodes.ts'
import { startBeat } from '../daemon/heart.ts'
import { deepProber } from '../health/deep-prober.ts'
import type { Node } from '../health/node.ts'
import type { Seen } from '../health/probe.ts'
import { prober } from '../health/prober.ts'
import type { Clock } from '../lib/clock.ts'
import { addressGuard } from '../providers/probe/address-guard.ts'
import { deepProbe } from '../providers/probe/deep-probe.ts'
import { httpProbe } from '../providers/probe/http-probe.ts'
import { isBeatMissed } from '../rotation/session.ts'
import type { Storage } from './storage.ts'

/** For a whole look; an outage is known in 5 min 30 s with it. */
const lookMs = 5000
/** For a token: a model may have to be loaded first. */
const deepMs = 30_000
/** What a session on this very machine says of its address. */
const ownMachine = ['127.0.0.1', '::1', 'localhost']

export interface NodeOptions {
  readonly config: Config
  readonly clock: Clock
  /** A look through a session that calls out. Never throws. */
  readonly lookThrough: (sessionId: string, timeoutMs: number) => Promise<Seen>
  /** Ends a session for another; done twice it is once. */
  readonly giveUp: (sessionId: string, reason: string) => Promise<void>
  readonly failed: (error: unknown) => void
}

/** Nodes: who looks at them, what follows, and what people do with them. */
export function openNodes(storage: Storage, options: NodeOptions) {
  const { config, clock, failed } = options
  const now = () => clock.now()
  const settles = config.RODIZIO_SETTLE_SECONDS
  const guard = addressGuard(config.RODIZIO_ALLOW_PRIVATE)
  const lookAt = httpProbe({ guard, clock, timeoutMs: lookMs })
  const lookHere = httpProbe({ guard: addressGuard(ownMachine), clock, timeoutMs: lookMs })
  const look = (node: Node): Promise<Seen> => {
    if (node.reach === 'relay') return options.lookThrough(node.sessionId ?? '', lookMs)
    return (node.reach === 'local' ? lookHere : lookAt)(node.url ?? '')
  }
  const canaries = () =>
    Promise.all(
      config.RODIZIO_CANARIES.map(async (address) => ({
        address,
        isReached: (await lookAt(address)).kind === 'answered',
      })),
    )
  const isHeard = async ({ sessionId }: Node): Promise<boolean> => {
    if (sessionId === null) return false
    const session = await storage.session(sessionId)
    return session !== undefined && session.endedAt === null && !isBeatMissed(session, now())
  }
  const ask = deepProbe({ guard, clock, timeoutMs: deepMs })
  const asking = deepProber({ book: storage.deepProbes(settles), ask, canaries, clock, failed })
  const desk = nodeDesk({
    rows: storage.nodes,
    admit: guard.admit,
    look,
    deepGiven: asking.wake,
    now,
  })
  const incidents = incidentDesk({ rows: storage.incidents, node: desk.must, now })
  const history = nodeHistory(storage.probeHistory, storage.deepHistory, now)
  const probing = prober({ book: storage.probes(settles), look, isHeard, canaries, clock, failed })
  const { rotation } = storage
  const follow: FollowUpPorts = {
    rows: storage.incidents,
    restart: async (sessionId, reason) => {
      await rotation.apply({ kind: 'restart-asked', sessionId, reason })
    },
    replace: options.giveUp,
    now,
  }
  return {
    desk,
    incidents,
    history,
    /** Brings nodes to what their sessions have said, and does what open incidents call for. */
    async tick(): Promise<void> {
      await storage.syncNodes(usualInterval, settles)
      await followUp(follow)
    },
    /** Begins to look; the returned function stops all of it. */
    start(): () => Promise<void> {
      const certificates = () => storage.incidents.tellCertificates()
      const stops = [
        startBeat({ everySeconds: 3600, work: certificates, failed }, clock),
        probing.start(),
        asking.start(),
        startBeat(
          {
            everySeconds: 5,
            work: async () => void (await storage.incidents.settleHeld()),
            failed,
          },
          clock,
        ),
        startBeat(
          { everySeconds: 60, work: async () => void (await storage.incidents.remind()), failed },
          clock,
        ),
        startBeat(
          { everySeconds: 30, work: async () => void (await storage.probeHistory.tidy()), failed },
          clock,
        ),
      ]
      return async () => {
        await Promise.all(stops.map((stop) => stop()))
      }
    },
  }
}

export type Nodes = ReturnType<typeof openNodes>
