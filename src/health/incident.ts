import { addSeconds, secondsBetween } from '../lib/clock.ts'
import { type Cause, type Consequence, consequenceOf } from './cause.ts'
import type { Happened } from './watch.ts'

/** From the first look that showed an outage until its end, or for as long as a node changes too often. */
export interface Incident {
  readonly id: string
  /** The node's id. */
  readonly node: string
  readonly kind: 'down' | 'unstable'
  /** Its alerts answer each other; an incident that another turned into keeps that one's. */
  readonly thread: string
  /** When the first of the looks failed that made it. */
  readonly startedAt: Date
  /** When it was known. */
  readonly openedAt: Date
  readonly closedAt: Date | null
  /** What was found first. */
  readonly cause: Cause | null
  /** The session in which the node ran then. */
  readonly sessionId: string | null
  /** What follows where a serving policy keeps the node up. */
  readonly consequence: Exclude<Consequence, 'wait-out'>
  /** When its restart was ordered, and when its session was given up for another. */
  readonly restartAt: Date | null
  readonly replacedAt: Date | null
  readonly acknowledgedAt: Date | null
  readonly acknowledgedBy: string | null
  /** When people were last told of it. */
  readonly toldAt: Date
  /** Since when people are not told of it, because of what its node depends on; null once they are. See `wordOf`. */
  readonly heldAt: Date | null
  /** The id of the node that is down and that its node depends on; null while none is known to be. */
  readonly heldBy: string | null
}

/** What people hear of an incident. */
export type Told = 'node-down' | 'node-unstable' | 'node-recovered'

export interface IncidentChange {
  /** Incidents as they are from now on: an old one that closes before the new one that opens. */
  readonly incidents: readonly Incident[]
  /** The one of them that goes on, or the one that ended. */
  readonly told: { readonly kind: Told; readonly incident: Incident; readonly dueAt: Date } | null
  /** A recovery that was not told yet is true no longer: alerts of that kind in this thread go. */
  readonly isRecoveryWithdrawn: boolean
  /** What stands in the incident's record, in words. */
  readonly step: string | null
}

/**
 * So long a node has to stay up before its recovery is told: one that goes down again before goes on with the same incident, so
 * that a node that flips is two messages instead of twenty.
 */
export const settleSeconds = 600

/** While it goes on, people are told again so often. */
export const remindSeconds = 6 * 3600

/**
 * What a look's news does to the node's incidents. A node has at most one open: one that is down and begins to flip has its outage
 * closed and an unstable one opened in the same thread, one that steadies as down an outage again. Pure.
 * @param last the newest incident of the node, open or closed
 * @param settles how long a node has to stay up before that is told, in seconds
 * @param id of the incident that may open, made from the node and the moment, so that a repeated look opens none beside it
 */
export function incidentAfter(
  last: Incident | null,
  about: { readonly node: string; readonly id: string; readonly sessionId: string | null },
  happened: Happened,
  cause: Cause | null,
  now: Date,
  settles = settleSeconds,
): IncidentChange {
  const open = last && last.closedAt === null ? last : null
  const settling = last?.closedAt && secondsBetween(last.closedAt, now) < settles ? last : null
  const closed = open ? [{ ...open, closedAt: now }] : []
  const begun = (kind: Incident['kind'], startedAt: Date, why: Cause | null): Incident => ({
    id: about.id,
    node: about.node,
    kind,
    thread: (open ?? settling)?.thread ?? about.id,
    startedAt,
    openedAt: now,
    closedAt: null,
    cause: why,
    sessionId: about.sessionId,
    consequence: followsFrom(why),
    restartAt: null,
    replacedAt: null,
    acknowledgedAt: null,
    acknowledgedBy: null,
    toldAt: now,
    heldAt: null,
    heldBy: null,
  })
  const tell = (kind: Told, incident: Incident, dueAt = now) => ({ kind, incident, dueAt })
  switch (happened.kind) {
    case 'went-down': {
      if (open?.kind === 'down') return nothing
      if (settling?.kind === 'down') {
        const goesOn = {
          ...settling,
          closedAt: null,
          sessionId: about.sessionId,
          consequence: followsFrom(happened.cause),
          restartAt: null,
          replacedAt: null,
        }
        const step = `down again: ${happened.cause.words}`
        return { incidents: [goesOn], told: null, isRecoveryWithdrawn: true, step }
      }
      const opened = begun('down', happened.from, happened.cause)
      return {
        incidents: [...closed, opened],
        told: tell('node-down', opened),
        isRecoveryWithdrawn: false,
        step: `down: ${happened.cause.words}`,
      }
    }
    case 'became-unstable': {
      if (open?.kind === 'unstable') return nothing
      const before = open ?? settling
      const opened = begun('unstable', before?.startedAt ?? now, before?.cause ?? cause)
      return {
        incidents: [...closed, { ...opened, consequence: 'none' }],
        told: tell('node-unstable', opened),
        isRecoveryWithdrawn: settling !== null,
        step: `it has changed ${happened.changes} times of late: unstable`,
      }
    }
    case 'steadied': {
      if (happened.isUp) return recovered(open, now, 'steady again, and up', now)
      const opened = begun('down', now, cause)
      return {
        incidents: [...closed, opened],
        told: tell('node-down', opened),
        isRecoveryWithdrawn: false,
        step: 'steady again, and down',
      }
    }
    case 'came-back':
    case 'came-up':
      return recovered(open, now, 'up again', addSeconds(now, settles))
    case 'limited':
      // Nothing is known of the node any more: its outage is neither over nor going on.
      return {
        incidents: closed,
        told: null,
        isRecoveryWithdrawn: false,
        step: open && `not asked any more: ${happened.cause.words}`,
      }
    case 'blip':
      return nothing
  }
}

const nothing: IncidentChange = {
  incidents: [],
  told: null,
  isRecoveryWithdrawn: false,
  step: null,
}

function recovered(open: Incident | null, now: Date, step: string, dueAt: Date): IncidentChange {
  if (!open) return nothing
  const incident = { ...open, closedAt: now }
  return {
    incidents: [incident],
    told: { kind: 'node-recovered', incident, dueAt },
    isRecoveryWithdrawn: false,
    step,
  }
}

function followsFrom(cause: Cause | null): Incident['consequence'] {
  const follows = cause ? consequenceOf[cause.kind] : 'none'
  return follows === 'wait-out' ? 'none' : follows
}

/** So long it lasted, in seconds; up to now while it is open. */
export const durationSeconds = ({ startedAt, closedAt }: Incident, now: Date): number =>
  Math.max(0, ((closedAt ?? now).getTime() - startedAt.getTime()) / 1000)

/** What is due for an open incident whose node a policy keeps up. */
export type Due = 'replace' | 'restart' | null

/**
 * What has to be done next, and has not been. Pure; done twice it is asked for again until it is written down.
 * @param restartSeconds how long a server that was ordered to start again has to answer; then its session is replaced
 */
export function dueFor(incident: Incident, now: Date, restartSeconds: number): Due {
  if (incident.closedAt !== null || incident.sessionId === null) return null
  if (incident.replacedAt !== null || incident.consequence === 'none') return null
  if (incident.consequence === 'replace') return 'replace'
  if (incident.restartAt === null) return 'restart'
  return secondsBetween(incident.restartAt, now) >= restartSeconds ? 'replace' : null
}
