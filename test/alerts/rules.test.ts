import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Alert } from '../../src/alerts/alert.ts'
import { type ChannelRules, usualRules } from '../../src/alerts/channel.ts'
import { backlogOf } from '../../src/alerts/envelope.ts'
import { type Held, pack } from '../../src/alerts/pack.ts'
import {
  lastAtMinute,
  minuteOf,
  minuteText,
  type QuietHours,
  quietUntil,
} from '../../src/alerts/quiet-hours.ts'
import { addSeconds } from '../../src/lib/clock.ts'
import { insertEvent, type NewEvent } from '../../src/store/event-rows.ts'
import { start } from '../store/fixture.ts'
import { alertOf, openDesk } from './desk-fixture.ts'

const zone = 'Europe/Lisbon'
const nights: QuietHours = { from: 23 * 60, to: 7 * 60, zone, except: ['node-down'] }
const until = (quiet: QuietHours | null, at: string) =>
  quietUntil(quiet, 'run-failed', new Date(at))?.toISOString() ?? null

describe('quiet hours', () => {
  it.each([
    ['before them', '2026-01-10T22:59:59Z', null],
    ['at their beginning', '2026-01-10T23:00:00Z', '2026-01-11T07:00:00.000Z'],
    ['after midnight', '2026-01-11T03:00:00Z', '2026-01-11T07:00:00.000Z'],
    ['at their end', '2026-01-11T07:00:00Z', null],
    ['in summer, an hour earlier by UTC', '2026-07-10T22:00:00Z', '2026-07-11T06:00:00.000Z'],
    // The clocks go from 01:00 to 02:00 on 29 March 2026, and from 02:00 back to 01:00 on 25 October.
    ['the night that is an hour shorter', '2026-03-28T23:30:00Z', '2026-03-29T06:00:00.000Z'],
    ['the night that is an hour longer', '2026-10-24T22:30:00Z', '2026-10-25T07:00:00.000Z'],
    ['the last minute of the longer one', '2026-10-25T06:59:00Z', '2026-10-25T07:00:00.000Z'],
    ['the first minute after the shorter one', '2026-03-29T06:00:00Z', null],
  ])('%s', (_what, at, end) => expect(until(nights, at)).toBe(end))

  it('that begin in the hour that is left out begin when it is over', () => {
    const early: QuietHours = { from: 90, to: 180, zone, except: [] }
    expect(until(early, '2026-03-29T00:59:00Z')).toBeNull()
    expect(until(early, '2026-03-29T01:30:00Z')).toBe('2026-03-29T02:00:00.000Z')
  })

  it('say nothing of a kind that is excepted, nor where there are none', () => {
    expect(quietUntil(nights, 'node-down', new Date('2026-01-11T03:00:00Z'))).toBeNull()
    expect(until(null, '2026-01-11T03:00:00Z')).toBeNull()
  })

  const zones = fc.constantFrom('UTC', zone, 'America/Sao_Paulo', 'Asia/Kathmandu', 'Pacific/Apia')
  const minute = fc.integer({ min: 0, max: 1439 })
  const moment = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2026, 11, 31) })
  it('end at their own minute of the clock, less than a day and an hour later, everywhere', () => {
    fc.assert(
      fc.property(zones, minute, minute, moment, (where, from, to, atMs) => {
        const end = quietUntil({ from, to, zone: where, except: [] }, 'digest', new Date(atMs))
        if (end === null) return
        expect(end.getTime()).toBeGreaterThan(atMs)
        expect(end.getTime() - atMs).toBeLessThanOrEqual(25 * 3_600_000)
        expect(quietUntil({ from, to, zone: where, except: [] }, 'digest', end)).toBeNull()
      }),
    )
  })

  it('are read as people write them', () => {
    expect(['23:00', '7:05', '24:00', '24:01', '7', '12:60', ''].map(minuteOf)).toEqual([
      1380,
      425,
      1440,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(minuteText(425)).toBe('07:05')
  })
})

it('the digest of a day is made at its minute of the clock, whatever the clocks do', () => {
  const at = (iso: string) => lastAtMinute(zone, 8 * 60, new Date(iso)).toISOString()
  expect(at('2026-03-28T08:00:00Z')).toBe('2026-03-28T08:00:00.000Z')
  expect(at('2026-03-29T07:00:00Z')).toBe('2026-03-29T07:00:00.000Z')
  expect(at('2026-03-29T06:59:00Z')).toBe('2026-03-28T08:00:00.000Z')
  expect(at('2026-10-25T07:30:00Z')).toBe('2026-10-24T07:00:00.000Z')
})

const held = (alerts: readonly Alert[]): Held[] => alerts.map((alert) => ({ alert, isOver: false }))
const nothing = { threads: new Set<string>(), lastHour: [] }
const at = (seconds: number) => addSeconds(new Date(start), seconds)

describe('a channel', () => {
  it('holds the return of a node back as long as its fall', () => {
    const quiet: QuietHours = { from: 0, to: 1439, zone: 'UTC', except: ['node-recovered'] }
    const packed = pack(
      held([alertOf('node-down', 'a', 0), alertOf('node-recovered', 'a', 60)]),
      { ...usualRules, quiet },
      nothing,
      at(100),
    )
    expect(packed.messages).toEqual([])
    expect(packed.later.map(({ alert }) => alert.kind)).toEqual(['node-down', 'node-recovered'])
  })

  it('is told all night of what is excepted, and of the rest in the morning', async () => {
    await using desk = await openDesk()
    desk.clock.set('2026-03-10T23:30:00Z')
    const quiet = { from: 1380, to: 420, zone: 'UTC', except: ['node-down'] as const }
    await desk.channels.change('inbox', { quiet })
    const night = (Date.parse('2026-03-10T23:30:00Z') - Date.parse(start)) / 1000
    await desk.tell(alertOf('node-down', 'a', night))
    await desk.tell(alertOf('run-failed', 'one', night + 1))
    await desk.tell(alertOf('run-finished', 'two', night + 2))
    desk.clock.advance(60)
    await desk.work()
    expect((await desk.letters()).map(({ kind }) => kind)).toEqual(['node-down'])
    expect(await desk.outbox.hasWork(desk.clock.now())).toEqual({ compose: false, deliver: false })
    desk.clock.set('2026-03-11T06:59:59Z')
    await desk.work()
    expect(await desk.letters()).toHaveLength(1)
    desk.clock.set('2026-03-11T07:00:00Z')
    await desk.work()
    expect((await desk.letters()).map(({ kind }) => kind)).toEqual([
      'node-down',
      'run-failed',
      'run-finished',
    ])
  })

  it('is not asked in the morning for what was done in the night', async () => {
    await using desk = await openDesk()
    const quiet = { from: 0, to: 1439, zone: 'UTC', except: [] }
    await desk.channels.change('inbox', { quiet })
    const of = { sessionId: 'ses_1' }
    const write = (event: NewEvent) =>
      desk.db.transaction((tx) => insertEvent(tx, event, desk.clock.now().toISOString()))
    await write({ kind: 'session.awaiting_person', ...of, data: { link: 'https://colab/x' } })
    desk.clock.advance(60)
    await desk.work()
    await write({ kind: 'session.enrolled', ...of })
    await desk.channels.change('inbox', { quiet: null })
    await desk.work()
    expect(await desk.letters()).toEqual([])
    expect(await desk.db.all('select state from tellings')).toEqual([{ state: 'left-out' }])
  })

  it('whose quiet hours are taken away is told at once', async () => {
    await using desk = await openDesk()
    const quiet = { from: 0, to: 1439, zone: 'UTC', except: [] }
    await desk.channels.change('inbox', { quiet })
    await desk.tell(alertOf('run-failed', 'one', 0))
    desk.clock.advance(60)
    await desk.work()
    expect(await desk.letters()).toEqual([])
    await desk.channels.change('inbox', { quiet: null })
    await desk.work()
    expect(await desk.letters()).toHaveLength(1)
  })

  it('gets no more messages than its hour takes, and one summary of the rest', async () => {
    await using desk = await openDesk()
    await desk.channels.change('inbox', { perHour: 3 })
    const times: number[] = []
    for (let n = 0; n < 12; n += 1) {
      await desk.tell(alertOf('action-needed', `run-${n}`, n * 60))
      desk.clock.set(at(n * 60 + 1))
      await desk.work()
    }
    expect(await desk.letters()).toHaveLength(3)
    desk.clock.set(at(3599))
    await desk.work()
    expect(await desk.letters()).toHaveLength(3)
    desk.clock.set(at(3602))
    await desk.work()
    const letters = await desk.letters()
    expect(letters.map(({ kind }) => kind)).toEqual([
      'action-needed',
      'action-needed',
      'action-needed',
      'summary',
    ])
    expect(letters[3]?.subject).toBe('Rodízio: 9 more alerts of the last hour')
    for (const row of await desk.db.all('select created_at from envelopes'))
      times.push(Date.parse(String(row.created_at)))
    for (const time of times) {
      const within = times.filter((other) => other > time - 3_600_000 && other <= time)
      expect(within.length).toBeLessThanOrEqual(3)
    }
  })

  const kinds = fc.constantFrom<Alert['kind']>(
    'node-down',
    'node-recovered',
    'run-failed',
    'digest',
  )
  const many = fc.uniqueArray(
    fc.tuple(kinds, fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 60 })),
    { selector: (one) => one.join(' '), maxLength: 30 },
  )
  const rules = fc.record<ChannelRules>({
    quiet: fc.constantFrom(null, nights, { ...nights, from: 0, to: 1439 }),
    perHour: fc.integer({ min: 1, max: 4 }),
    digest: fc.constant(true),
  })

  it('is told each alert once, later or never, and of each node in its order', () => {
    fc.assert(
      fc.property(many, rules, fc.integer({ min: 61, max: 4000 }), (drawn, channel, second) => {
        const alerts = drawn.map(([kind, about, when]) => alertOf(kind, about, when))
        const packed = pack(held(alerts), channel, nothing, at(second))
        const told = packed.messages.flatMap(({ alerts: of }) => of)
        const all = [...told, ...packed.leftOut, ...packed.later.map(({ alert }) => alert)]
        expect(all.map(({ id }) => id).toSorted()).toEqual(alerts.map(({ id }) => id).toSorted())
        expect(packed.messages.length).toBeLessThanOrEqual(channel.perHour)
        for (const about of ['a', 'b', 'c']) {
          const times = told.filter((one) => one.about === about).map((one) => one.at.getTime())
          expect(times).toEqual(times.toSorted((a, b) => a - b))
        }
        for (const { alerts: of, isSummary } of packed.messages)
          if (!isSummary) expect(new Set(of.map(({ kind }) => kind)).size).toBe(1)
      }),
    )
  })
})

describe('what was kept up for long', () => {
  it('is as few messages as its order leaves', () => {
    const nodes = Array.from({ length: 30 }, (_, n) => `n${n}`)
    const alerts = nodes.flatMap((node, n) => [
      alertOf('node-down', node, n * 100),
      alertOf('node-recovered', node, n * 100 + 50),
    ])
    expect(backlogOf(alerts, 50).map((group) => `${group[0]?.kind} ${group.length}`)).toEqual([
      'node-down 30',
      'node-recovered 30',
    ])
  })

  it('tells of a node that fell twice that it fell last', () => {
    const alerts = [
      alertOf('node-down', 'a', 0),
      alertOf('node-recovered', 'a', 1),
      alertOf('node-down', 'a', 2),
      alertOf('node-down', 'b', 3),
    ]
    expect(backlogOf(alerts, 50).map((group) => group.map(({ id }) => id))).toEqual([
      ['node-down a 0', 'node-down b 3'],
      ['node-recovered a 1'],
      ['node-down a 2'],
    ])
  })
})
