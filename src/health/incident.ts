import type { Cause } from './cause.ts'
import type { Happened } from './watch.ts'

/** From the first look that showed an outage until its end, or for as long as a node changes too often. */
export interface Incident {
  readonly id: string
  readonly node: string
  readonly kind: 'down' | 'unstable'
  /** When the first of the looks failed that made it. */
  readonly startedAt: Date
  /** When it was known. */
  readonly openedAt: Date
  readonly closedAt: Date | null
  /** What was found first. */
  readonly cause: Cause | null
}

export interface IncidentChange {
  readonly opened: Incident | null
  readonly closed: Incident | null
}

/**
 * What a look's news does to the node's open incident. A node has at most one: one that is down and begins to flip has its outage
 * closed and an unstable one opened, one that steadies as down an outage again. Pure; asked twice for the same news it gives the same.
 * @param id of the incident that may open, made from the node and the moment, so that a repeated look opens none beside it
 */
export function incidentAfter(
  open: Incident | null,
  { node, id }: { readonly node: string; readonly id: string },
  happened: Happened,
  cause: Cause | null,
  now: Date,
): IncidentChange {
  const closed = open && { ...open, closedAt: now }
  const begun = (kind: Incident['kind'], startedAt: Date, why: Cause | null): Incident => ({
    id,
    node,
    kind,
    startedAt,
    openedAt: now,
    closedAt: null,
    cause: why,
  })
  switch (happened.kind) {
    case 'went-down':
      return open?.kind === 'down'
        ? { opened: null, closed: null }
        : { opened: begun('down', happened.from, happened.cause), closed }
    case 'became-unstable':
      return open?.kind === 'unstable'
        ? { opened: null, closed: null }
        : { opened: begun('unstable', open?.startedAt ?? now, open?.cause ?? cause), closed }
    case 'steadied':
      return happened.isUp
        ? { opened: null, closed }
        : { opened: begun('down', now, cause), closed }
    case 'came-back':
    case 'came-up':
      return { opened: null, closed }
    case 'limited':
      // Nothing is known of the node any more: its outage is neither over nor going on.
      return { opened: null, closed }
    case 'blip':
      return { opened: null, closed: null }
  }
}

/** So long it lasted, in seconds; up to now while it is open. */
export const durationSeconds = ({ startedAt, closedAt }: Incident, now: Date): number =>
  Math.max(0, ((closedAt ?? now).getTime() - startedAt.getTime()) / 1000)
