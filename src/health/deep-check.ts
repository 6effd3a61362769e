import type { DeepWatch } from './deep-watch.ts'
import type { Node } from './node.ts'

/** How a node is asked for a token. */
export interface DeepCheck {
  /** As given; null: /v1 at the node's own origin. */
  readonly baseUrl: string | null
  /** As given; null: the one that it names at /health. */
  readonly model: string | null
  readonly hasKey: boolean
  /** As asked for. */
  readonly everySeconds: number
  /** As kept within the requests of its tunnel account. */
  readonly turnSeconds: number
  readonly watch: DeepWatch
}

/** A node whose deep probe is due. */
export interface DeepTurn {
  readonly node: Node
  readonly deep: DeepCheck
}

/** The base of the OpenAI-compatible interface that is asked, without a slash at its end. */
export function deepBase(nodeUrl: string, baseUrl: string | null): string {
  return baseUrl ?? `${new URL(nodeUrl).origin}/v1`
}

/** Once an hour. */
export const usualDeepSeconds = 3600
/** Intervals that a person may ask for, in seconds. */
export const shortestDeepSeconds = 600
export const longestDeepSeconds = 7 * 86_400

/** Deep probes are kept so long; after that, only what the days add up to. */
export const keepDeepHours = 48

/** What a header can hold as a key, and a line can show. */
export const bearerKey = /^[!-~]{1,500}$/
