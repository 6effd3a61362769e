import { addSeconds } from '../lib/clock.ts'
import type { Cause } from './cause.ts'
import { type Node, type Reach, usualTunnelAccount } from './node.ts'
import { newWatch, type Watch } from './watch.ts'

/** A session of a serving policy, as far as its node is concerned. */
export interface ServingSession {
  readonly id: string
  readonly createdAt: Date
  /** Null while nothing answers by its own word. */
  readonly node: {
    readonly reach: Reach
    readonly url: string | null
    readonly run: string | null
  } | null
  /** A beat is overdue, or the newest said that server or tunnel is not well; null while all is well. */
  readonly badBeatAt: Date | null
  /** Since when it has answered without a break, by its own word; null while nothing does. */
  readonly readyAt: Date | null
}

export interface ServingPolicyOf {
  readonly id: string
  readonly name: string
  /** Its live sessions. */
  readonly sessions: readonly ServingSession[]
  /** The newest session that has ended; `isLost` when it should not have. */
  readonly ended: {
    readonly id: string
    readonly isLost: boolean
    readonly reason: string | null
  } | null
}

/** What becomes of the node of a serving policy. */
export type NodeStep =
  | { readonly kind: 'keep' }
  | { readonly kind: 'insert'; readonly node: Node }
  | { readonly kind: 'give'; readonly node: Node }
  /** Its session has ended before its time: it is down, without another look. */
  | { readonly kind: 'gone'; readonly node: Node; readonly cause: Cause }

/**
 * The node of a policy after what its sessions have said: a name that stays, wherever it is reached. The newest session that
 * answers puts it up; one that stops answering is looked at at once; when none is left by plan, nothing is looked at. Pure.
 * @param node as it stands; undefined before its first session answered
 * @param intervalSeconds at which a new one is looked at
 */
export function afterSessions(
  policy: ServingPolicyOf,
  node: Node | undefined,
  id: string,
  intervalSeconds: number,
  now: Date,
): NodeStep {
  const newest = policy.sessions
    .filter((session) => session.node !== null)
    .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0]
  if (newest?.node) return putUp(policy, newest, newest.node, node, id, intervalSeconds, now)
  if (!node || node.state === 'idle') return { kind: 'keep' }
  const own = policy.sessions.find((session) => session.id === node.sessionId)
  // It lives, and has just said that nothing answers: whoever looks will see.
  if (own) return lookSoon(node, own, now)
  const ended = policy.ended?.id === node.sessionId ? policy.ended : null
  if (ended?.isLost) {
    // Looks go on at the place where it was, so that all of the outage is on record.
    if (node.watch.state === 'down' || node.watch.state === 'unstable') return { kind: 'keep' }
    const words = ended.reason ? `its session has ended: ${ended.reason}` : 'its session has ended'
    const cause: Cause = { kind: 'session-gone', words, retryAfterSeconds: null }
    return { kind: 'gone', node, cause }
  }
  const watch = { ...newWatch(now, node.watch.nextProbeAt), state: 'unknown' as const }
  return { kind: 'give', node: { ...node, url: null, sessionId: null, state: 'idle', watch } }
}

function putUp(
  policy: ServingPolicyOf,
  session: ServingSession,
  said: NonNullable<ServingSession['node']>,
  node: Node | undefined,
  id: string,
  intervalSeconds: number,
  now: Date,
): NodeStep {
  const url = said.url === null ? null : healthOf(said.url)
  const host = url === null ? '' : new URL(url).hostname
  const there = {
    name: policy.name,
    url,
    reach: said.reach,
    tunnelAccount: said.reach === 'url' ? usualTunnelAccount(host) : null,
    sessionId: session.id,
    expectedRun: said.run,
  }
  if (!node) {
    return {
      kind: 'insert',
      node: {
        id,
        number: 0,
        kind: 'session',
        dependsOn: [],
        anyAnswer: false,
        policyId: policy.id,
        ...there,
        intervalSeconds,
        turnSeconds: intervalSeconds,
        isPublic: false,
        state: 'unknown',
        watch: newWatch(now, now),
        health: null,
        latencyMs: null,
        probedAt: null,
        certificateEndsAt: null,
        createdAt: now,
      },
    }
  }
  const isSame =
    node.state !== 'idle' &&
    node.url === url &&
    node.reach === said.reach &&
    node.sessionId === session.id &&
    node.name === policy.name
  if (isSame) return lookSoon(node, session, now)
  // What was doubted or hoped of the place before says nothing of this one.
  const watch: Watch = { ...node.watch, doubts: 0, hopes: 0, nextProbeAt: now }
  const kept =
    watch.state === 'down' || watch.state === 'unstable' ? watch : { ...watch, badSince: null }
  return { kind: 'give', node: { ...node, ...there, state: kept.state, watch: kept } }
}

/**
 * A beat that is missed or bad brings a look at once, and the one look is enough until there is another such beat; so does the word
 * that what was down answers again.
 */
function lookSoon(node: Node, session: ServingSession, now: Date): NodeStep {
  const { badBeatAt, readyAt } = session
  const isBack = node.watch.state === 'down' && readyAt !== null && isLater(readyAt, node.probedAt)
  if (isBack && node.watch.nextProbeAt > now) {
    return { kind: 'give', node: { ...node, watch: { ...node.watch, nextProbeAt: now } } }
  }
  if (badBeatAt === null || node.watch.doubts > 0 || node.watch.state === 'down')
    return { kind: 'keep' }
  if (node.probedAt !== null && node.probedAt >= badBeatAt) return { kind: 'keep' }
  if (node.watch.nextProbeAt <= now) return { kind: 'keep' }
  return { kind: 'give', node: { ...node, watch: { ...node.watch, nextProbeAt: now } } }
}

const isLater = (one: Date, other: Date | null): boolean => other === null || one > other

/** A watch that an ended session has brought down at once. */
export function brokenDown(node: Node, cause: Cause, at: Date): Watch {
  return {
    ...node.watch,
    state: 'down',
    since: at,
    doubts: 0,
    hopes: 0,
    isGood: false,
    badSince: node.watch.badSince ?? at,
    cause,
    changes: [...node.watch.changes, at],
    nextProbeAt: addSeconds(at, node.turnSeconds),
  }
}

/** A session says where its server begins, which may be below a path; its `/health` is below that. */
const healthOf = (url: string): string => {
  const address = new URL(url)
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/health`
  address.search = ''
  address.hash = ''
  return address.href
}
