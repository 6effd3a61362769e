import { addSeconds } from '../lib/clock.ts'
import type { Cause, CauseKind } from './cause.ts'
import type { Incident } from './incident.ts'
import type { Node } from './node.ts'
import type { Fallen } from './noted.ts'

/** So long a node has to be back before what depends on it is told of: most of it comes back with it. */
export const backSeconds = 120
/**
 * The first word of a node that was asked because of another one's failure is waited for so long after that failure: an outage is
 * told within 330 s of its beginning, of which the wait for the first look takes 300.
 */
export const firstWordSeconds = 30
/** The end of a doubt is waited for so long after the outage was known; the looks that confirm take 20 s and their time limits. */
export const doubtSeconds = 60
/** Nodes of one tunnel account that fell within so long have fallen together. */
const togetherSeconds = 300
/** So many other nodes of a tunnel account are asked at a time: one that is well answers for the account. */
const mostAsked = 5

/** What stands around a node that is down. */
export interface Around {
  /** All that it depends on, over any number of others, the nearest first. */
  readonly above: readonly Node[]
  /** The other nodes of its tunnel account. */
  readonly beside: readonly Node[]
}

export type Word =
  /** People are told; `account` where all nodes of its tunnel account have fallen with it. */
  | { readonly kind: 'tell'; readonly account: Fallen | null }
  /** Not yet, or not at all: `by` is down, where that is known. Nodes of `ask` are to be probed at once. */
  | { readonly kind: 'hold'; readonly by: string | null; readonly ask: readonly string[] }

/** Causes that lie before the server: a server that is dead shows none of them. */
const ofTunnel: ReadonlySet<CauseKind> = new Set([
  'tunnel-gone',
  'account-limit',
  'dns',
  'connect',
  'tls',
])

export const isOfTunnel = (cause: Cause | null): boolean =>
  cause !== null && ofTunnel.has(cause.kind)

/**
 * Whether people are told of an open incident now. Held while anything that its node depends on is down, is in doubt, or has not
 * been probed since the first failure; and after its return until the node's own probes have shown that it stays down. Also held
 * until it is known whether all nodes of its tunnel account have fallen, so that they are told at once. Pure.
 */
export function wordOf(
  incident: Pick<Incident, 'kind' | 'startedAt' | 'openedAt' | 'cause'>,
  node: Node,
  { above, beside }: Around,
  now: Date,
): Word {
  const words = above.filter(isAsked).map((one) => byAbove(one, incident, node, now))
  const holds = words.filter((word) => word !== null)
  if (holds.length > 0) {
    // The farthest: what is down nearer by may be so because of it.
    const by = holds.findLast((word) => word.by !== null)?.by ?? null
    return { kind: 'hold', by, ask: [...new Set(holds.flatMap(({ ask }) => ask))] }
  }
  return incident.kind === 'down' && isOfTunnel(incident.cause)
    ? byAccount(incident, node, beside, now)
    : tellAlone
}

const tellAlone: Word = { kind: 'tell', account: null }
type Hold = Extract<Word, { kind: 'hold' }>
const held = (by: string | null = null, ask: readonly string[] = []): Hold => ({
  kind: 'hold',
  by,
  ask,
})

/** One that is idle, or left alone for its account's limit, has no word to say. */
const isAsked = ({ state }: Node): boolean => state !== 'idle' && state !== 'limited'

/** Down, or unstable and down at the moment. */
const isFallen = ({ watch }: Node): boolean =>
  watch.state === 'down' || (watch.state === 'unstable' && !watch.isGood)

const wasProbedSince = ({ probedAt }: Node, from: Date): boolean =>
  probedAt !== null && probedAt >= from

function byAbove(
  parent: Node,
  { startedAt, openedAt }: Pick<Incident, 'startedAt' | 'openedAt'>,
  node: Node,
  now: Date,
): Hold | null {
  if (isFallen(parent)) return held(parent.id)
  const backAt = parent.watch.changes.at(-1)
  const hasFallen = backAt !== undefined && startedAt <= backAt
  const inDoubt = parent.watch.doubts > 0
  if (inDoubt && (hasFallen || now < addSeconds(openedAt, doubtSeconds))) return held()
  if (!wasProbedSince(parent, startedAt)) {
    return now < addSeconds(startedAt, firstWordSeconds) ? held(null, [parent.id]) : null
  }
  // What fell by itself since is told at once.
  if (!hasFallen) return null
  const settledAt = addSeconds(backAt, backSeconds)
  if (now < settledAt) return held(null, wasProbedSince(node, backAt) ? [] : [node.id])
  if (!wasProbedSince(node, settledAt)) return held(null, [node.id])
  // It has begun to come back, or nothing is learned of it while our own network is down.
  return node.watch.hopes > 0 || node.state === 'unknown' ? held() : null
}

function byAccount(
  { startedAt, openedAt }: Pick<Incident, 'startedAt' | 'openedAt'>,
  node: Node,
  beside: readonly Node[],
  now: Date,
): Word {
  const others = beside.filter(({ state }) => state !== 'idle')
  if (node.tunnelAccount === null || others.length === 0) return tellAlone
  let fallen = 0
  let isOpen = false
  const ask: string[] = []
  for (const one of others) {
    const { watch } = one
    if (one.state === 'limited') continue
    if (isFallen(one)) {
      const since = watch.badSince ?? watch.since
      const apart = Math.abs(since.getTime() - startedAt.getTime()) / 1000
      if (!isOfTunnel(watch.cause) || apart > togetherSeconds) return tellAlone
      fallen += 1
    } else if (watch.doubts > 0) {
      if (!isOfTunnel(watch.cause) || now >= addSeconds(openedAt, doubtSeconds)) return tellAlone
      isOpen = true
    } else if (!wasProbedSince(one, startedAt) && now < addSeconds(startedAt, firstWordSeconds)) {
      isOpen = true
      ask.push(one.id)
    } else return tellAlone
  }
  if (isOpen) return held(null, ask.slice(0, mostAsked))
  if (fallen === 0) return tellAlone
  return { kind: 'tell', account: { name: node.tunnelAccount, nodes: others.length + 1 } }
}

/**
 * Who is to be probed at once when a node has failed for the first time, so that their word is there when its outage is known: what
 * it depends on and, for a cause of the tunnel, other nodes of its account. Pure.
 */
export function askedBy(node: Node, { above, beside }: Around): string[] {
  const from = node.watch.badSince
  if (from === null) return []
  const isSilent = (one: Node) =>
    isAsked(one) && !isFallen(one) && one.watch.doubts === 0 && !wasProbedSince(one, from)
  const others = isOfTunnel(node.watch.cause) ? beside : []
  return [...above.filter(isSilent), ...others.filter(isSilent).slice(0, mostAsked)].map(
    ({ id }) => id,
  )
}

/**
 * Who is to be probed at once when a node whose tunnel was at fault answers again for the first time: those of its account that fell
 * with it, so that their return is told together too. Pure.
 */
export const askedByReturn = (node: Node, beside: readonly Node[]): string[] =>
  beside
    .filter((one) => isFallen(one) && isOfTunnel(one.watch.cause) && one.watch.hopes === 0)
    .filter(({ state }) => state !== 'limited' && isOfTunnel(node.watch.cause))
    .map(({ id }) => id)

/** Whether what follows for a node's session waits: while it is held by what it depends on, another session would fare no better. */
export const waitsForAbove = (
  incident: Pick<Incident, 'kind' | 'startedAt' | 'openedAt' | 'cause'>,
  node: Node,
  above: readonly Node[],
  now: Date,
): boolean => wordOf(incident, node, { above, beside: [] }, now).kind === 'hold'
