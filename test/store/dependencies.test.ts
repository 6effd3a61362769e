import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { envelopesOf } from '../../src/alerts/envelope.ts'
import { incidentDesk } from '../../src/control/incidents.ts'
import { nodeDesk, type WantedNode } from '../../src/control/nodes.ts'
import type { Seen } from '../../src/health/probe.ts'
import { prober } from '../../src/health/prober.ts'
import { addSeconds } from '../../src/lib/clock.ts'
import { addressGuard } from '../../src/providers/probe/address-guard.ts'
import { toAlert } from '../../src/store/alert-rows.ts'
import { type Database, text } from '../../src/store/database.ts'
import { incidentBook } from '../../src/store/incident-book.ts'
import { nodeBook } from '../../src/store/node-book.ts'
import { probeBook } from '../../src/store/probe-book.ts'
import { well } from '../health/well.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase } from './fixture.ts'

const unreached: Seen = { kind: 'failed', at: 'timeout', why: 'no whole answer', ms: 5000 }
const gone: Seen = {
  ...well,
  status: 404,
  headers: { 'ngrok-error-code': 'ERR_NGROK_3200' },
  body: '',
}
const dead: Seen = { ...gone, headers: { 'ngrok-error-code': 'ERR_NGROK_8012' } }

const start = '2026-03-10T12:00:00.000Z'
let clock: ReturnType<typeof settableClock>
let opened: Awaited<ReturnType<typeof freshDatabase>>
let db: Database
/** What each host answers, at a moment; what is not named is well. */
let answers: Record<string, (at: Date) => Seen>
let looks: ReturnType<typeof prober>
let desk: ReturnType<typeof nodeDesk>
let book: ReturnType<typeof incidentBook>
/** Statements that were run, by their words. */
let ran: string[]

const now = () => clock.now()
// Hours go by in steps of five seconds.
vi.setConfig({ testTimeout: 60_000 })

beforeEach(async () => {
  clock = settableClock(start)
  answers = {}
  ran = []
  opened = await freshDatabase()
  db = listening(opened.db)
  const look = async ({ url }: { url: string | null }) =>
    answers[new URL(url ?? '').hostname.split('.')[0] ?? '']?.(now()) ?? well
  const failed = (error: unknown) => {
    throw error
  }
  desk = nodeDesk({
    rows: nodeBook(db, now, Buffer.alloc(32, 1)),
    admit: addressGuard().admit,
    look,
    now,
  })
  looks = prober({
    book: probeBook(db, undefined, now),
    look,
    isHeard: async () => false,
    canaries: async () => [],
    clock,
    failed,
  })
  book = incidentBook(db, now)
})

afterEach(() => opened[Symbol.asyncDispose]())

/** The database, with what it is asked for written down. */
function listening(real: Database): Database {
  const heard =
    <A extends [string, ...never[]], R>(ask: (...asked: A) => R) =>
    (...asked: A): R => {
      ran.push(asked[0].replace(/\s+/g, ' ').trim())
      return ask(...asked)
    }
  return {
    ...real,
    all: heard(real.all),
    first: heard(real.first),
    run: heard(real.run),
    transaction: (work) =>
      real.transaction((tx) =>
        work({ all: heard(tx.all), first: heard(tx.first), run: heard(tx.run) }),
      ),
  }
}

const add = (name: string, ...dependsOn: string[]) =>
  desk.add({ name, url: `https://${name}.example`, dependsOn })
const behind = (name: string, more: Partial<WantedNode> = {}) =>
  desk.add({ name, url: `https://${name}.ngrok-free.app`, ...more })

/** All that comes due until so many seconds have passed: probes, and every five seconds what is held. */
async function pass(seconds: number): Promise<void> {
  const until = addSeconds(now(), seconds).getTime()
  let beat = now().getTime()
  for (;;) {
    const probe = (await looks.sweep()) ?? until
    const next = Math.max(now().getTime(), Math.min(probe, beat))
    if (next > until) break
    clock.set(new Date(next).toISOString())
    if (next < beat) continue
    await book.settleHeld()
    beat = next + 5000
  }
  clock.set(new Date(until).toISOString())
}

const isDown = () => unreached
const fall = (...names: string[]) => {
  for (const name of names) answers[name] = isDown
}
const rise = (...names: string[]) => {
  for (const name of names) delete answers[name]
}
const alerts = async () =>
  (await db.all("select * from alerts where state in ('waiting', 'told') order by at, id")).map(
    toAlert,
  )
const told = async () => (await alerts()).map(({ kind, about }) => `${about} ${kind}`)
const stateOf = async (name: string) => (await desk.must(name)).state
const record = async (name: string) =>
  (
    await db.all(
      `select words from incident_steps join incidents on incidents.id = incident_id
         join nodes on nodes.id = node_id where name = $1 order by incident_steps.number`,
      name,
    )
  ).map((row) => text(row, 'words'))
/** To just after the next probe of a node. */
async function afterProbeOf(name: string): Promise<void> {
  const next = (await desk.must(name)).watch.nextProbeAt
  await pass((next.getTime() - now().getTime()) / 1000 + 0.001)
}

describe('nodes behind a router', () => {
  beforeEach(async () => {
    await add('router')
    await add('switch', 'router')
    await add('lab', 'switch')
    await add('house')
    await pass(3600)
  })

  it('that is down are not told of; their record is as ever', async () => {
    await afterProbeOf('router') // it is looked at last, so that they fall before it is known to be down
    fall('router', 'switch', 'lab')
    await pass(1800)
    expect(await told()).toEqual(['router node-down'])
    expect((await alerts())[0]?.facts.below).toBe(2)
    expect([await stateOf('switch'), await stateOf('lab')]).toEqual(['down', 'down'])
    expect(await record('lab')).toContain('depends on router, which is down: nobody is told')
    const bad = await db.all(
      "select found from probes join nodes on nodes.number = node where name = 'lab' and found = 'timeout'",
    )
    expect(bad.length).toBeGreaterThanOrEqual(6)
    const incidents = incidentDesk({ rows: book, node: desk.must, now })
    const { items } = await incidents.list({ isOpen: true, node: 'lab' }, 10, undefined)
    expect(items).toMatchObject([{ node: 'lab', heldBy: 'router' }])
    await pass(6 * 3600)
    await book.remind()
    expect(await told()).toEqual(['router node-down', 'router node-down'])
  })

  it('and come back with it are told of neither way', async () => {
    fall('router', 'switch', 'lab')
    await pass(3600)
    rise('router', 'switch', 'lab')
    await pass(3600)
    expect(await told()).toEqual(['router node-down', 'router node-recovered'])
    expect([await stateOf('switch'), await stateOf('lab')]).toEqual(['up', 'up'])
    expect((await record('lab')).at(-1)).toBe('up again')
    expect(await db.all('select * from incidents where closed_at is null')).toEqual([])
  })

  it('and stay down after its return are told two minutes after it, by their own probes', async () => {
    fall('router', 'switch', 'lab')
    await pass(3600)
    rise('router', 'switch')
    const roseAt = now()
    await pass(3600)
    expect((await told()).toSorted()).toEqual([
      'lab node-down',
      'router node-down',
      'router node-recovered',
    ])
    const backAt = async (name: string) => (await desk.must(name)).watch.changes.at(-1) ?? roseAt
    const [down] = (await alerts()).filter(({ about }) => about === 'lab')
    // The later of the two that it depends on.
    const back = Math.max((await backAt('router')).getTime(), (await backAt('switch')).getTime())
    const after = ((down?.at.getTime() ?? 0) - back) / 1000
    expect(after).toBeGreaterThanOrEqual(120)
    expect(after).toBeLessThanOrEqual(135)
    expect((await record('lab')).at(-1)).toMatch(/^still down though \w+ is back$/)
    rise('lab')
    await pass(1200)
    expect(await told()).toContain('lab node-recovered')
  })

  it('that fall by themselves are told at once, within 330 s, and again by reminders', async () => {
    await afterProbeOf('lab')
    const died = now()
    fall('lab')
    await pass(330)
    const [alert] = await alerts()
    expect(alert).toMatchObject({ kind: 'node-down', about: 'lab' })
    expect(((alert?.dueAt.getTime() ?? 0) - died.getTime()) / 1000).toBeLessThanOrEqual(325)
    await pass(6 * 3600)
    expect(await book.remind()).toBe(1)
  })

  it.each([1, 2])(
    'that fall while it is in doubt for %i probes are told within 330 s all the same',
    async (doubts) => {
      await afterProbeOf('lab')
      const died = now()
      fall('lab')
      let asked = 0
      answers.router = () => (++asked <= doubts ? unreached : well)
      await pass(330)
      expect(asked).toBeGreaterThan(doubts)
      expect(await told()).toEqual(['lab node-down'])
      const [alert] = await alerts()
      expect(((alert?.at.getTime() ?? 0) - died.getTime()) / 1000).toBeLessThanOrEqual(330)
    },
  )

  it('have it probed at once when they fail first', async () => {
    await afterProbeOf('router')
    fall('lab')
    await afterProbeOf('lab')
    const failedAt = (await desk.must('lab')).watch.badSince
    await pass(1)
    const asked = (await desk.must('router')).probedAt
    const after = ((asked?.getTime() ?? 0) - (failedAt?.getTime() ?? 0)) / 1000
    expect(after).toBeGreaterThan(0)
    expect(after).toBeLessThan(1)
    expect(failedAt).not.toBeNull()
  })

  it('keep the thread of a fall that was told before it fell', async () => {
    fall('lab')
    await pass(600)
    fall('router', 'switch')
    await pass(7 * 3600)
    await book.remind()
    expect((await told()).filter((one) => one === 'lab node-down')).toHaveLength(1)
    rise('lab', 'router', 'switch')
    await pass(3600)
    expect((await told()).toSorted()).toEqual([
      'lab node-down',
      'lab node-recovered',
      'router node-down',
      'router node-down',
      'router node-recovered',
    ])
  })

  it('in silence are not told of after its return either', async () => {
    const incidents = incidentDesk({ rows: book, node: desk.must, now })
    const endsAt = addSeconds(now(), 4 * 3600).toISOString()
    await incidents.silence({ node: 'lab', kind: 'silence', endsAt, by: 'Rui' })
    fall('router', 'switch', 'lab')
    await pass(3600)
    rise('router', 'switch')
    await pass(3600)
    expect(await told()).toEqual(['router node-down', 'router node-recovered'])
    await pass(4 * 3600)
    expect(await book.remind()).toBe(1)
    expect((await told()).at(-1)).toBe('lab node-down')
  })

  it('call for no other session while it is down, and for one when it is back and they are not', async () => {
    await db.run("update nodes set session_id = 'ses_1' where name = 'lab'")
    fall('router', 'switch')
    answers.lab = () => gone
    await pass(900)
    expect(await book.unfinished()).toEqual([])
    rise('router', 'switch')
    await pass(900)
    expect(await book.unfinished()).toMatchObject([{ consequence: 'replace' }])
  })

  it('cost a probe nothing more, and an outage without them one look at who depends on whom', async () => {
    ran = []
    await pass(3600)
    const others = ran.filter(
      (one) =>
        !/^(begin|commit|insert into probes|update nodes set state|select \* from nodes where removed_at is null and next_probe_ms|select next_probe_ms)/.test(
          one,
        ),
    )
    expect(new Set(others)).toEqual(
      new Set([expect.stringMatching(/^select 1 as one from incidents where held_at/)]),
    )
    ran = []
    fall('house')
    await pass(600)
    expect(ran.filter((one) => one.includes('depends_on is not null'))).toHaveLength(1)
    expect(await told()).toEqual(['house node-down'])
  })
})

describe('what a node may depend on', () => {
  it('is known, leads in no circle, and stays while it is needed', async () => {
    await add('router')
    await add('lab', 'router')
    await expect(add('house', 'rooter')).rejects.toMatchObject({ code: 'node_unknown' })
    await expect(desk.change('router', { dependsOn: ['lab'] })).rejects.toMatchObject({
      code: 'dependency_circle',
      message: 'router would depend on itself: router → lab → router',
      next: expect.stringContaining('rodizio nodes change lab --no-depends-on'),
    })
    await expect(desk.change('lab', { dependsOn: ['lab'] })).rejects.toMatchObject({
      code: 'dependency_circle',
    })
    await expect(desk.remove('router')).rejects.toMatchObject({
      code: 'node_needed',
      message: 'other nodes depend on router: lab',
    })
    expect((await desk.must('lab')).dependsOn).toHaveLength(1)
    await desk.change('lab', { isPublic: true })
    expect((await desk.must('lab')).dependsOn).toHaveLength(1)
    await desk.change('lab', { dependsOn: [] })
    await desk.remove('router')
    expect((await desk.list()).map(({ node }) => node.name)).toEqual(['lab'])
  })
})

it('a router is asked at its own address, and is up with any answer', async () => {
  const router = await desk.add({
    name: 'router',
    url: 'http://router.example',
    anyAnswer: true,
  })
  expect(router.node.url).toBe('http://router.example/')
  answers.router = () => ({ ...well, status: 401, body: '<html>' })
  await pass(10)
  expect(await stateOf('router')).toBe('up')
  await desk.change('router', { anyAnswer: false })
  await pass(3600)
  expect(await stateOf('router')).toBe('down')
})

describe('nodes of one tunnel account', () => {
  const names = ['n0', 'n1', 'n2']
  beforeEach(async () => {
    for (const name of names) await behind(name)
    await pass(2 * 3600)
  })

  it('that all fall for a cause of the tunnel are told together, with their account', async () => {
    for (const name of names) answers[name] = () => gone
    await pass(900 + 30)
    const all = await alerts()
    expect(all.map(({ about }) => about).toSorted()).toEqual(names)
    expect(new Set(all.map(({ at }) => at.getTime())).size).toBe(1)
    for (const { facts } of all) expect(facts).toMatchObject({ account: 'ngrok', accountNodes: 3 })
    expect(await db.all('select * from incidents where closed_at is null')).toHaveLength(3)
    const messages = (some: Awaited<ReturnType<typeof alerts>>) =>
      envelopesOf(some, 'mail', addSeconds(now(), 3600), () => 'id')
    expect(messages(all)).toHaveLength(1)
    for (const name of names) delete answers[name]
    await pass(900 + 60)
    const returns = (await alerts()).filter(({ kind }) => kind === 'node-recovered')
    expect(returns).toHaveLength(3)
    expect(messages(returns)).toHaveLength(1)
    const times = returns.map(({ at }) => at.getTime())
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(5000)
  })

  it('of which one falls is told alone, at once, without its account', async () => {
    answers.n1 = () => gone
    await pass(900 + 25)
    expect(await told()).toEqual(['n1 node-down'])
    expect((await alerts())[0]?.facts.account).toBeUndefined()
  })

  it('whose servers die are told one by one, as they are found', async () => {
    for (const name of names) answers[name] = () => dead
    await pass(900 + 30)
    const all = await alerts()
    expect(all).toHaveLength(3)
    expect(new Set(all.map(({ at }) => at.getTime())).size).toBe(3)
    for (const { facts } of all) expect(facts.account).toBeUndefined()
  })
})
