import type { Verdict } from '../health/cause.ts'
import type { DeepCheck } from '../health/deep-check.ts'
import { isWatched, type Node, nodeName, usualTunnelAccount } from '../health/node.ts'
import { verdictFor } from '../health/noted.ts'
import type { Seen } from '../health/probe.ts'
import { nextTurn } from '../health/turn.ts'
import { isSilent, newWatch, released } from '../health/watch.ts'
import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { type DeepGiven, deepGiven, type WantedDeep } from './deep-given.ts'

/** Intervals that a person may ask for, in seconds. */
const shortestInterval = 10
const longestInterval = 24 * 3600
/** Every 5 minutes. */
export const usualInterval = 300

export interface WantedNode {
  readonly name: string
  readonly url: string
  readonly intervalSeconds?: number | undefined
  /** Whose requests looks take; by its host where nobody says. */
  readonly tunnelAccount?: string | null | undefined
  readonly isPublic?: boolean | undefined
  /** Names of the nodes without which it is not reached; all of them, in place of those before. */
  readonly dependsOn?: readonly string[] | undefined
  /** Whatever answers there is up; at the address as it stands. */
  readonly anyAnswer?: boolean | undefined
  /** How it is asked for a token; not at all when left out. */
  readonly deep?: WantedDeep | undefined
}

export type NodeChange = {
  readonly [K in Exclude<keyof WantedNode, 'name' | 'deep'>]?: WantedNode[K] | undefined
} & {
  /** What of it changes; none: it is asked for none any more, and its key is forgotten. */
  readonly deep?: WantedDeep | 'none' | undefined
}

/** A node with how it is asked for tokens. */
export interface NodeWithDeep {
  readonly node: Node
  readonly deep: DeepCheck | null
}

export interface NodeRows {
  nodes(): Promise<readonly Node[]>
  /** Those that everybody may see. */
  publicNodes(): Promise<readonly Node[]>
  /** By id or name. */
  node(idOrName: string): Promise<Node | undefined>
  /** Deep checks by the ids of their nodes: of all, or of one. */
  deeps(nodeId?: string): Promise<ReadonlyMap<string, DeepCheck>>
  /**
   * @throws AppError `conflict` (`name_taken`) for a name that a node or a serving policy has, (`dependency_circle`) for one that would
   * depend on itself
   */
  insert(node: Node, deep?: DeepGiven): Promise<Node>
  /**
   * What was given anew; nodes of its tunnel accounts keep their turns by the budget from then on.
   * @param given the node as it is to be, from what it is: a probe may have been written since it was read
   * @param deep null takes it away with its key; left out, it stays as it is
   * @throws AppError `conflict` (`dependency_circle`)
   */
  give(id: string, given: (node: Node) => Node, deep?: DeepGiven | null): Promise<Node>
  /**
   * It is looked at no longer; an open incident of it is closed, a key of it forgotten. What is on record stays.
   * @throws AppError `conflict` (`node_needed`) while others depend on it
   */
  remove(node: Node): Promise<void>
}

export interface NodePorts {
  readonly rows: NodeRows
  /** The address as it may be asked. @throws AppError `invalid` (`url_refused`) */
  readonly admit: (url: string) => URL
  readonly look: (node: Node) => Promise<Seen>
  /** A deep check was given; nobody waits for it when left out. */
  readonly deepGiven?: () => void
  readonly now: () => Date
}

/** What a person does with nodes. */
export function nodeDesk(ports: NodePorts) {
  const { rows, now } = ports

  /** @throws AppError `not-found` (`node_unknown`) */
  async function must(name: string): Promise<Node> {
    const node = await rows.node(name)
    if (node) return node
    throw new AppError('not-found', `there is no node ${JSON.stringify(name.slice(0, 80))}`, {
      code: 'node_unknown',
      next: 'rodizio nodes list shows them all',
    })
  }

  const there = (url: string, wanted: NodeChange) => {
    const admitted = ports.admit(url)
    const account =
      wanted.tunnelAccount === undefined
        ? usualTunnelAccount(admitted.hostname)
        : wanted.tunnelAccount
    const address = wanted.anyAnswer ? plainAddress(admitted) : healthAddress(admitted)
    return { url: address, tunnelAccount: account }
  }

  /** The ids of nodes that are named. @throws AppError `not-found` (`node_unknown`) */
  const idsOf = async (names: readonly string[]): Promise<string[]> => {
    const ids: string[] = []
    for (const name of names) ids.push((await must(name)).id)
    return [...new Set(ids)]
  }

  const withDeep = async (node: Node): Promise<NodeWithDeep> => ({
    node,
    deep: (await rows.deeps(node.id)).get(node.id) ?? null,
  })

  /** Undefined where nothing of it changes. */
  const deepAfter = (
    wanted: WantedDeep | undefined,
    deep: DeepCheck | null,
    before: string | null,
    after: string | null,
  ): DeepGiven | undefined => {
    const isSame = wanted === undefined && (deep === null || before === after)
    return isSame || after === null
      ? undefined
      : deepGiven(wanted ?? {}, deep, { before, after }, ports)
  }

  return {
    must,
    withDeep,
    /** The names of what nodes depend on, by id. */
    async namesOf(nodes: readonly Node[]): Promise<ReadonlyMap<string, string>> {
      const names = new Map<string, string>()
      for (const id of new Set(nodes.flatMap(({ dependsOn }) => dependsOn))) {
        const node = await rows.node(id)
        if (node) names.set(id, node.name)
      }
      return names
    },
    async list(): Promise<NodeWithDeep[]> {
      const [nodes, deeps] = [await rows.nodes(), await rows.deeps()]
      return nodes.map((node) => ({ node, deep: deeps.get(node.id) ?? null }))
    },
    shown: () => rows.publicNodes(),
    /** @throws AppError `invalid` for a name, an address or an interval that cannot be, `not-found` for what it is to depend on */
    async add(wanted: WantedNode): Promise<NodeWithDeep> {
      const at = now()
      const id = newId('nod')
      const intervalSeconds = checkedInterval(wanted.intervalSeconds ?? usualInterval)
      const firstProbe = new Date(
        Math.min(at.getTime(), nextTurn(id, intervalSeconds, at.getTime())),
      )
      const place = there(wanted.url, wanted)
      const deep =
        wanted.deep && deepGiven(wanted.deep, null, { before: null, after: place.url }, ports)
      const node: Node = {
        id,
        number: 0,
        name: checkedName(wanted.name),
        kind: 'static',
        ...place,
        reach: 'url',
        dependsOn: await idsOf(wanted.dependsOn ?? []),
        anyAnswer: wanted.anyAnswer ?? false,
        policyId: null,
        sessionId: null,
        expectedRun: null,
        intervalSeconds,
        turnSeconds: intervalSeconds,
        isPublic: wanted.isPublic ?? false,
        state: 'unknown',
        watch: newWatch(at, firstProbe),
        health: null,
        latencyMs: null,
        probedAt: null,
        certificateEndsAt: null,
        createdAt: at,
      }
      const added = await rows.insert(node, deep)
      if (deep) ports.deepGiven?.()
      return withDeep(added)
    },
    /**
     * @throws AppError `conflict` (`node_of_session`) for another address of a node that a session puts up, `invalid`
     * (`deep_key_again`) for another origin without the key that goes there
     */
    async change(name: string, change: NodeChange): Promise<NodeWithDeep> {
      const { node, deep } = await withDeep(await must(name))
      const isMoved = change.url !== undefined || change.tunnelAccount !== undefined
      if ((isMoved || change.deep !== undefined) && node.kind === 'session') {
        throw new AppError(
          'conflict',
          `${node.name} is put up by a session, which says where it is`,
          {
            code: 'node_of_session',
            next: 'Change the serving policy, or add a node of its own for another address',
          },
        )
      }
      const url = change.url ?? node.url
      const anyAnswer = change.anyAnswer ?? node.anyAnswer
      const moved = isMoved && url !== null ? there(url, { ...change, anyAnswer }) : { url }
      const asked =
        change.deep === 'none' ? null : deepAfter(change.deep, deep, node.url, moved.url)
      const intervalSeconds = checkedInterval(change.intervalSeconds ?? node.intervalSeconds)
      const dependsOn = change.dependsOn && (await idsOf(change.dependsOn))
      const given = await rows.give(
        node.id,
        (fresh) => {
          const watch = isMoved ? { ...fresh.watch, nextProbeAt: now() } : fresh.watch
          return {
            ...fresh,
            ...(isMoved ? moved : {}),
            intervalSeconds,
            isPublic: change.isPublic ?? fresh.isPublic,
            dependsOn: dependsOn ?? fresh.dependsOn,
            anyAnswer,
            // Nobody would ever find that it generates again.
            watch: asked === null && isSilent(watch) ? released(watch) : watch,
          }
        },
        asked,
      )
      if (asked) ports.deepGiven?.()
      return withDeep(given)
    },
    /** @throws AppError `conflict` (`node_of_session`) while a serving policy keeps it up, (`node_needed`) while others depend on it */
    async remove(name: string): Promise<NodeWithDeep> {
      const known = await withDeep(await must(name))
      const { node } = known
      if (node.kind === 'session') {
        throw new AppError('conflict', `${node.name} belongs to a serving policy`, {
          code: 'node_of_session',
          next: `It goes with the policy: rodizio serve stop ${node.name}, then rodizio serve rm ${node.name}`,
        })
      }
      await rows.remove(node)
      return known
    },
    /** One look, now. The record of looks, incidents and alerts is the prober's alone: this changes none of it. */
    async probe(name: string): Promise<Probed> {
      const node = await must(name)
      if (!isWatched(node)) {
        throw new AppError('conflict', `nothing of ${node.name} is up now`, {
          code: 'node_idle',
          next: `rodizio nodes show ${node.name} tells why`,
        })
      }
      const seen = await ports.look(node)
      return { node, seen, verdict: verdictFor(node, seen), at: now() }
    },
  }
}

export type NodeDesk = ReturnType<typeof nodeDesk>

export interface Probed {
  readonly node: Node
  readonly seen: Seen
  readonly verdict: Verdict
  readonly at: Date
}

function plainAddress(url: URL): string {
  const address = new URL(url)
  address.hash = ''
  return address.href
}

/** Where a node says how it is: the address as given where it names a path, else `/health` there. */
function healthAddress(url: URL): string {
  const address = new URL(plainAddress(url))
  if (address.pathname === '/' && address.search === '') address.pathname = '/health'
  return address.href
}

function checkedName(name: string): string {
  const plain = name.normalize('NFC').trim()
  if (nodeName.test(plain)) return plain
  throw new AppError('invalid', `${JSON.stringify(name.slice(0, 80))} is no name for a node`, {
    code: 'name_invalid',
    next: 'Letters, digits, spaces, dots, dashes and underscores, 63 at the most, the first a letter or a digit',
  })
}

function checkedInterval(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= shortestInterval && seconds <= longestInterval) {
    return seconds
  }
  throw new AppError('invalid', `${seconds} is no interval of looks`, {
    code: 'interval_invalid',
    next: `Whole seconds from ${shortestInterval} to ${longestInterval}; ${usualInterval} is the usual one`,
  })
}
