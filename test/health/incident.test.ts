import { expect, it } from 'vitest'
import type { Cause } from '../../src/health/cause.ts'
import { durationSeconds, type Incident, incidentAfter } from '../../src/health/incident.ts'
import { isOwnNetworkDown } from '../../src/health/own-network.ts'
import type { Happened } from '../../src/health/watch.ts'

const now = new Date('2026-03-10T12:00:00Z')
const before = new Date('2026-03-10T11:59:35Z')
const cause: Cause = { kind: 'tunnel-gone', words: 'its tunnel is gone', retryAfterSeconds: null }
const incident = (kind: Incident['kind']): Incident => ({
  id: 'old',
  node: 'house',
  kind,
  startedAt: before,
  openedAt: before,
  closedAt: null,
  cause,
})
const after = (open: Incident | null, happened: Happened) =>
  incidentAfter(open, { node: 'house', id: 'new' }, happened, cause, now)
const closedOf = (open: Incident) => ({ ...open, closedAt: now })
const down = incident('down')
const unstable = incident('unstable')

it.each<[string, Incident | null, Happened, Incident['kind'] | null, boolean]>([
  ['an outage opens', null, { kind: 'went-down', from: before, cause }, 'down', false],
  [
    'the same outage again opens nothing',
    down,
    { kind: 'went-down', from: before, cause },
    null,
    false,
  ],
  ['it closes when the node is back', down, { kind: 'came-back', downSeconds: 60 }, null, true],
  [
    'a node that flips has one of its own',
    down,
    { kind: 'became-unstable', changes: 4 },
    'unstable',
    true,
  ],
  ['also when it was just up', null, { kind: 'became-unstable', changes: 4 }, 'unstable', false],
  ['and one alone', unstable, { kind: 'became-unstable', changes: 5 }, null, false],
  ['which ends when it is steadily up', unstable, { kind: 'steadied', isUp: true }, null, true],
  ['or becomes an outage', unstable, { kind: 'steadied', isUp: false }, 'down', true],
  [
    'a limit ends what nobody can see any more',
    down,
    { kind: 'limited', until: now, cause },
    null,
    true,
  ],
  ['a blip is none', null, { kind: 'blip', from: before, cause }, null, false],
  ['a first good look closes what a restart had left open', down, { kind: 'came-up' }, null, true],
])('%s', (_what, open, happened, kind, closes) => {
  const change = after(open, happened)
  expect(change.opened?.kind ?? null).toBe(kind)
  expect(change.closed).toEqual(closes && open ? closedOf(open) : null)
  if (change.opened) expect(change.opened).toMatchObject({ id: 'new', openedAt: now, cause })
})

it('begins with the first bad look, not with the moment at which it was known', () => {
  const { opened } = after(null, { kind: 'went-down', from: before, cause })
  expect(opened?.startedAt).toEqual(before)
  expect(opened && durationSeconds(opened, now)).toBe(25)
  expect(durationSeconds({ ...down, closedAt: now }, new Date('2027-01-01'))).toBe(25)
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
