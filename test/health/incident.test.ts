import { describe, expect, it } from 'vitest'
import type { Cause } from '../../src/health/cause.ts'
import {
  dueFor,
  durationSeconds,
  type Incident,
  incidentAfter,
  settleSeconds,
} from '../../src/health/incident.ts'
import { isOwnNetworkDown } from '../../src/health/own-network.ts'
import type { Happened } from '../../src/health/watch.ts'
import { addSeconds } from '../../src/lib/clock.ts'

const now = new Date('2026-03-10T12:00:00Z')
const before = new Date('2026-03-10T11:59:35Z')
const cause: Cause = { kind: 'tunnel-gone', words: 'its tunnel is gone', retryAfterSeconds: null }
const incident = (kind: Incident['kind'], more: Partial<Incident> = {}): Incident => ({
  id: 'old',
  node: 'house',
  kind,
  thread: 'first',
  startedAt: before,
  openedAt: before,
  closedAt: null,
  cause,
  sessionId: 'ses',
  consequence: 'replace',
  restartAt: null,
  replacedAt: null,
  acknowledgedAt: null,
  acknowledgedBy: null,
  toldAt: before,
  heldAt: null,
  heldBy: null,
  ...more,
})
const down = incident('down')
const about = { node: 'house', id: 'new', sessionId: 'ses' }
const after = (last: Incident | null, happened: Happened) =>
  incidentAfter(last, about, happened, cause, now)
const wentDown: Happened = { kind: 'went-down', from: before, cause }
const back: Happened = { kind: 'came-back', downSeconds: 25 }

describe.each<[string, Incident | null, Happened, string[], string | null]>([
  ['an outage opens one', null, wentDown, ['new down open first-of-new'], 'node-down'],
  ['an outage that goes on opens none', down, wentDown, [], null],
  ['its end closes it', down, back, ['old down closed first'], 'node-recovered'],
  ['an end without one', null, back, [], null],
  ['coming up for the first time', null, { kind: 'came-up' }, [], null],
  [
    'coming up after an outage',
    down,
    { kind: 'came-up' },
    ['old down closed first'],
    'node-recovered',
  ],
  ['a blip', down, { kind: 'blip', from: before, cause }, [], null],
  [
    'flipping while down',
    down,
    { kind: 'became-unstable', changes: 4 },
    ['old down closed first', 'new unstable open first'],
    'node-unstable',
  ],
  [
    'flipping while unstable',
    incident('unstable'),
    { kind: 'became-unstable', changes: 5 },
    [],
    null,
  ],
  [
    'steady as up',
    incident('unstable'),
    { kind: 'steadied', isUp: true },
    ['old unstable closed first'],
    'node-recovered',
  ],
  [
    'steady as down',
    incident('unstable'),
    { kind: 'steadied', isUp: false },
    ['old unstable closed first', 'new down open first'],
    'node-down',
  ],
  ['a limit', down, { kind: 'limited', until: now, cause }, ['old down closed first'], null],
])('%s', (_what, last, happened, incidents, told) => {
  it(`leaves ${incidents.length} incidents, and tells ${told ?? 'nobody'}`, () => {
    const change = after(last, happened)
    const shown = change.incidents.map(
      ({ id, kind, closedAt, thread }) =>
        `${id} ${kind} ${closedAt ? 'closed' : 'open'} ${thread === 'new' ? 'first-of-new' : thread}`,
    )
    expect(shown).toEqual(incidents)
    expect(change.told?.kind ?? null).toBe(told)
  })
})

it('begins with the first bad look, not with the moment at which it was known', () => {
  const [opened] = after(null, wentDown).incidents
  expect(opened?.startedAt).toEqual(before)
  expect(opened && durationSeconds(opened, now)).toBe(25)
  expect(durationSeconds({ ...down, closedAt: now }, new Date('2027-01-01'))).toBe(25)
})

it('one that comes back and goes down again soon goes on, and its recovery is not told', () => {
  const closed = after(down, back)
  expect(closed.told?.dueAt).toEqual(addSeconds(now, settleSeconds))
  const again = incidentAfter(
    closed.incidents[0] ?? null,
    about,
    wentDown,
    cause,
    addSeconds(now, settleSeconds - 1),
  )
  expect(again.incidents).toMatchObject([{ id: 'old', thread: 'first', closedAt: null }])
  expect(again).toMatchObject({ told: null, isRecoveryWithdrawn: true })
  const later = addSeconds(now, settleSeconds)
  expect(incidentAfter(closed.incidents[0] ?? null, about, wentDown, cause, later)).toMatchObject({
    incidents: [{ id: 'new', thread: 'new' }],
    told: { kind: 'node-down' },
  })
})

it.each<[string, Partial<Incident>, number, string | null]>([
  ['a tunnel that is gone', { consequence: 'replace' }, 0, 'replace'],
  ['… replaced already', { consequence: 'replace', replacedAt: now }, 9999, null],
  ['a server that hangs', { consequence: 'restart' }, 0, 'restart'],
  ['… ordered to start again', { consequence: 'restart', restartAt: now }, 599, null],
  ['… and not back after ten minutes', { consequence: 'restart', restartAt: now }, 600, 'replace'],
  ['… replaced by then', { consequence: 'restart', restartAt: now, replacedAt: now }, 9999, null],
  ['the network', { consequence: 'none' }, 9999, null],
  ['a node of nobody’s session', { consequence: 'replace', sessionId: null }, 0, null],
  ['what is over', { consequence: 'replace', closedAt: now }, 0, null],
])('%s: due is %#', (_what, more, seconds, due) => {
  expect(dueFor(incident('down', more), addSeconds(now, seconds), 600)).toBe(due)
})

it.each([
  [[false, false], true],
  [[true, false], false],
  [[false, true], false],
  [[true, true], false],
  [[false], false],
  [[], false],
])('canaries that were reached: %j; the own network is down: %s', (reached, isDown) => {
  const looks = reached.map((isReached, index) => ({ address: `canary-${index}`, isReached }))
  expect(isOwnNetworkDown(looks)).toBe(isDown)
})
