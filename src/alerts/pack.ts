import { secondsBetween } from '../lib/clock.ts'
import type { Alert } from './alert.ts'
import type { ChannelRules } from './channel.ts'
import { backlogOf, envelopesOf, usualGrouping } from './envelope.ts'
import { quietUntil } from './quiet-hours.ts'

/** An alert that was dealt to a channel and is in none of its messages yet. */
export interface Held {
  readonly alert: Alert
  /** Whether its hour had too many messages. */
  readonly isOver: boolean
}

/** What a channel has done so far. */
export interface Past {
  /** Threads of which it has been told that something began. */
  readonly threads: ReadonlySet<string>
  /** When the messages of the last hour were made, oldest first. */
  readonly lastHour: readonly Date[]
}

export interface Packed {
  readonly messages: readonly { readonly alerts: readonly Alert[]; readonly isSummary: boolean }[]
  /** Returns of what this channel was never told of. */
  readonly leftOut: readonly Alert[]
  /** What goes on being held, and until when at least. */
  readonly later: readonly (Held & { readonly notBefore: Date })[]
}

/** What has waited for longer was kept up by more than its own group, and is sorted before it is told. */
const backlogSeconds = 300

/**
 * What a channel tells now of what it holds: nothing in its quiet hours but what is excepted, nothing of a thread before what
 * began it, and no more messages than its hour takes; the rest of that hour goes into one summary when the hour is over.
 */
export function pack(held: readonly Held[], rules: ChannelRules, past: Past, now: Date): Packed {
  const inOrder = held.toSorted(
    (a, b) => a.alert.at.getTime() - b.alert.at.getTime() || (a.alert.id < b.alert.id ? -1 : 1),
  )
  const leftOut: Alert[] = []
  const later: (Held & { notBefore: Date })[] = []
  const ready: Held[] = []
  const begun = new Set(past.threads)
  const delayed = new Map<string, Date>()
  for (const one of inOrder) {
    const { alert } = one
    const { thread } = alert
    if (thread !== null && alert.kind === 'node-recovered' && !begun.has(thread)) {
      leftOut.push(alert)
      continue
    }
    if (thread !== null) begun.add(thread)
    const notBefore =
      (thread === null ? undefined : delayed.get(thread)) ??
      quietUntil(rules.quiet, alert.kind, now)
    if (notBefore) {
      if (thread !== null) delayed.set(thread, notBefore)
      later.push({ ...one, notBefore })
    } else ready.push(one)
  }
  const { messages, over } = withinHour(ready, rules, past.lastHour, now)
  return { messages, leftOut, later: [...later, ...over] }
}

function withinHour(
  ready: readonly Held[],
  { perHour }: ChannelRules,
  lastHour: readonly Date[],
  now: Date,
): Pick<Packed, 'messages'> & { readonly over: Packed['later'] } {
  const overs = ready.filter(({ isOver }) => isOver).map(({ alert }) => alert)
  const summary =
    overs.length > 0 ? [{ alerts: overs, isSummary: groupsOf(overs, now).length > 1 }] : []
  const fresh = ready.filter(({ isOver }) => !isOver).map(({ alert }) => alert)
  const all = [...summary, ...groupsOf(fresh, now).map((alerts) => ({ alerts, isSummary: false }))]
  const room = Math.max(0, perHour - lastHour.length)
  const messages = all.slice(0, room)
  const first = lastHour[0] ?? now
  const notBefore = new Date(first.getTime() + 3_600_000)
  const over = all
    .slice(room)
    .flatMap(({ alerts }) => alerts.map((alert) => ({ alert, isOver: true, notBefore })))
  return { messages, over }
}

/** Groups of what is due, whose windows were waited for when it was dealt. */
function groupsOf(alerts: readonly Alert[], now: Date): (readonly Alert[])[] {
  const oldest = alerts.reduce(
    (first, { dueAt }) => Math.min(first, dueAt.getTime()),
    now.getTime(),
  )
  const isBacklog = secondsBetween(new Date(oldest), now) > backlogSeconds
  if (isBacklog) return backlogOf(alerts, usualGrouping.most)
  const grouping = { ...usualGrouping, windowSeconds: 0 }
  return envelopesOf(alerts, '', now, () => '', grouping).map((envelope) => envelope.alerts)
}
