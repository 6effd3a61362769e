import { describe, expect, it } from 'vitest'
import type { Node } from '../../src/health/node.ts'
import {
  afterSessions,
  brokenDown,
  type NodeStep,
  type ServingPolicyOf,
  type ServingSession,
} from '../../src/health/session-node.ts'
import { newWatch } from '../../src/health/watch.ts'
import { addSeconds } from '../../src/lib/clock.ts'

const start = new Date('2026-03-10T12:00:00Z')
const at = (seconds: number) => addSeconds(start, seconds)
const session = (id: string, more: Partial<ServingSession> = {}): ServingSession => ({
  id,
  createdAt: start,
  node: { reach: 'url', url: `https://${id}.trycloudflare.com`, run: 'run_1' },
  badBeatAt: null,
  readyAt: start,
  ...more,
})
const policy = (
  sessions: readonly ServingSession[],
  ended: ServingPolicyOf['ended'] = null,
): ServingPolicyOf => ({ id: 'pol', name: 'house', sessions, ended })
const step = (of: ServingPolicyOf, node: Node | undefined, seconds = 0): NodeStep =>
  afterSessions(of, node, 'nod', 300, at(seconds))
/** The node as it is after the first session's word, looked at and found up. */
function up(more: Partial<Node> = {}): Node {
  const first = step(policy([session('one')]), undefined)
  if (first.kind !== 'insert') throw new Error('no node')
  const watch = { ...newWatch(start, at(300)), state: 'up' as const, isGood: true }
  return { ...first.node, state: 'up', watch, probedAt: start, ...more }
}

it('a session that answers puts up a node under the name of its policy, looked at at once', () => {
  expect(step(policy([session('one')]), undefined)).toMatchObject({
    kind: 'insert',
    node: {
      name: 'house',
      kind: 'session',
      url: 'https://one.trycloudflare.com/health',
      sessionId: 'one',
      expectedRun: 'run_1',
      tunnelAccount: null,
      watch: { nextProbeAt: start },
    },
  })
})

it('there is none before one answers', () => {
  expect(step(policy([session('one', { node: null })]), undefined)).toEqual({ kind: 'keep' })
})

it('one behind ngrok counts with its tunnel account, one by relay has no address', () => {
  const ngrok = session('one', {
    node: { reach: 'url', url: 'https://a.ngrok-free.app', run: null },
  })
  expect(step(policy([ngrok]), undefined)).toMatchObject({ node: { tunnelAccount: 'ngrok' } })
  const relayed = session('one', { node: { reach: 'relay', url: null, run: null } })
  expect(step(policy([relayed]), undefined)).toMatchObject({
    node: { url: null, reach: 'relay', tunnelAccount: null, sessionId: 'one' },
  })
})

it.each([
  ['https://one.example', 'https://one.example/health'],
  ['https://one.example/', 'https://one.example/health'],
  ['http://one.example:8080/below/', 'http://one.example:8080/below/health'],
  ['http://one.example/below?a=b#c', 'http://one.example/below/health'],
])('a server that begins at %s is looked at at %s', (url, looked) => {
  const one = session('one', { node: { reach: 'url', url, run: null } })
  expect(step(policy([one]), undefined)).toMatchObject({ node: { url: looked } })
})

it('a session whose tunnel has moved takes its node along, looked at at once', () => {
  const moved = session('one', {
    node: { reach: 'url', url: 'https://new.trycloudflare.com', run: null },
  })
  expect(step(policy([moved]), up(), 60)).toMatchObject({
    kind: 'give',
    node: {
      id: 'nod',
      url: 'https://new.trycloudflare.com/health',
      watch: { nextProbeAt: at(60) },
    },
  })
})

it('of two sessions the later one has it', () => {
  const later = session('two', { createdAt: at(600) })
  const both = policy([session('one'), later])
  expect(step(both, up(), 700)).toMatchObject({ kind: 'give', node: { sessionId: 'two' } })
  const unready = policy([session('one'), { ...later, node: null }])
  expect(step(unready, up(), 700)).toEqual({ kind: 'keep' })
})

describe('a beat that is missed or bad', () => {
  const bad = policy([session('one', { badBeatAt: at(75) })])

  it('brings one look at once', () => {
    expect(step(bad, up(), 80)).toMatchObject({
      kind: 'give',
      node: { watch: { nextProbeAt: at(80) } },
    })
    const looked = up({ probedAt: at(81) })
    expect(step(bad, looked, 85)).toEqual({ kind: 'keep' })
  })

  it('hurries nobody who is looking already', () => {
    const doubted = up({ watch: { ...up().watch, doubts: 1, nextProbeAt: at(90) } })
    expect(step(bad, doubted, 80)).toEqual({ kind: 'keep' })
  })

  it('counts also where the session has stopped answering', () => {
    const silent = policy([session('one', { node: null, badBeatAt: at(75) })])
    expect(step(silent, up(), 80)).toMatchObject({
      kind: 'give',
      node: { sessionId: 'one', watch: { nextProbeAt: at(80) } },
    })
  })
})

it('a session that was lost takes its node down at once', () => {
  const ended = { id: 'one', isLost: true, reason: 'silent for 180 s' }
  const gone = step(policy([], ended), up(), 60)
  expect(gone).toMatchObject({
    kind: 'gone',
    node: { sessionId: 'one' },
    cause: { kind: 'session-gone', words: 'its session has ended: silent for 180 s' },
  })
  if (gone.kind !== 'gone') return
  const watch = brokenDown(gone.node, gone.cause, at(60))
  expect(watch).toMatchObject({ state: 'down', badSince: at(60), isGood: false })
  // Told once, and no reason to think that nothing is wanted of it.
  const down = { ...gone.node, state: watch.state, watch }
  expect(step(policy([], ended), down, 65)).toEqual({ kind: 'keep' })
})

it('one that ended by plan leaves its node idle, and the next one wakes it', () => {
  const ended = { id: 'one', isLost: false, reason: 'its window is over' }
  const rest = step(policy([], ended), up(), 60)
  expect(rest).toMatchObject({ kind: 'give', node: { state: 'idle', url: null, sessionId: null } })
  if (rest.kind !== 'give') return
  expect(step(policy([], ended), rest.node, 70)).toEqual({ kind: 'keep' })
  const next = session('two', { createdAt: at(600) })
  expect(step(policy([next]), rest.node, 700)).toMatchObject({
    kind: 'give',
    node: { sessionId: 'two', state: 'unknown', watch: { nextProbeAt: at(700) } },
  })
})

it('a node that is down is looked at once its session says that it answers again', () => {
  const watch = { ...up().watch, state: 'down' as const, badSince: at(10), nextProbeAt: at(300) }
  const down = up({ state: 'down', watch, probedAt: at(30) })
  const back = policy([session('one', { readyAt: at(60) })])
  expect(step(back, down, 61)).toMatchObject({
    kind: 'give',
    node: { watch: { nextProbeAt: at(61) } },
  })
  const looked = { ...down, probedAt: at(62) }
  expect(step(back, looked, 70)).toEqual({ kind: 'keep' })
})

it('a node that is down stays so until looks have found the new place up', () => {
  const down = up({ state: 'down', watch: { ...up().watch, state: 'down', badSince: at(10) } })
  const next = session('two', { createdAt: at(600) })
  expect(step(policy([next]), down, 700)).toMatchObject({
    kind: 'give',
    node: { state: 'down', watch: { state: 'down', badSince: at(10), nextProbeAt: at(700) } },
  })
})
