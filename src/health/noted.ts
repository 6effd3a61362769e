import type { Alert } from '../alerts/alert.ts'
import { sha256Hex } from '../lib/random.ts'
import { type Cause, type Verdict, verdictOf } from './cause.ts'
import {
  durationSeconds,
  type Incident,
  incidentAfter,
  settleSeconds,
  type Told,
} from './incident.ts'
import type { Node } from './node.ts'
import type { Seen } from './probe.ts'
import { nextTurn } from './turn.ts'
import { type Happened, isSilent, looked, type Rhythm, usualRhythm } from './watch.ts'

/** What follows from the news of a look, beside the node itself. */
export interface Following {
  readonly incidents: readonly Incident[]
  readonly steps: readonly { readonly incident: string; readonly words: string }[]
  readonly alerts: readonly Alert[]
  /** Threads whose recovery was not told yet and is true no longer. */
  readonly withdrawn: readonly string[]
  /** Its tunnel's account is at its limit until then: all nodes behind it are left alone. */
  readonly limitedUntil: Date | null
}

/** What a look means for the node as it was. */
export const verdictFor = (node: Node, seen: Seen): Verdict =>
  verdictOf(seen, { run: node.expectedRun, anyAnswer: node.anyAnswer }, hostOf(node))

/** The host that is asked; empty for a node that is reached by relay. Its address is kept as `URL` writes it. */
export function hostOf({ url }: Pick<Node, 'url'>): string {
  const [, literal, name] = /^https?:\/\/(?:\[([^\]]+)\]|([^/:?#]+))/.exec(url ?? '') ?? []
  return literal ?? name ?? ''
}

/** A node after a look that began at `at`, how the look stands in the record, and its news. Pure. */
export function afterProbe(
  node: Node,
  seen: Seen,
  at: Date,
  rhythm: Rhythm = usualRhythm,
): { readonly node: Node; readonly found: string; readonly happened: readonly Happened[] } {
  const verdict = verdictFor(node, seen)
  const isUp = verdict.kind === 'up'
  const next = new Date(nextTurn(node.id, node.turnSeconds, at.getTime()))
  const { watch, happened } = looked(node.watch, isUp ? 'up' : verdict.cause, at, next, rhythm)
  const answered = seen.kind === 'answered' ? seen : null
  return {
    node: {
      ...node,
      watch,
      state: watch.state,
      health: isUp ? verdict.health : node.health,
      latencyMs: answered?.ms ?? node.latencyMs,
      probedAt: at,
      certificateEndsAt: answered ? answered.certificateEndsAt : node.certificateEndsAt,
    },
    found: !isUp ? verdict.cause.kind : isSilent(watch) ? 'no-token' : 'up',
    happened,
  }
}

/**
 * What follows from the news of a look. Pure: followed twice it comes to the same.
 * @param node as it is after the look
 * @param last its newest incident, open or closed
 * @param isFirstLimited whether no other node of its tunnel account is limited already: people are told once
 */
export function following(
  node: Node,
  happened: readonly Happened[],
  last: Incident | null,
  at: Date,
  isFirstLimited = true,
  settles = settleSeconds,
): Following {
  const incidents: Incident[] = []
  const steps: { incident: string; words: string }[] = []
  const alerts: Alert[] = []
  const withdrawn: string[] = []
  let limitedUntil: Date | null = null
  let newest = last
  for (const one of happened) {
    if (one.kind === 'limited') {
      limitedUntil = one.until
      if (isFirstLimited) alerts.push(limitAlert(node, one.cause, one.until, at))
    }
    const change = incidentAfter(
      newest,
      incidentIdentity(node, at),
      one,
      node.watch.cause,
      at,
      settles,
    )
    incidents.push(...change.incidents)
    newest = change.incidents.at(-1) ?? newest
    if (!newest) continue
    if (change.isRecoveryWithdrawn) withdrawn.push(newest.thread)
    if (change.step !== null) steps.push({ incident: newest.id, words: change.step })
    if (!change.told) continue
    const { kind, incident, dueAt } = change.told
    alerts.push(incidentAlert(node, kind, incident, at, dueAt))
  }
  return { incidents, steps, alerts, withdrawn, limitedUntil }
}

/** The identity of the incident that a look may open. */
const incidentIdentity = (node: Node, at: Date) => ({
  node: node.id,
  id: `inc_${sha256Hex(`${node.id} ${at.toISOString()}`).slice(0, 20)}`,
  sessionId: node.sessionId,
})

/** A tunnel account whose nodes have all fallen at once, and how many those are. */
export interface Fallen {
  readonly name: string
  readonly nodes: number
}

/** What an alert says of other nodes: how many depend on its own, and the account that it has fallen with. */
export const factsAround = (below: number, account: Fallen | null): Alert['facts'] => ({
  ...(below > 0 ? { below } : {}),
  ...(account ? { account: account.name, accountNodes: account.nodes } : {}),
})

/** What is told of an incident; its id comes from what it tells, so that written twice it is one. */
export function incidentAlert(
  node: Pick<Node, 'name' | 'url'>,
  kind: Told,
  incident: Incident,
  at: Date,
  dueAt: Date,
  {
    reminder = false,
    below = 0,
    account = null,
  }: {
    readonly reminder?: boolean
    readonly below?: number
    readonly account?: Fallen | null
  } = {},
): Alert {
  return {
    id: `alr_${sha256Hex([kind, incident.id, at.toISOString()].join(' ')).slice(0, 20)}`,
    kind,
    about: node.name,
    at,
    dueAt,
    thread: incident.thread,
    facts: {
      cause: incident.cause?.kind ?? null,
      words: incident.cause?.words ?? null,
      from: incident.startedAt.toISOString(),
      url: node.url,
      incident: incident.id,
      consequence: incident.sessionId === null ? 'none' : incident.consequence,
      downSeconds: kind === 'node-recovered' ? durationSeconds(incident, at) : null,
      reminder: reminder ? 1 : null,
      ...factsAround(below, account),
    },
  }
}

function limitAlert(node: Node, cause: Cause, until: Date, at: Date): Alert {
  const about = node.tunnelAccount ?? node.name
  return {
    id: `alr_${sha256Hex(['node-limited', about, at.toISOString()].join(' ')).slice(0, 20)}`,
    kind: 'node-limited',
    about,
    at,
    dueAt: at,
    thread: null,
    facts: { cause: cause.kind, words: cause.words, until: until.toISOString(), node: node.name },
  }
}
