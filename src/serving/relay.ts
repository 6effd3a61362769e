import type { FailedAt, Seen } from '../health/probe.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { answerOf } from './relay-answer.ts'
import { type Errand, newErrand } from './relay-errand.ts'
import {
  callerGone,
  nodeLate,
  nodeLost,
  noNode,
  queueFull,
  refusedAnswer,
} from './relay-failures.ts'
import { type RelayTimes, relayLimits, relayTimes } from './relay-limits.ts'
import { seenOf } from './relay-look.ts'
import type { RelayAnswer, RelayRequest } from './relay-request.ts'

export interface RelayOptions {
  readonly clock: Clock
  readonly times?: Partial<RelayTimes>
}

/** Which session polls, and for which policy. */
export interface Taker {
  readonly sessionId: string
  readonly policyId: string
  readonly generation: number
}

/** What a poll says of its node. */
export interface PollWords {
  /** Whether callers' requests may be handed to it; looks are handed out all the same. */
  readonly ready: boolean
  /** Of the bearer key that its server knows. */
  readonly keySha256: string
  /** How many requests it takes with it, at the most `relayLimits.most`. */
  readonly most: number
  /** How long it waits when there is nothing; at the most `pollMs`. */
  readonly waitMs: number
}

interface Waiter {
  readonly most: number
  readonly give: (errands: readonly Errand[]) => void
}

/** What is known of a session that polls, or is looked at. */
interface Post {
  taker: Taker | null
  ready: boolean
  keySha256: string
  lastPoll: { readonly at: Date; readonly ms: number } | null
  readonly waiters: Set<Waiter>
  readonly looks: Errand[]
  /** Handed to it and not over. */
  readonly inHand: Set<Errand>
}

/** A session that is not heard of for so long is forgotten. */
const forgetMs = 3_600_000

/**
 * Hands callers' requests to nodes that only call out, and their answers back. All of it is in memory: what is under way ends with
 * the service. Without a session that polls it holds nothing, and no timer runs while nobody waits.
 */
export function openRelay({ clock, times: changed = {} }: RelayOptions) {
  const times = { ...relayTimes, ...changed }
  const posts = new Map<string, Post>()
  /** Callers' requests by policy, in their order. */
  const lines = new Map<string, Errand[]>()
  /** All that are not over, by the id of their request. */
  const errands = new Map<string, Errand>()

  const postOf = (sessionId: string): Post => {
    const known = posts.get(sessionId)
    if (known) return known
    const post: Post = {
      taker: null,
      ready: false,
      keySha256: '',
      lastPoll: null,
      waiters: new Set(),
      looks: [],
      inHand: new Set(),
    }
    posts.set(sessionId, post)
    return post
  }

  const isIdle = (post: Post) =>
    post.waiters.size === 0 && post.looks.length === 0 && post.inHand.size === 0

  function forget(): void {
    const before = clock.monotonicMs() - forgetMs
    for (const [id, post] of posts) {
      if (isIdle(post) && (post.lastPoll?.ms ?? Number.NEGATIVE_INFINITY) < before) posts.delete(id)
    }
  }

  const isThere = (post: Post): boolean =>
    post.waiters.size > 0 ||
    [...post.inHand].some(({ state }) => state === 'taken-up' || state === 'begun') ||
    (post.lastPoll !== null && clock.monotonicMs() - post.lastPoll.ms < times.aliveMs)

  /** Nodes of a policy with that key that callers' requests may go to, the newest first: it is to take over from the others. */
  const nodesFor = (policyId: string, keySha256: string): Post[] =>
    [...posts.values()]
      .filter(
        (post) =>
          post.taker?.policyId === policyId &&
          post.ready &&
          post.keySha256 === keySha256 &&
          isThere(post),
      )
      .toSorted((a, b) => (b.taker?.generation ?? 0) - (a.taker?.generation ?? 0))

  function handOut(policyId: string): void {
    for (const post of posts.values()) {
      if (post.taker?.policyId !== policyId) continue
      for (const waiter of [...post.waiters]) {
        const given = choose(post, waiter.most)
        if (given.length === 0) break
        post.waiters.delete(waiter)
        for (const errand of given) hand(errand, post)
        waiter.give(given)
      }
    }
  }

  function choose(post: Post, most: number): Errand[] {
    const looks = post.looks.splice(0, most)
    const line = lines.get(post.taker?.policyId ?? '')
    if (!line || !post.taker) return looks
    const [newest] = nodesFor(post.taker.policyId, post.keySha256)
    if (newest !== post) return looks
    const callers = [...post.inHand].filter(({ caller }) => caller !== null).length
    const room = Math.min(most - looks.length, relayLimits.inFlight - callers)
    let bytes = 0
    const mine = line
      .filter(({ caller }) => caller?.keySha256 === post.keySha256)
      .slice(0, Math.max(0, room))
      .filter(({ request }, at) => {
        bytes += request.body?.length ?? 0
        return at === 0 || bytes <= relayLimits.takenBytes
      })
    for (const errand of mine) leaveLine(errand)
    return [...looks, ...mine]
  }

  function leaveLine(errand: Errand): void {
    const { caller } = errand
    const line = caller && lines.get(caller.policyId)
    if (!line) return
    const at = line.indexOf(errand)
    if (at >= 0) line.splice(at, 1)
    if (line.length === 0) lines.delete(caller.policyId)
  }

  function hand(errand: Errand, post: Post): void {
    errand.state = 'handed'
    errand.session = post.taker?.sessionId ?? null
    post.inHand.add(errand)
    void clock.sleep(times.claimMs, errand.takenUp.signal).then(() => putBack(errand, post))
  }

  /** What nobody has taken up waits again, before all others. */
  function putBack(errand: Errand, post: Post): void {
    if (errand.state !== 'handed' || !post.inHand.delete(errand)) return
    errand.state = 'waits'
    const { caller } = errand
    if (caller) lines.set(caller.policyId, [errand, ...(lines.get(caller.policyId) ?? [])])
    else post.looks.unshift(errand)
    if (post.taker) handOut(post.taker.policyId)
  }

  function finish(errand: Errand, failure?: AppError): void {
    if (errand.state === 'over') return
    errand.state = 'over'
    errands.delete(errand.request.id)
    leaveLine(errand)
    errand.takenUp.abort()
    errand.end(failure)
    const post = errand.session === null ? undefined : posts.get(errand.session)
    if (post?.inHand.delete(errand) && post.taker) handOut(post.taker.policyId)
  }

  /** Waits for an answer to begin. @throws AppError `unavailable` (`node_late`, `node_lost`), `conflict` (`caller_gone`) */
  async function begun(errand: Errand, ms: number, signal?: AbortSignal): Promise<RelayAnswer> {
    const stop = new AbortController()
    const leave = () => {
      errand.leave()
      errand.fail(callerGone())
      finish(errand, callerGone())
    }
    signal?.addEventListener('abort', leave, { once: true })
    if (signal?.aborted) leave()
    void clock.sleep(ms, stop.signal).then(() => {
      if (stop.signal.aborted) return
      errand.fail(nodeLate(ms))
      errand.leave()
      finish(errand, callerGone())
    })
    try {
      return await errand.begun
    } finally {
      stop.abort()
    }
  }

  const queuedBytes = () => {
    let sum = 0
    for (const line of lines.values()) {
      for (const { request } of line) sum += request.body?.length ?? 0
    }
    return sum
  }

  const relay = {
    /** Whether a node of the policy that is there knows a key of that hash: one that was begun before the key was changed. */
    knowsKey: (policyId: string, keySha256: string): boolean =>
      nodesFor(policyId, keySha256).length > 0,

    /** Of the policy's sessions these alone live by the books: to one that has ended nothing is handed any more. */
    onlyThese(policyId: string, sessionIds: ReadonlySet<string>): void {
      for (const [id, post] of posts) {
        if (post.taker?.policyId === policyId && !sessionIds.has(id)) post.ready = false
      }
    },

    /**
     * Throws what `ask` would throw before it waits; to be asked before a body is read.
     * @throws AppError `unavailable` (`no_node`, `queue_full`)
     */
    admit(policyId: string, keySha256: string, bytes = 0): void {
      if (nodesFor(policyId, keySha256).length === 0) throw noNode()
      const line = lines.get(policyId)
      if ((line?.length ?? 0) >= relayLimits.queue) throw queueFull()
      if (bytes > 0 && queuedBytes() + bytes > relayLimits.queuedBytes) throw queueFull()
    },

    /**
     * A caller's request to the newest node of a policy that is there; returns when its answer begins. The signal fires when the
     * caller leaves: the node is told then.
     * @throws AppError `unavailable` (`no_node`, `queue_full`, `node_late`, `node_lost`), `conflict` (`caller_gone`)
     */
    async ask(
      caller: { readonly policyId: string; readonly keySha256: string },
      request: Omit<RelayRequest, 'id'>,
      signal: AbortSignal,
    ): Promise<RelayAnswer> {
      relay.admit(caller.policyId, caller.keySha256, request.body?.length)
      const errand = newErrand({ ...request, id: newId('req') }, caller)
      errands.set(errand.request.id, errand)
      const line = lines.get(caller.policyId) ?? []
      lines.set(caller.policyId, [...line, errand])
      handOut(caller.policyId)
      return begun(errand, times.beginMs, signal)
    },

    /**
     * A session's poll: waits for requests, and is the sign that the relay to its node is there. Empty when nothing came in time.
     * The signal fires when its connection is gone.
     */
    async take(taker: Taker, words: PollWords, signal: AbortSignal): Promise<RelayRequest[]> {
      forget()
      const post = postOf(taker.sessionId)
      const noteTime = () => {
        post.lastPoll = { at: clock.now(), ms: clock.monotonicMs() }
      }
      noteTime()
      post.taker = taker
      post.ready = words.ready
      post.keySha256 = words.keySha256
      const stop = new AbortController()
      const { promise, resolve } = Promise.withResolvers<readonly Errand[]>()
      const most = Math.min(words.most, relayLimits.most)
      const waiter: Waiter = { most, give: resolve }
      const end = () => resolve([])
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted || most < 1) end()
      else post.waiters.add(waiter)
      handOut(taker.policyId)
      const waitMs = Math.min(words.waitMs, times.pollMs)
      if (waitMs <= 0) end()
      else void clock.sleep(waitMs, stop.signal).then(end)
      const given = await promise
      stop.abort()
      signal.removeEventListener('abort', end)
      post.waiters.delete(waiter)
      if (!signal.aborted) noteTime()
      else for (const errand of given) putBack(errand, post)
      return signal.aborted ? [] : given.map(({ request }) => request)
    },

    /** Requests that this session was handed and shall not have: it was shut out meanwhile. */
    giveBack(sessionId: string, requests: readonly RelayRequest[]): void {
      const post = posts.get(sessionId)
      if (!post) return
      post.ready = false
      for (const { id } of requests) {
        const errand = errands.get(id)
        if (errand) putBack(errand, post)
      }
    },

    /**
     * A session's answer, from the moment it takes the request up; returns when the caller has all of it. Nothing is read before the
     * caller takes it.
     * @throws AppError `not-found` (`answer_unknown`), `conflict` (`answer_of_another`, `answer_begun`, `caller_gone`),
     *   `unavailable` (`node_lost`)
     */
    async answer(sessionId: string, id: string, upload: AsyncIterator<Uint8Array>): Promise<void> {
      const errand = errands.get(id)
      if (!errand || errand.session === null) throw refusedAnswer.unknown()
      if (errand.session !== sessionId) throw refusedAnswer.another()
      if (errand.state !== 'handed' && errand.state !== 'waits') throw refusedAnswer.twice()
      // Put back meanwhile, and not handed to another: it is this session's all the same.
      const post = postOf(sessionId)
      leaveLine(errand)
      const at = post.looks.indexOf(errand)
      if (at >= 0) post.looks.splice(at, 1)
      post.inHand.add(errand)
      errand.state = 'taken-up'
      errand.takenUp.abort()
      try {
        const answer = await answerOf(upload, errand.gone)
        errand.state = 'begun'
        errand.begin({ ...answer, body: told(answer.body, errand) })
        const failure = await errand.over
        if (failure) throw failure
      } catch (error) {
        const failure = error instanceof AppError ? error : nodeLost('it cannot be read', error)
        errand.fail(failure)
        finish(errand, failure)
        throw failure
      }
    },

    /** One look at a session's node by its `/health`, through the relay and back, as the prober does it elsewhere. Never throws. */
    async look(sessionId: string, timeoutMs: number): Promise<Seen> {
      const began = clock.monotonicMs()
      const elapsed = () => Math.round(clock.monotonicMs() - began)
      const post = postOf(sessionId)
      const headers = { accept: 'application/json' }
      const request = { id: newId('req'), method: 'GET', path: '/health', headers, body: null }
      const errand = newErrand({ ...request, method: 'GET' }, null)
      errands.set(request.id, errand)
      post.looks.push(errand)
      if (post.taker) handOut(post.taker.policyId)
      const stop = new AbortController()
      const timer = clock.sleep(timeoutMs, stop.signal).then((): Seen => {
        const why =
          errand.state === 'waits'
            ? `no poll of its session came within ${timeoutMs} ms`
            : `no whole answer within ${timeoutMs} ms`
        return { kind: 'failed', at: 'timeout', why, ms: elapsed() }
      })
      const failed = (at: FailedAt, why: string): Seen => ({
        kind: 'failed',
        at,
        why,
        ms: elapsed(),
      })
      const answered = errand.begun
        .then(async (answer) => seenOf(answer, elapsed))
        .catch(() => failed('cut', 'its session broke the answer off'))
      const seen = await Promise.race([answered, timer])
      stop.abort()
      errand.leave()
      const at = post.looks.indexOf(errand)
      if (at >= 0) post.looks.splice(at, 1)
      finish(errand, callerGone())
      if (post.lastPoll === null && isIdle(post)) posts.delete(sessionId)
      return seen
    },

    /** When the session's newest poll came or ended; undefined before any since the service has started. */
    lastPollAt: (sessionId: string): Date | undefined => posts.get(sessionId)?.lastPoll?.at,
  }

  /** The body for whoever asked; with its end, or when it is left, all is over. */
  async function* told(
    body: AsyncIterable<Uint8Array>,
    errand: Errand,
  ): AsyncGenerator<Uint8Array> {
    let failure: AppError | undefined = callerGone() // left by its reader, unless it comes otherwise
    try {
      yield* body
      failure = undefined
    } catch (error) {
      failure = error instanceof AppError ? error : nodeLost('it cannot be read', error)
      throw failure
    } finally {
      finish(errand, failure)
    }
  }

  return relay
}

export type Relay = ReturnType<typeof openRelay>
