import { dueFor, type Incident } from '../health/incident.ts'
import type { Node } from '../health/node.ts'
import type { Silence } from '../health/silence.ts'
import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { restartSeconds } from '../rotation/session.ts'
import { isZone, zoneExamples } from '../rotation/zone.ts'

/** What stands in the record of an incident, in order. */
export interface IncidentStep {
  readonly at: Date
  /** Seen by looks, done by this service, done by a person. */
  readonly kind: 'seen' | 'done' | 'person'
  readonly words: string
}

export interface NamedIncident {
  readonly incident: Incident
  /** The node's name; it may be removed by now. */
  readonly node: string
  /** The name of what is down above its node, while people are not told for that. */
  readonly heldBy: string | null
}

export interface IncidentRows {
  /** Newest first; `cursor` is the id of the last one seen. */
  incidents(
    which: { readonly isOpen: boolean; readonly node: string | undefined },
    limit: number,
    cursor: string | undefined,
  ): Promise<{ readonly items: readonly NamedIncident[]; readonly next: string | null }>
  incident(
    id: string,
  ): Promise<(NamedIncident & { readonly steps: readonly IncidentStep[] }) | undefined>
  /**
   * Those that go on and call for something that has not been done yet, or may do so; without those that wait for what their node
   * depends on.
   */
  unfinished(): Promise<readonly Incident[]>
  /** People are reminded of it no longer; a second time changes nothing. */
  acknowledge(id: string, by: string): Promise<void>
  /** What was done about it stands in its record. */
  done(id: string, what: 'restart' | 'replace', words: string): Promise<void>
  /**
   * Tells of incidents that were held because of what their nodes depend on, and are held no longer; the number of them. Cheap where
   * none is held.
   */
  settleHeld(): Promise<number>
  /** Writes the alerts of incidents that go on for long enough since people were last told; the number of them. */
  remind(): Promise<number>
  /** Writes the alerts of certificates that end soon: each once two weeks before, and once three days before. */
  tellCertificates(): Promise<void>
  silences(): Promise<readonly (Silence & { readonly nodeName: string | null })[]>
  silence(silence: Silence): Promise<void>
  /** Undefined where there is none. */
  endSilence(id: string): Promise<Silence | undefined>
}

export interface WantedSilence {
  /** A node's name; left out, all of them. */
  readonly node?: string | undefined
  readonly kind: 'silence' | 'maintenance'
  readonly startsAt?: string | undefined
  readonly endsAt: string
  readonly weekly?: boolean | undefined
  readonly zone?: string | undefined
  readonly why?: string | undefined
  readonly by: string
}

export interface IncidentPorts {
  readonly rows: IncidentRows
  readonly node: (name: string) => Promise<Node>
  readonly now: () => Date
}

const longestSilenceMs = 31 * 86_400_000
const weekMs = 7 * 86_400_000

/** What a person does about incidents. */
export function incidentDesk({ rows, node, now }: IncidentPorts) {
  async function must(id: string) {
    const found = await rows.incident(id)
    if (found) return found
    throw new AppError('not-found', `there is no incident ${JSON.stringify(id.slice(0, 80))}`, {
      code: 'incident_unknown',
      next: 'rodizio incidents shows them all',
    })
  }
  return {
    must,
    list: rows.incidents,
    silences: rows.silences,
    /** @throws AppError `conflict` (`incident_closed`) for one that is over */
    async acknowledge(id: string, by: string) {
      const { incident } = await must(id)
      if (incident.closedAt !== null) {
        throw new AppError('conflict', `incident ${id} is over already`, {
          code: 'incident_closed',
          next: 'Nobody is reminded of it any more',
        })
      }
      await rows.acknowledge(id, by)
      return must(id)
    },
    /** @throws AppError `invalid` for a span that cannot be: there is always an end, a month away at the most */
    async silence(wanted: WantedSilence): Promise<Silence & { readonly nodeName: string | null }> {
      const at = now()
      const startsAt = wanted.startsAt === undefined ? at : new Date(wanted.startsAt)
      const endsAt = new Date(wanted.endsAt)
      const lengthMs = endsAt.getTime() - startsAt.getTime()
      const zone = wanted.zone ?? 'UTC'
      if (!isZone(zone)) {
        throw new AppError('invalid', `${JSON.stringify(zone)} is no time zone`, {
          code: 'zone_unknown',
          next: zoneExamples,
        })
      }
      if (!(lengthMs > 0) || endsAt <= at) {
        throw new AppError('invalid', 'a silence ends after it begins, and not in the past', {
          code: 'silence_invalid',
          next: 'For example: rodizio alerts silence house --for 2h',
        })
      }
      if (lengthMs > (wanted.weekly ? weekMs : longestSilenceMs)) {
        throw new AppError('invalid', 'a silence lasts 31 days at the most, a weekly one 7', {
          code: 'silence_too_long',
          next: 'Take a shorter one; it can be given again',
        })
      }
      const one = wanted.node === undefined ? null : await node(wanted.node)
      const silence: Silence = {
        id: newId('sil'),
        node: one?.id ?? null,
        kind: wanted.kind,
        startsAt,
        endsAt,
        isWeekly: wanted.weekly ?? false,
        zone,
        why: wanted.why ?? null,
        madeBy: wanted.by,
        createdAt: at,
        endedAt: null,
      }
      await rows.silence(silence)
      return { ...silence, nodeName: one?.name ?? null }
    },
    async endSilence(id: string): Promise<Silence> {
      const ended = await rows.endSilence(id)
      if (ended) return ended
      throw new AppError('not-found', `there is no silence ${JSON.stringify(id.slice(0, 80))}`, {
        code: 'silence_unknown',
        next: 'rodizio alerts silences shows those there are',
      })
    },
  }
}

export type IncidentDesk = ReturnType<typeof incidentDesk>

export interface FollowUpPorts {
  readonly rows: IncidentRows
  /** Orders the session by its next heartbeat to start its server again. Done twice it is one restart. */
  readonly restart: (sessionId: string, reason: string) => Promise<void>
  /** Gives the session up for another. Done twice it is once. */
  readonly replace: (sessionId: string, reason: string) => Promise<void>
  readonly now: () => Date
}

/**
 * Does what open incidents call for: the deed first, then its record, so that who dies in between does it again, which changes
 * nothing.
 */
export async function followUp({ rows, restart, replace, now }: FollowUpPorts): Promise<void> {
  for (const incident of await rows.unfinished()) {
    const due = dueFor(incident, now(), restartSeconds)
    if (due === null || incident.sessionId === null) continue
    const why = incident.cause?.words ?? 'its node is down'
    if (due === 'restart') {
      await restart(incident.sessionId, why)
      await rows.done(incident.id, 'restart', 'its server was ordered to start again')
    } else {
      await replace(incident.sessionId, why)
      const after = incident.restartAt === null ? '' : ', since it did not come back'
      await rows.done(incident.id, 'replace', `another session was asked for in its place${after}`)
    }
  }
}
