import type { NodeHealth } from './cause.ts'
import type { Watch } from './watch.ts'

/** How it is asked: at an address, through the session that serves it and calls out, or at an address of this very machine. */
export type Reach = 'url' | 'relay' | 'local'

/** A served model that is looked at. */
export interface Node {
  readonly id: string
  /** Short, for the many rows of looks. */
  readonly number: number
  /** Stays, whatever becomes of its address. Untrusted where it is shown. */
  readonly name: string
  /** Added by a person, or put up by a session of a serving policy. */
  readonly kind: 'static' | 'session'
  /** Null while there is nothing to be looked at, and for one that is reached by relay. */
  readonly url: string | null
  readonly reach: Reach
  /** Nodes behind one tunnel account share its requests; null for any other. */
  readonly tunnelAccount: string | null
  /** The ids of the nodes without which it is not reached. */
  readonly dependsOn: readonly string[]
  /** It is up when anything answers there: no served model, but what others depend on. */
  readonly anyAnswer: boolean
  readonly policyId: string | null
  /** In which it runs now. */
  readonly sessionId: string | null
  /** The run whose adapter is to answer, by id; null where any is right. */
  readonly expectedRun: string | null
  /** As asked for. */
  readonly intervalSeconds: number
  /** As kept: see `intervalWithin`. */
  readonly turnSeconds: number
  readonly isPublic: boolean
  /** What is shown: `idle` while nothing is to be looked at, `unknown` too while our own network is down. */
  readonly state: Watch['state'] | 'idle'
  readonly watch: Watch
  /** What the newest good look said; null before any. */
  readonly health: NodeHealth | null
  /** Of the newest look that was answered, in milliseconds. */
  readonly latencyMs: number | null
  readonly probedAt: Date | null
  readonly certificateEndsAt: Date | null
  readonly createdAt: Date
}

/** Whether there is anything to look at. */
export const isWatched = ({ url, reach, sessionId }: Node): boolean =>
  reach === 'relay' ? sessionId !== null : url !== null

/** Hosts of ngrok, whose free accounts count requests (ngrok.com/docs/universal-gateway/domains, read 2026-11). */
const ngrokHost = /\.ngrok(?:-free)?\.(?:app|dev|io|pizza)$/

/** The tunnel account that a host's requests count for when nobody names one; null for a host that counts none. */
export const usualTunnelAccount = (host: string): string | null =>
  ngrokHost.test(host) ? 'ngrok' : null

/** A host on this very machine: what is wrong with it has nothing to do with the network. */
export const isOwnMachine = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)

/** Names that are plain in a URL, a mail's subject and a shell. */
export const nodeName = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$/u
