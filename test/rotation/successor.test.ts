import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { successorOf } from '../../src/rotation/engine/successor.ts'
import type { Session } from '../../src/rotation/session.ts'
import { sessionOf, start } from '../store/fixture.ts'

const at = (minutes: number) => new Date(Date.parse(start) + minutes * 60_000)
const now = at(60)
const node = {
  readyAt: at(59),
  reach: 'local' as const,
  url: null,
  adapter: 'a'.repeat(64),
  tunnel: null,
}
const older = sessionOf({
  id: 'ses_old',
  serves: true,
  node,
  createdAt: at(0),
  heardAt: now,
  deadlineAt: at(70),
})
const newer = (changes: Partial<Session> = {}) =>
  sessionOf({
    id: 'ses_new',
    serves: true,
    node,
    createdAt: at(50),
    heardAt: at(59),
    deadlineAt: at(120),
    ...changes,
  })

describe('a node may leave', () => {
  it('when one of its policy that was begun later is ready and stays longer', () => {
    expect(successorOf(older, [older, newer()], now)?.id).toBe('ses_new')
  })

  it.each([
    ['its successor is not ready', newer({ node: null })],
    ['the tunnel of its successor is down', newer({ node: { ...node, tunnel: 'down' } })],
    ['its successor has ended', newer({ endedAt: at(59) })],
    ['its successor is not heard any more', newer({ heardAt: at(56) })],
    ['its successor has never been heard', newer({ heardAt: null })],
    ['the other one leaves before it', newer({ deadlineAt: at(69) })],
    ['the other one leaves with it', newer({ deadlineAt: at(70) })],
    ['nobody knows how long the other one stays', newer({ deadlineAt: null })],
    ['the other one was there before it', newer({ createdAt: at(-1) })],
    ['the other one is of another policy', newer({ runId: 'run_two' })],
  ])('not when %s', (_why, other) => {
    expect(successorOf(older, [older, other], now)).toBeUndefined()
  })

  const moments = fc.integer({ min: 57, max: 63 }).map(at)
  const any = fc.record({
    createdAt: moments,
    heardAt: fc.option(moments),
    deadlineAt: fc.option(moments),
    node: fc.constantFrom(node, null),
    endedAt: fc.option(moments),
  })

  it('only while another one that is ready stays', () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 5 }), (drawn) => {
        const all = drawn.map((changes, n) =>
          sessionOf({ id: `ses_${n}`, serves: true, ...changes }),
        )
        const ready = all.filter((session) => session.node && !session.endedAt)
        const stays = ready.filter((session) => !successorOf(session, all, now))
        expect(stays.length > 0).toBe(ready.length > 0)
      }),
    )
  })
})
