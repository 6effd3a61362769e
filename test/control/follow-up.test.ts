import { expect, it } from 'vitest'
import { followUp, type IncidentRows } from '../../src/control/incidents.ts'
import type { Incident } from '../../src/health/incident.ts'
import { settableClock } from '../settable-clock.ts'

const opened = new Date('2026-03-10T12:00:00Z')
const incident = (more: Partial<Incident>): Incident => ({
  id: 'inc',
  node: 'nod',
  kind: 'down',
  thread: 'inc',
  startedAt: opened,
  openedAt: opened,
  closedAt: null,
  cause: { kind: 'timeout', words: 'no whole answer within 5000 ms', retryAfterSeconds: null },
  sessionId: 'ses',
  consequence: 'restart',
  restartAt: null,
  replacedAt: null,
  acknowledgedAt: null,
  acknowledgedBy: null,
  toldAt: opened,
  heldAt: null,
  heldBy: null,
  ...more,
})

/** An incident in memory, and what was asked of its session; `diesAfter` throws after a deed, before its record. */
function world(first: Incident, diesAfter?: 'restart' | 'replace') {
  const clock = settableClock(opened.toISOString())
  const deeds: string[] = []
  let now = first
  let dies = diesAfter
  const record = async (_id: string, what: 'restart' | 'replace', words: string) => {
    if (dies === what) {
      dies = undefined
      throw new Error('killed')
    }
    now = { ...now, [what === 'restart' ? 'restartAt' : 'replacedAt']: clock.now() }
    deeds.push(`noted: ${words}`)
  }
  const rows: Pick<IncidentRows, 'unfinished' | 'done'> = {
    unfinished: async () => [now],
    done: record,
  }
  const act = (what: string) => async (session: string) => {
    deeds.push(`${what} ${session}`)
  }
  const ports = {
    rows: rows as IncidentRows,
    restart: act('restart'),
    replace: act('replace'),
    now: () => clock.now(),
  }
  return { clock, deeds, look: () => followUp(ports) }
}

it('a tunnel that is gone has its session replaced at once, and once', async () => {
  const { clock, deeds, look } = world(incident({ consequence: 'replace' }))
  await look()
  clock.advance(3600)
  await look()
  expect(deeds).toEqual(['replace ses', 'noted: another session was asked for in its place'])
})

it('a server that hangs is started again first, and replaced after ten minutes', async () => {
  const { clock, deeds, look } = world(incident({}))
  for (let seconds = 0; seconds <= 1200; seconds += 5) {
    await look()
    if (clock.now().getTime() - opened.getTime() < 600_000) {
      expect(deeds).toEqual(['restart ses', 'noted: its server was ordered to start again'])
    }
    clock.advance(5)
  }
  expect(deeds.slice(2)).toEqual([
    'replace ses',
    'noted: another session was asked for in its place, since it did not come back',
  ])
})

it.each(['restart', 'replace'] as const)(
  'killed between the deed and its record, a %s is asked for again, and noted once',
  async (what) => {
    const { deeds, look } = world(incident({ consequence: what }), what)
    await expect(look()).rejects.toThrow('killed')
    await look()
    await look()
    expect(deeds).toEqual([`${what} ses`, `${what} ses`, expect.stringContaining('noted: ')])
  },
)

it('what nobody’s session serves is left to people', async () => {
  const { deeds, look } = world(incident({ sessionId: null, consequence: 'replace' }))
  await look()
  expect(deeds).toEqual([])
})
