import type { Alert, AlertKind } from './alert.ts'

/** One message to one channel, with all that it tells; fixed before it is sent, so that whoever sends it again sends the same. */
export interface Envelope {
  readonly id: string
  readonly channel: string
  /** In the order of their times; all of one kind. */
  readonly alerts: readonly Alert[]
}

export interface Grouping {
  /** A group is whole when nothing has joined it for so many seconds, */
  readonly quietSeconds: number
  /** or so many after its first. */
  readonly windowSeconds: number
  /** More than these in one message nobody reads. */
  readonly most: number
}

export const usualGrouping: Grouping = {
  quietSeconds: 30,
  windowSeconds: 60,
  most: 50,
}

/** Kinds that are told alone: each asks somebody for something of its own. */
const alone: ReadonlySet<AlertKind> = new Set(['action-needed', 'digest'])

/**
 * Puts waiting alerts into envelopes, in the order of their times: neighbours of one kind go together, so that ten nodes that go
 * down in a minute are one message, and what went down is told before it is told to be back. A group that others may still join
 * waits, and so does all that comes after it.
 * @param waiting alerts of one channel that are in no envelope yet
 * @param idOf the envelope's id, made from its channel and alerts alone
 */
export function envelopesOf(
  waiting: readonly Alert[],
  channel: string,
  now: Date,
  idOf: (channel: string, alerts: readonly Alert[]) => string,
  { quietSeconds, windowSeconds, most }: Grouping = usualGrouping,
): Envelope[] {
  const envelopes: Envelope[] = []
  for (const alerts of groupsOf(waiting.toSorted(byTime), most)) {
    const [first] = alerts
    if (!first) continue
    const age = (alert: Alert) => (now.getTime() - alert.at.getTime()) / 1000
    const isOpen = age(first) < windowSeconds && age(alerts.at(-1) ?? first) < quietSeconds
    if (isOpen && !alone.has(first.kind) && alerts.length < most) break
    envelopes.push({ id: idOf(channel, alerts), channel, alerts })
  }
  return envelopes
}

/**
 * Sorts what was kept up for long into as few groups as can be: each alert goes into the first group of its kind that comes after
 * all that was told of the same thing before, so that of no thing the order is lost.
 */
export function backlogOf(waiting: readonly Alert[], most: number): Alert[][] {
  const groups: Alert[][] = []
  /** The group that holds the newest word about each thing. */
  const newest = new Map<string, number>()
  for (const alert of waiting.toSorted(byTime)) {
    const before = newest.get(alert.about)
    const fits = (group: readonly Alert[], index: number) =>
      group[0]?.kind === alert.kind &&
      !alone.has(alert.kind) &&
      group.length < most &&
      (before === undefined || index >= before)
    const found = groups.findIndex(fits)
    const index = found < 0 ? groups.length : found
    if (found < 0) groups.push([alert])
    else groups[found]?.push(alert)
    newest.set(alert.about, index)
  }
  return groups
}

function groupsOf(alerts: readonly Alert[], most: number): Alert[][] {
  const groups: Alert[][] = []
  for (const alert of alerts) {
    const last = groups.at(-1)
    const fits =
      last && last[0]?.kind === alert.kind && !alone.has(alert.kind) && last.length < most
    if (fits) last.push(alert)
    else groups.push([alert])
  }
  return groups
}

const byTime = (a: Alert, b: Alert): number =>
  a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
