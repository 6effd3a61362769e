import { z } from 'zod'
import type { Alert } from './alert.ts'

/** What happened since the last digest. */
export interface Digest {
  readonly nodes: readonly {
    readonly name: string
    readonly state: string
    /** Share of its looks that were good, 0 to 1; null without any. */
    readonly uptime: number | null
  }[]
  readonly gpuHours: number | null
  readonly steps: number | null
  readonly sessions: number | null
  /** Messages that were parked or refused. */
  readonly undelivered: number
}

const Nodes = z.array(
  z.object({ name: z.string(), state: z.string(), uptime: z.number().nullable() }),
)

/** Whether there is anything to tell. */
export const hasNews = (digest: Digest): boolean =>
  digest.nodes.length > 0 ||
  (digest.gpuHours ?? 0) > 0 ||
  (digest.steps ?? 0) > 0 ||
  (digest.sessions ?? 0) > 0 ||
  digest.undelivered > 0

/** A digest as an alert keeps it. */
export const digestFacts = ({ nodes, ...rest }: Digest): Alert['facts'] => ({
  ...rest,
  nodes: JSON.stringify(nodes),
})

/** The digest of an alert; what is missing or not readable is left out. */
export function digestOf(facts: Alert['facts']): Digest {
  const figure = (name: string): number | null => {
    const value = facts[name]
    return typeof value === 'number' ? value : null
  }
  return {
    nodes: nodesOf(facts.nodes),
    gpuHours: figure('gpuHours'),
    steps: figure('steps'),
    sessions: figure('sessions'),
    undelivered: figure('undelivered') ?? 0,
  }
}

function nodesOf(text: string | number | null | undefined): Digest['nodes'] {
  try {
    return Nodes.parse(JSON.parse(String(text)))
  } catch {
    return [] // written by another version
  }
}

/** The alert of a day's digest: one for a day, whoever makes it. */
export const digestAlert = (digest: Digest, day: string, at: Date): Alert => ({
  id: `digest_${day}`,
  kind: 'digest',
  about: day,
  at,
  dueAt: at,
  thread: null,
  facts: digestFacts(digest),
})
