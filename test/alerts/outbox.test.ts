import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Alert, AlertKind } from '../../src/alerts/alert.ts'
import {
  afterAttempt,
  type Delivery,
  longestSeconds,
  newDelivery,
} from '../../src/alerts/delivery.ts'
import { type Envelope, envelopesOf } from '../../src/alerts/envelope.ts'
import { htmlText, oneLine } from '../../src/alerts/plain-words.ts'
import { envelopeId, threadHeaders } from '../../src/alerts/thread.ts'

const start = new Date('2026-03-10T12:00:00Z')
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000)
const alert = (kind: AlertKind, about: string, second: number): Alert => ({
  id: `${kind}-${about}-${second}`,
  kind,
  about,
  at: at(second),
  dueAt: at(second),
  thread: `incident-${about}`,
  facts: {},
})
const put = (waiting: readonly Alert[], second: number) =>
  envelopesOf(waiting, 'mail', at(second), envelopeId)
const shape = (envelopes: readonly Envelope[]) =>
  envelopes.map(({ alerts }) => `${alerts[0]?.kind} × ${alerts.length}`)
const downs = (count: number, second = 0) =>
  Array.from({ length: count }, (_, n) => alert('node-down', `n${n}`, second + n / 10))

describe('alerts that wait', () => {
  it('of ten nodes that go down in a minute are one message, once its window is over', () => {
    expect(shape(put(downs(10), 20))).toEqual([])
    expect(shape(put(downs(10), 31))).toEqual(['node-down × 10'])
  })

  it('are one message also where they come one after the other, for a minute at the most', () => {
    const one = (count: number, every: number) =>
      Array.from({ length: count }, (_, n) => alert('node-down', `n${n}`, n * every))
    expect(shape(put(one(10, 6), 59))).toEqual([])
    expect(shape(put(one(10, 6), 60))).toEqual(['node-down × 10'])
    // Nothing has joined it for half a minute.
    expect(shape(put(one(2, 6), 35))).toEqual([])
    expect(shape(put(one(2, 6), 36))).toEqual(['node-down × 2'])
  })

  it('of thirty nodes and their returns, kept up for hours, are two, what went down first', () => {
    const back = Array.from({ length: 30 }, (_, n) => alert('node-recovered', `n${n}`, 500 + n))
    expect(shape(put([...back, ...downs(30)], 7200))).toEqual([
      'node-down × 30',
      'node-recovered × 30',
    ])
  })

  it('that ask a person for something are told at once and alone', () => {
    const asks = [alert('action-needed', 'a', 0), alert('action-needed', 'b', 1)]
    expect(shape(put(asks, 1))).toEqual(['action-needed × 1', 'action-needed × 1'])
  })

  it('are split where nobody would read on', () => {
    expect(shape(put(downs(120), 600))).toEqual([
      'node-down × 50',
      'node-down × 50',
      'node-down × 20',
    ])
  })

  const kinds = fc.constantFrom<AlertKind>('node-down', 'node-recovered', 'action-needed', 'digest')
  const many = fc.uniqueArray(
    fc.tuple(kinds, fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 90 })),
    { selector: (one) => one.join(' '), maxLength: 40 },
  )

  it('are told once each, in the order of their times, whatever the order they come in', () => {
    fc.assert(
      fc.property(many, (drawn) => {
        const waiting = drawn.map(([kind, about, second]) => alert(kind, about, second))
        const told = put(waiting, 1000).flatMap(({ alerts }) => alerts)
        expect(told.map(({ id }) => id).toSorted()).toEqual(waiting.map(({ id }) => id).toSorted())
        const times = told.map((one) => one.at.getTime())
        expect(times).toEqual(times.toSorted((a, b) => a - b))
        expect(put(waiting.toReversed(), 1000)).toEqual(put(waiting, 1000))
      }),
    )
  })
})

describe('a delivery', () => {
  const later = { kind: 'later', said: '421 try again' } as const
  const until = (stop: (delivery: Delivery) => boolean, chance: number) => {
    let delivery = newDelivery(at(0))
    while (!stop(delivery)) delivery = afterAttempt(delivery, later, delivery.nextAt, chance)
    return delivery
  }

  it('is tried again after ever longer waits, for a day, and then shown', () => {
    const waits: number[] = []
    let delivery = newDelivery(at(0))
    while (delivery.state === 'waiting') {
      const now = delivery.nextAt
      delivery = afterAttempt(delivery, later, now, 0.5)
      if (delivery.state === 'waiting')
        waits.push((delivery.nextAt.getTime() - now.getTime()) / 1000)
    }
    expect(waits.slice(0, 8)).toEqual([15, 30, 60, 120, 240, 480, 960, 1800])
    expect(waits.reduce((sum, wait) => sum + wait)).toBeLessThanOrEqual(longestSeconds)
    expect(waits.length).toBeGreaterThan(48)
    expect(delivery).toMatchObject({ state: 'parked', said: '421 try again' })
  })

  it.each([0, 0.999])(
    'never waits less than told to, nor longer than half an hour and a bit: %d',
    (chance) => {
      const delivery = until(({ attempts }) => attempts === 10, chance)
      const wait =
        (afterAttempt(delivery, later, at(5000), chance).nextAt.getTime() - at(5000).getTime()) /
        1000
      expect(wait).toBeGreaterThanOrEqual(1440)
      expect(wait).toBeLessThan(2160)
      const told = { ...later, retryAfterSeconds: 4000 }
      expect(afterAttempt(delivery, told, at(5000), chance).nextAt).toEqual(at(9000))
    },
  )

  it('is over when it is taken, and when it is refused for good', () => {
    const delivery = newDelivery(at(0))
    expect(afterAttempt(delivery, { kind: 'accepted', said: '250 ok' }, at(1), 0)).toMatchObject({
      state: 'sent',
      attempts: 1,
    })
    expect(afterAttempt(delivery, { kind: 'refused', said: '535 no' }, at(1), 0)).toMatchObject({
      state: 'refused',
      said: '535 no',
    })
  })
})

describe('a message', () => {
  const envelope = { id: envelopeId('mail', downs(2)), channel: 'mail', alerts: downs(2) }

  it('has one id, whoever puts it together again, and another on another channel', () => {
    expect(envelopeId('mail', downs(2))).toBe(envelope.id)
    expect(envelopeId('hook', downs(2))).not.toBe(envelope.id)
    expect(envelopeId('mail', downs(3))).not.toBe(envelope.id)
  })

  it('answers the newest of its threads, and names them all', () => {
    expect(threadHeaders(envelope, 'vm.example', [])).toEqual({
      messageId: `<${envelope.id}.rodizio@vm.example>`,
      inReplyTo: null,
      references: [],
    })
    expect(threadHeaders(envelope, 'vm.example', ['<a@x>', '<b@x>', '<a@x>'])).toMatchObject({
      inReplyTo: '<b@x>',
      references: ['<a@x>', '<b@x>'],
    })
  })
})

describe('names of strangers', () => {
  it.each([
    ['a node\r\nBcc: all@example.com', 'a node Bcc: all@example.com'],
    ['tab\tand\u0000zero', 'tab and zero'],
    ['left \u202Eright', 'left right'],
    ['one\u2028two', 'one two'],
    ['  casa  ', 'casa'],
    ['São Paulo 🏠', 'São Paulo 🏠'],
  ])('%j is one line', (given, shown) => {
    expect(oneLine(given)).toBe(shown)
  })

  it('are no longer than a line bears, and no letter is cut in two', () => {
    expect(oneLine('🏠'.repeat(100), 10)).toBe(`${'🏠'.repeat(9)}…`)
  })

  it('are inert in HTML, between tags and in attributes', () => {
    expect(htmlText(`<img src=x onerror="a('b')">&`)).toBe(
      '&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;',
    )
  })
})
