import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { incidentDesk } from '../../src/control/incidents.ts'
import { nodeDesk, type WantedNode } from '../../src/control/nodes.ts'
import type { FailedAt, Seen } from '../../src/health/probe.ts'
import { prober } from '../../src/health/prober.ts'
import { addSeconds, secondsBetween, systemClock } from '../../src/lib/clock.ts'
import { addressGuard } from '../../src/providers/probe/address-guard.ts'
import { toAlert } from '../../src/store/alert-rows.ts'
import { type Database, text } from '../../src/store/database.ts'
import { incidentBook } from '../../src/store/incident-book.ts'
import { nodeBook } from '../../src/store/node-book.ts'
import { probeBook } from '../../src/store/probe-book.ts'
import { well } from '../health/well.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase } from './fixture.ts'

const failing = (at: FailedAt): Seen => ({ kind: 'failed', at, why: `it failed at ${at}`, ms: 5 })
const ngrok = (code: string, status = 404): Seen => ({
  ...well,
  status,
  headers: { 'ngrok-error-code': code },
  body: '',
})

const start = '2026-03-10T12:00:00.000Z'
let clock: ReturnType<typeof settableClock>
let opened: Awaited<ReturnType<typeof freshDatabase>>
let db: Database
/** What each host answers; what is not named is well. */
let answers: Record<string, Seen | ((at: Date) => Seen)>
/** Requests so far, by host. */
let asked: Record<string, number>
let canariesReached: boolean[]
/** Whether the sessions of nodes are heard. */
let heard: boolean
let looks: ReturnType<typeof prober>
let desk: ReturnType<typeof nodeDesk>

beforeEach(async () => {
  clock = settableClock(start)
  answers = {}
  asked = {}
  canariesReached = [true, true]
  heard = false
  opened = await freshDatabase()
  db = opened.db
  open()
})

afterEach(() => opened[Symbol.asyncDispose]())

/** The prober's own state is nothing that may not be lost. */
function open(): void {
  const now = () => clock.now()
  const look = async ({ url }: { url: string | null }) => {
    const { hostname } = new URL(url ?? '')
    asked[hostname] = (asked[hostname] ?? 0) + 1
    const answer = answers[hostname] ?? well
    return typeof answer === 'function' ? answer(clock.now()) : answer
  }
  const canaries = async () =>
    canariesReached.map((isReached, index) => ({ address: `canary-${index}`, isReached }))
  const failed = (error: unknown) => {
    throw error
  }
  desk = nodeDesk({
    rows: nodeBook(db, now, Buffer.alloc(32, 1)),
    admit: addressGuard().admit,
    look,
    now,
  })
  const isHeard = async () => heard
  looks = prober({ book: probeBook(db), look, isHeard, canaries, clock, failed })
}

const add = (name: string, more: Partial<WantedNode> = {}) =>
  desk.add({ name, url: `https://${name}.example`, ...more })

/** Looks at what is due, whenever it is, until so many seconds have passed. */
async function pass(seconds: number): Promise<void> {
  const until = addSeconds(clock.now(), seconds)
  for (;;) {
    const next = await looks.sweep()
    if (next === null || next > until.getTime()) break
    to(new Date(next))
  }
  to(until)
}

const to = (at: Date) => clock.advance(Math.max(0, secondsBetween(clock.now(), at)))

const alerts = async () =>
  (await db.all("select * from alerts where state in ('waiting', 'told') order by at, id")).map(
    toAlert,
  )
const kinds = async () => (await alerts()).map(({ kind }) => kind)
const stateOf = async (name: string) => (await desk.must(name)).state
const sinceStart = (date: Date | undefined) => ((date?.getTime() ?? 0) - Date.parse(start)) / 1000

describe('an outage', () => {
  it('that begins right after a look is known, and its alert written, within 330 s', async () => {
    await add('house')
    await pass(3600)
    expect(await stateOf('house')).toBe('up')
    const { probedAt } = await desk.must('house')
    clock.set(addSeconds(probedAt ?? clock.now(), 0.001).toISOString())
    const died = clock.now()
    answers['house.example'] = failing('timeout')
    await pass(330)
    const [alert] = await alerts()
    expect(alert).toMatchObject({ kind: 'node-down', about: 'house' })
    // Each look may take its 5 s on top of this.
    expect(((alert?.dueAt.getTime() ?? 0) - died.getTime()) / 1000).toBeLessThanOrEqual(325)
    expect(alert?.facts.from).toBe(addSeconds(probedAt ?? died, 300).toISOString())
  })

  it('of less than ten seconds is one blip on record, and nobody is told', async () => {
    await add('house')
    await pass(3600)
    const next = (await desk.must('house')).watch.nextProbeAt
    answers['house.example'] = (at) =>
      Math.abs(at.getTime() - next.getTime()) < 9000 ? failing('connect') : well
    await pass(1200)
    expect(await alerts()).toEqual([])
    expect(await db.all('select * from incidents')).toEqual([])
    expect(await db.all('select * from blips')).toMatchObject([{ from_at: next.toISOString() }])
    expect(await stateOf('house')).toBe('up')
  })

  it('and its end are one thread; the recovery is told once it has lasted', async () => {
    await add('house')
    await pass(3600)
    answers['house.example'] = failing('connect')
    await pass(900)
    delete answers['house.example']
    await pass(900)
    const [down, back, ...more] = await alerts()
    expect(more).toEqual([])
    expect([down?.kind, back?.kind]).toEqual(['node-down', 'node-recovered'])
    expect(back?.thread).toBe(down?.thread)
    expect(back && (back.dueAt.getTime() - back.at.getTime()) / 1000).toBe(600)
    expect(Number(back?.facts.downSeconds)).toBeGreaterThan(800)
    const steps = await db.all('select words from incident_steps order by number')
    expect(steps.map((row) => text(row, 'words'))).toEqual([
      'down: it failed at connect',
      'up again',
    ])
  })

  it('survives its prober: another one goes on where it stopped', async () => {
    await add('house')
    await pass(3600)
    answers['house.example'] = failing('connect')
    const next = (await desk.must('house')).watch.nextProbeAt
    clock.set(next.toISOString())
    await looks.sweep() // one bad look of three
    open()
    await pass(30)
    expect(await kinds()).toEqual(['node-down'])
    open()
    await pass(3600)
    expect(await kinds()).toEqual(['node-down'])
  })
})

it.each([5.5, 6, 7])(
  'a node that flips ten times in an hour, every %s minutes, is two messages',
  async (minutes) => {
    await add('house')
    await pass(7200)
    const began = clock.now().getTime()
    answers['house.example'] = (at) => {
      const flips = Math.floor((at.getTime() - began) / (minutes * 60_000))
      return flips < 10 && flips % 2 === 0 ? failing('connect') : well
    }
    await pass(3600)
    expect((await alerts()).filter(({ dueAt }) => dueAt <= clock.now()).length).toBeLessThanOrEqual(
      2,
    )
    await pass(3 * 3600)
    const told = await alerts()
    expect(new Set(told.map(({ thread }) => thread)).size).toBeLessThanOrEqual(1)
    expect(await stateOf('house')).toBe('up')
  },
)

describe('a book that takes nothing', () => {
  it('is told of once, loses no node, and goes on when it takes again', async () => {
    await add('house')
    const trouble: string[] = []
    let isFull = true
    const book = probeBook(db)
    const probing = prober({
      book: {
        ...book,
        save: (all) => (isFull ? Promise.reject(new Error('the disk is full')) : book.save(all)),
      },
      look: async () => well,
      isHeard: async () => false,
      canaries: async () => [],
      clock: systemClock,
      failed: (error) => trouble.push(String(error)),
    })
    const stop = probing.start()
    await expect.poll(() => trouble.length, { timeout: 5000 }).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 200))
    isFull = false
    await expect.poll(() => stateOf('house'), { timeout: 5000 }).toBe('up')
    await stop()
    expect(trouble).toEqual(['Error: the disk is full'])
  })
})

describe('the own network', () => {
  it('that is down makes nodes unknown, harms no uptime, and is told once when it is back', async () => {
    await add('house')
    await add('lab')
    await pass(3600)
    answers = { 'house.example': failing('dns'), 'lab.example': failing('timeout') }
    canariesReached = [false, false]
    const cut = clock.now()
    await pass(1800)
    expect([await stateOf('house'), await stateOf('lab')]).toEqual(['unknown', 'unknown'])
    expect(await alerts()).toEqual([])
    answers = {}
    canariesReached = [true, true]
    await pass(600)
    expect([await stateOf('house'), await stateOf('lab')]).toEqual(['up', 'up'])
    const told = await alerts()
    expect(told.map(({ kind }) => kind)).toEqual(['own-network'])
    expect(told[0]?.facts.count).toBe(2)
    expect(sinceStart(new Date(String(told[0]?.facts.from)))).toBeGreaterThanOrEqual(
      sinceStart(cut),
    )
    expect(await db.all('select * from incidents')).toEqual([])
    const bad = await db.all("select * from probes where found not in ('up', 'unknown')")
    expect(bad).toEqual([])
  })

  it('is not to blame when one canary is reached: the only node that is down is down', async () => {
    await add('house')
    await pass(3600)
    answers['house.example'] = failing('dns')
    canariesReached = [false, true]
    await pass(600)
    expect(await kinds()).toEqual(['node-down'])
  })

  it('is there as long as the session of the node is heard', async () => {
    await add('house')
    await pass(3600)
    answers['house.example'] = failing('timeout')
    canariesReached = [false, false]
    heard = true
    await pass(600)
    expect(await kinds()).toEqual(['node-down'])
  })

  it('that is down ends no outage and begins none', async () => {
    await add('house')
    await pass(3600)
    answers['house.example'] = ngrok('ERR_NGROK_3200')
    await pass(600)
    answers['house.example'] = failing('dns')
    canariesReached = [false, false]
    await pass(600)
    expect(await stateOf('house')).toBe('unknown')
    answers['house.example'] = ngrok('ERR_NGROK_3200')
    canariesReached = [true, true]
    await pass(600)
    expect(await stateOf('house')).toBe('down')
    expect(await kinds()).toEqual(['node-down', 'own-network'])
  })
})

describe.each([
  [1, 300],
  [2, 600],
  [3, 900],
])('%i nodes behind one tunnel account', (count, interval) => {
  const names = Array.from({ length: count }, (_, index) => `n${index}`)
  const addAll = async () => {
    for (const name of names) await desk.add({ name, url: `https://${name}.ngrok-free.app` })
  }

  it(`are looked at every ${interval} s, within 45 % of its requests in a month`, async () => {
    await addAll()
    expect((await desk.must('n0')).turnSeconds).toBe(interval)
    await pass(3 * 86_400)
    const inMonth = (Object.values(asked).reduce((sum, one) => sum + one, 0) * 31) / 3
    expect(inMonth).toBeLessThanOrEqual(0.45 * 20_000 + 31 * count)
    expect(inMonth).toBeGreaterThan(0.4 * 20_000)
  }, 60_000)

  it('are known to be down within their interval and 30 s', async () => {
    await addAll()
    await pass(7200)
    const died = clock.now()
    for (const name of names) answers[`${name}.ngrok-free.app`] = ngrok('ERR_NGROK_3200')
    await pass(interval + 30)
    const told = await alerts()
    expect(told.map(({ kind }) => kind)).toEqual(names.map(() => 'node-down'))
    for (const { at } of told) {
      expect((at.getTime() - died.getTime()) / 1000).toBeLessThanOrEqual(interval + 30)
    }
  })
})

it('a tunnel account at its limit is told once, and its nodes are left alone until it is over', async () => {
  for (const name of ['n0', 'n1', 'n2']) await desk.add({ name, url: `https://${name}.ngrok.app` })
  await pass(3600)
  for (const name of ['n0', 'n1', 'n2']) answers[`${name}.ngrok.app`] = ngrok('ERR_NGROK_727', 403)
  asked = {}
  await pass(6 * 3600)
  expect(await kinds()).toEqual(['node-limited'])
  expect(await db.all('select * from incidents')).toEqual([])
  expect(Object.values(asked).reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(3 * 7)
})

describe('who is told', () => {
  const outage = async () => {
    await pass(3600)
    answers['house.example'] = failing('connect')
    await pass(600)
  }
  const incidents = () =>
    incidentDesk({
      rows: incidentBook(db, () => clock.now()),
      node: desk.must,
      now: () => clock.now(),
    })
  const remind = () => incidentBook(db, () => clock.now()).remind()

  it('is told again every six hours, until somebody knows of it', async () => {
    await add('house')
    await outage()
    expect(await remind()).toBe(0)
    await pass(6 * 3600)
    expect(await remind()).toBe(1)
    expect(await remind()).toBe(0)
    const [one] = (await incidents().list({ isOpen: true, node: undefined }, 10, undefined)).items
    await incidents().acknowledge(one?.incident.id ?? '', 'Rui')
    await pass(12 * 3600)
    expect(await remind()).toBe(0)
    expect(await kinds()).toEqual(['node-down', 'node-down'])
    expect((await alerts()).map(({ facts }) => facts.reminder)).toEqual([null, 1])
  })

  it('nobody, of what is silenced; all of it is on record, and told when the silence is over', async () => {
    await add('house')
    const until = addSeconds(clock.now(), 2 * 3600).toISOString()
    await incidents().silence({ node: 'house', kind: 'silence', endsAt: until, by: 'Rui' })
    await outage()
    expect(await alerts()).toEqual([])
    expect(await db.all("select * from alerts where state = 'silenced'")).toHaveLength(1)
    expect(await remind()).toBe(0)
    await pass(3600)
    expect(await remind()).toBe(1)
    expect(await kinds()).toEqual(['node-down'])
  })

  it('refuses a silence without a real end', async () => {
    const by = 'Rui'
    const past = { kind: 'silence', endsAt: '2026-03-01T00:00:00Z', by } as const
    await expect(incidents().silence(past)).rejects.toMatchObject({ code: 'silence_invalid' })
    const long = { kind: 'silence', endsAt: '2027-03-01T00:00:00Z', by } as const
    await expect(incidents().silence(long)).rejects.toMatchObject({ code: 'silence_too_long' })
    const nowhere = { ...past, zone: 'Nowhere/City' }
    await expect(incidents().silence(nowhere)).rejects.toMatchObject({ code: 'zone_unknown' })
  })
})

describe('a node of a person', () => {
  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://[::1]/',
    'http://[::ffff:7f00:1]/',
    'http://①②⑦.0.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://metadata.google.internal/',
    'http://localhost:8000/',
    'http://10.0.0.8/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'file:///etc/passwd',
    'https://user:secret@node.example/',
  ])('is refused at %s', async (url) => {
    await expect(add('house', { url })).rejects.toMatchObject({ code: 'url_refused' })
    expect(await desk.list()).toEqual([])
  })

  it.each(['', '-x', 'a'.repeat(64), 'a\r\nBcc: x@y.z', '<b>', 'a/b', '\u202Egnp'])(
    'is refused under the name %j',
    async (name) => {
      await expect(desk.add({ name, url: 'https://a.example' })).rejects.toMatchObject({
        code: 'name_invalid',
      })
    },
  )

  it('has a name of its own, and an interval that can be', async () => {
    await add('house')
    await expect(add('house')).rejects.toMatchObject({ code: 'name_taken' })
    await expect(add('lab', { intervalSeconds: 5 })).rejects.toMatchObject({
      code: 'interval_invalid',
    })
    await desk.remove('house')
    expect((await add('house')).node.state).toBe('unknown')
  })

  it('is looked at by its new interval from the change on, where that is shorter', async () => {
    await add('house', { intervalSeconds: 86_400 })
    await pass(1)
    asked = {}
    await desk.change('house', { isPublic: true })
    await pass(600)
    expect(asked).toEqual({})
    await desk.change('house', { intervalSeconds: 60 })
    await pass(60)
    expect(asked).toEqual({ 'house.example': 1 })
    await desk.change('house', { intervalSeconds: 3600 })
    await pass(3599)
    expect(asked['house.example']).toBeLessThanOrEqual(3)
  })

  it('is looked at by its new interval also when it is changed while a look is under way', async () => {
    await add('house', { intervalSeconds: 86_400 })
    await pass(1)
    const { nextProbeAt } = (await desk.must('house')).watch
    to(nextProbeAt)
    const node = await desk.must('house') // as the look has it that begins now
    await desk.change('house', { intervalSeconds: 60 })
    await probeBook(db).save([{ node, at: clock.now(), seen: well }])
    asked = {}
    await pass(60)
    expect(asked).toEqual({ 'house.example': 1 })
  })

  it('behind a tunnel account at its limit is left alone all the same', async () => {
    for (const name of ['n0', 'n1']) await desk.add({ name, url: `https://${name}.ngrok.app` })
    await pass(1200)
    for (const name of ['n0', 'n1']) answers[`${name}.ngrok.app`] = ngrok('ERR_NGROK_727', 403)
    await pass(900)
    asked = {}
    for (const name of ['n0', 'n1']) {
      await desk.change(name, { intervalSeconds: 1200 })
      await desk.change(name, { intervalSeconds: 60 })
    }
    await pass(900)
    expect(asked).toEqual({})
  })

  it('that is changed while a probe brings it down stays down', async () => {
    await add('house')
    await pass(10)
    answers['house.example'] = failing('connect')
    const rows = nodeBook(db, () => clock.now(), Buffer.alloc(32, 1))
    const racing = nodeDesk({
      rows: {
        ...rows,
        node: async (idOrName) => {
          const read = await rows.node(idOrName)
          if (read?.state === 'up') await pass(400) // it goes down after it was read
          return read
        },
      },
      admit: addressGuard().admit,
      look: async () => well,
      now: () => clock.now(),
    })
    await racing.change('house', { isPublic: true })
    expect(await desk.must('house')).toMatchObject({ state: 'down', isPublic: true })
  })

  it('takes its open incident with it', async () => {
    await add('house')
    await pass(3600)
    answers['house.example'] = failing('connect')
    await pass(600)
    await desk.remove('house')
    expect(await db.all('select * from incidents where closed_at is null')).toEqual([])
    await pass(3600)
    expect(asked['house.example']).toBeLessThan(30)
  })

  it('moved while a look is under way keeps what the look did not see', async () => {
    const { node } = await add('house')
    const book = probeBook(db)
    await desk.change('house', { url: 'https://other.example' })
    await book.save([{ node, at: clock.now(), seen: failing('connect') }])
    expect((await desk.must('house')).watch.doubts).toBe(0)
    expect(await db.all('select * from probes')).toEqual([])
  })
})
