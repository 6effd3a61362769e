import { addSeconds } from '../lib/clock.ts'
import { sha256Hex } from '../lib/random.ts'
import type { EventKind } from '../rotation/event.ts'
import type { Alert, AlertKind } from './alert.ts'

/** An event of the rotation, as it is about to be written. */
export interface Happened {
  readonly kind: EventKind
  readonly at: Date
  readonly runId: string | null
  readonly sessionId: string | null
  readonly data: Readonly<Record<string, unknown>>
}

/** What is known of the run of an event besides. */
export interface RunOfEvent {
  readonly name: string
  /** It is the sample that a first start shows: nobody is written to about its course. */
  readonly isSample: boolean
}

/** What an event leads to: alerts that are written, and some that are overtaken by it. */
export interface FromEvent {
  readonly alerts: readonly Alert[]
  /** Of alerts that nobody was told of yet. */
  readonly withdrawn: readonly { readonly thread: string; readonly kind: AlertKind }[]
  /** It counts only while no other of its kind and thread waits to be told. */
  readonly once?: true
}

/** A run that waits for so long is told of. */
export const stalledSeconds = 24 * 3600

const nothing: FromEvent = { alerts: [], withdrawn: [] }

/** Kinds of events that are told to people, or overtake what would be: of these alone the run is looked up. */
export const toldEvents: ReadonlySet<EventKind> = new Set([
  'session.awaiting_person',
  'session.reminder',
  'session.launched',
  'session.enrolled',
  'session.ended',
  'run.waiting',
  'run.stopped',
  'run.completed',
  'run.failed',
  'checkpoint.damaged',
  'adapter.promoted',
  'adapter.rejected',
  'adapter.publish_blocked',
  'google.signed_out',
  'hub.signed_out',
  'hub.uploads_low',
  'service.restored',
])

/**
 * The alerts of an event. Sessions that end as the rotation has them end are none, neither
 * is one whose node is told to be down; of the sample run only its end is told.
 * Ids are made from the event, so that an event that is written twice is told once.
 */
export function alertsFromEvent(event: Happened, run: RunOfEvent | null): FromEvent {
  const { kind, data, sessionId, runId } = event
  const name = run?.name ?? text(data.run) ?? text(data.policy) ?? 'Rodízio'
  const make = (
    alert: Pick<Alert, 'kind' | 'facts'> & Partial<Pick<Alert, 'thread' | 'dueAt' | 'about'>>,
  ): FromEvent => ({
    alerts: [
      {
        id: `ev_${idOf(event)}`,
        about: name,
        at: event.at,
        dueAt: event.at,
        thread: sessionId,
        ...alert,
      },
    ],
    withdrawn: [],
  })
  const waited = runId === null ? [] : [{ thread: stallOf(runId), kind: 'run-stalled' as const }]
  const asked = sessionId === null ? [] : [{ thread: sessionId, kind: 'action-needed' as const }]
  if (run?.isSample && kind !== 'run.completed') return nothing
  switch (kind) {
    case 'session.awaiting_person':
    case 'session.reminder': {
      // The person of the emulators comes by himself.
      if (data.emulated === true) return nothing
      const { alerts } = make({
        kind: 'action-needed',
        facts: {
          link: text(data.link),
          owner: text(data.owner),
          account: text(data.account),
          expiresAt: text(data.expiresAt),
          ...(kind === 'session.reminder' ? { reminder: 1 } : {}),
        },
      })
      return { alerts, withdrawn: kind === 'session.reminder' ? [] : waited }
    }
    case 'session.launched':
      return { alerts: [], withdrawn: waited }
    case 'session.enrolled':
      return { alerts: [], withdrawn: [...asked, ...waited] }
    case 'session.ended': {
      const outcome = text(data.outcome)
      const isNodeTold = data.serves === true && data.answered === true
      const isBad = outcome === 'lost' || outcome === 'failed'
      if (!isBad || isNodeTold || data.staged === true) return { alerts: [], withdrawn: asked }
      const { alerts } = make({
        kind: 'session-lost',
        facts: {
          outcome,
          generation: figure(data.generation),
          account: text(data.account),
          words: text(data.reason),
          ...(data.serves === true
            ? {}
            : { checkpointStep: figure(data.checkpointStep), lostSteps: figure(data.lostSteps) }),
        },
      })
      return { alerts, withdrawn: asked }
    }
    case 'run.waiting': {
      if (runId === null) return nothing
      const made = make({
        kind: 'run-stalled',
        thread: stallOf(runId),
        dueAt: addSeconds(event.at, stalledSeconds),
        facts: { words: text(data.why), from: event.at.toISOString() },
      })
      return { ...made, once: true }
    }
    case 'run.stopped':
      return { alerts: [], withdrawn: waited }
    case 'run.completed': {
      const facts = { step: figure(data.step), sessions: figure(data.sessions) }
      return { ...make({ kind: 'run-finished', thread: runId, facts }), withdrawn: waited }
    }
    case 'run.failed': {
      const facts = { words: text(data.failure) }
      return { ...make({ kind: 'run-failed', thread: runId, facts }), withdrawn: waited }
    }
    case 'checkpoint.damaged':
      return make({ kind: 'checkpoint-damaged', facts: { step: figure(data.step) } })
    case 'adapter.promoted':
    case 'adapter.rejected': {
      if (data.by !== 'policy') return nothing // who did it knows
      const facts = { words: `${text(data.version)}: ${text(data.why)}` }
      const isPromoted = kind === 'adapter.promoted'
      return make({
        kind: isPromoted ? 'adapter-promoted' : 'adapter-rejected',
        about: text(data.line) ?? name,
        thread: runId,
        facts,
      })
    }
    case 'adapter.publish_blocked': {
      const version = text(data.version)
      const facts = {
        words: `mend what keeps ${version} from ${text(data.target)} (rodizio adapters show ${version})`,
      }
      return make({ kind: 'action-needed', about: text(data.line) ?? name, thread: null, facts })
    }
    case 'hub.uploads_low': {
      const words = `${figure(data.megabytes)} of ${figure(data.most)} MB of this month have gone to the hub`
      return make({ kind: 'quota-low', about: 'the hub of models', thread: null, facts: { words } })
    }
    case 'google.signed_out':
    case 'hub.signed_out': {
      if (data.asked === true) return nothing
      const isGoogle = kind === 'google.signed_out'
      const facts = { words: `sign in again with: rodizio login ${isGoogle ? 'google' : 'hub'}` }
      const about = isGoogle ? 'Google' : 'the hub of models'
      return make({ kind: 'action-needed', about, thread: null, facts })
    }
    case 'service.restored': {
      const facts = {
        from: text(data.madeAt),
        sessions: figure(data.endedSessions),
        parked: figure(data.parkedMessages),
      }
      return make({ kind: 'service-restored', about: 'Rodízio', thread: null, facts })
    }
    default:
      return nothing
  }
}

const stallOf = (runId: string): string => `stalled ${runId}`

const idOf = ({ kind, at, runId, sessionId, data }: Happened): string =>
  sha256Hex(JSON.stringify([kind, at.toISOString(), runId, sessionId, data])).slice(0, 20)

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const figure = (value: unknown): number | null => (typeof value === 'number' ? value : null)
