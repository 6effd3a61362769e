import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeHistory } from '../../src/control/node-history.ts'
import { nodeDesk, type WantedNode } from '../../src/control/nodes.ts'
import { deepProber } from '../../src/health/deep-prober.ts'
import type { DeepSeen } from '../../src/health/deep-verdict.ts'
import type { Seen } from '../../src/health/probe.ts'
import { prober } from '../../src/health/prober.ts'
import { addSeconds, secondsBetween, systemClock } from '../../src/lib/clock.ts'
import { addressGuard } from '../../src/providers/probe/address-guard.ts'
import { toAlert } from '../../src/store/alert-rows.ts'
import { type Database, type Queries, text } from '../../src/store/database.ts'
import { deepBook, deepHistory } from '../../src/store/deep-book.ts'
import { nodeBook } from '../../src/store/node-book.ts'
import { probeBook } from '../../src/store/probe-book.ts'
import { probeHistory } from '../../src/store/probe-history.ts'
import { well as plainWell } from '../health/well.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase } from './fixture.ts'

const key = 'sk-the-key-that-nobody-may-see'
const secretKey = Buffer.alloc(32, 1)
const well: Seen = { ...plainWell, body: '{"status":"ok","model":"tiny"}' }
const noConnection = {
  kind: 'failed',
  at: 'connect',
  why: 'it takes no connection',
  ms: 5,
} as const
const said = (status: number, tokenMs: number | null): DeepSeen => ({
  kind: 'answered',
  status,
  headers: {},
  tokenMs,
  end: 'whole',
  isError: false,
  ms: 150,
})
const token = said(200, 120)
const nothing = said(200, null)

let clock: ReturnType<typeof settableClock>
let opened: Awaited<ReturnType<typeof freshDatabase>>
let db: Database
/** What /health, and the interface, of each host answer; what is not named is well. */
let health: Record<string, Seen>
let tokens: Record<string, DeepSeen>
let asked: { readonly at: Date; readonly base: string; model: string | null; key: string | null }[]
let areCanariesReached: boolean
let trouble: string[]
let desk: ReturnType<typeof nodeDesk>
let probes: ReturnType<typeof prober>
let deeps: ReturnType<typeof deepProber>

beforeEach(async () => {
  clock = settableClock('2026-03-10T12:00:00.000Z')
  health = {}
  tokens = {}
  asked = []
  trouble = []
  areCanariesReached = true
  opened = await freshDatabase()
  db = opened.db
  open()
})
afterEach(() => opened[Symbol.asyncDispose]())

/** What is kept in memory is nothing that may not be lost. */
function open(seal: Uint8Array = secretKey): void {
  const now = () => clock.now()
  const canaries = async () =>
    ['a', 'b'].map((address) => ({ address, isReached: areCanariesReached }))
  const failed = (error: unknown) => void trouble.push(String(error))
  const look = async ({ url }: { url: string | null }) => health[new URL(url ?? '').host] ?? well
  const ask: Parameters<typeof deepProber>[0]['ask'] = async (target) => {
    asked.push({ at: clock.now(), ...target })
    return tokens[new URL(target.base).host] ?? token
  }
  desk = nodeDesk({ rows: nodeBook(db, now, seal), admit: addressGuard().admit, look, now })
  const isHeard = async () => false
  probes = prober({ book: probeBook(db), look, isHeard, canaries, clock, failed })
  deeps = deepProber({ book: deepBook(db, seal), ask, canaries, clock, failed })
}

const add = (name: string, more: Partial<WantedNode> = {}) =>
  desk.add({ name, url: `https://${name}.example`, deep: {}, ...more })

/** Probes and asks what is due, whenever it is, until so many seconds have passed. */
async function pass(seconds: number): Promise<void> {
  const until = addSeconds(clock.now(), seconds).getTime()
  for (;;) {
    const due = [await probes.sweep(), await deeps.sweep()].filter((ms) => ms !== null)
    const next = Math.min(...due)
    if (next > until) break
    to(next)
  }
  to(until)
}
const to = (ms: number) => clock.advance(Math.max(0, secondsBetween(clock.now(), new Date(ms))))

const alerts = async () => (await db.all('select * from alerts order by at, id')).map(toAlert)
const node = async (name: string) => desk.withDeep(await desk.must(name))
const seconds = () => asked.map(({ at }) => secondsBetween(new Date('2026-03-10T12:00:00Z'), at))
const history = () => {
  const now = () => clock.now()
  return nodeHistory(probeHistory(db, now), deepHistory(db), now)
}

describe('a node with a deep probe', () => {
  it('is asked once it is up, then once an hour, at a moment of its own', async () => {
    await add('house')
    await pass(24 * 3600)
    const [first = -1, ...rest] = seconds()
    expect([first, rest.length]).toEqual([0, 24])
    const phases = new Set(rest.map((second) => Math.round(second % 3600)))
    expect(phases.size).toBe(1)
    expect(asked[0]).toMatchObject({ base: 'https://house.example/v1', model: 'tiny', key: null })
    const { deep } = await node('house')
    expect(deep).toMatchObject({ watch: { state: 'good', tokenMs: 120, endMs: 150 } })
  })

  it('many are spread over the hour', async () => {
    for (let one = 0; one < 40; one += 1) await add(`n${one}`)
    await pass(3 * 3600)
    const late = seconds().filter((second) => second >= 3600 && second < 7200)
    expect(late.length).toBe(40)
    const quarters = Map.groupBy(late, (second) => Math.floor(second / 900))
    expect([...quarters.values()].every((those) => those.length <= 25)).toBe(true)
  })

  it('that is well and generates nothing is down within an hour and a minute, told once; a token ends it', async () => {
    await add('house')
    await pass(2 * 3600)
    tokens['house.example'] = nothing
    const before = asked.length
    await pass(3660)
    const [down, ...more] = await alerts()
    expect([down?.kind, down?.facts.cause, more]).toEqual(['node-down', 'no-token', []])
    expect(down?.facts.words).toMatch(/generates nothing: its answer ends without a token/)
    // Known at the second, begun with the first.
    const [bad, confirmed] = asked.slice(before).map(({ at }) => at)
    expect(down?.facts.from).toBe(bad?.toISOString())
    expect(down?.at).toEqual(confirmed)
    const [incident] = await db.all('select * from incidents')
    expect(incident).toMatchObject({ kind: 'down', consequence: 'restart', closed_at: null })
    await pass(1800)
    expect((await node('house')).node.state).toBe('down')
    delete tokens['house.example']
    await pass(1200)
    expect((await node('house')).node.state).toBe('up')
    expect((await alerts()).map(({ kind }) => kind)).toEqual(['node-down', 'node-recovered'])
    const steps = await db.all('select words from incident_steps order by number')
    expect(steps.map((row) => text(row, 'words'))).toEqual([
      expect.stringMatching(/^down: it says that it is well, and generates nothing/),
      'up again',
    ])
    const [day] = await history()
      .of((await node('house')).node)
      .then(({ uptime }) => uptime)
    expect(day?.percent).toBeLessThan(99)
  })

  it('with one bad answer is asked again after a minute, and nobody is told', async () => {
    await add('house')
    await pass(60)
    const before = asked.length
    tokens['house.example'] = nothing
    while (asked.length === before) await pass(60)
    delete tokens['house.example']
    await pass(120)
    const [bad = 0, again = 0] = seconds().slice(before)
    expect(again - bad).toBe(60)
    expect([await alerts(), await db.all('select * from incidents')]).toEqual([[], []])
  })

  it('is not asked while it is down for another reason', async () => {
    await add('house')
    await pass(600)
    health['house.example'] = noConnection
    await pass(600)
    const before = asked.length
    await pass(4 * 3600)
    expect(asked.length).toBe(before)
    delete health['house.example']
    await pass(900)
    expect(asked.length).toBeGreaterThan(before)
  })

  it.each([
    [401, 'refused'],
    [404, 'refused'],
    [429, 'limited'],
  ] as const)(
    'that answers HTTP %i is not down, and is asked at its rhythm',
    async (status, state) => {
      await add('house', { deep: { key } })
      tokens['house.example'] = said(status, null)
      await pass(6 * 3600)
      const shown = await node('house')
      expect([shown.node.state, shown.deep?.watch.state]).toEqual(['up', state])
      expect(await alerts()).toEqual([])
      expect(asked.length).toBe(7)
    },
  )

  it('is not blamed for this service’s own network', async () => {
    await add('house')
    await pass(3600)
    tokens['house.example'] = noConnection
    areCanariesReached = false
    await pass(3 * 3600)
    expect(await alerts()).toEqual([])
    expect((await node('house')).deep?.watch.state).toBe('good')
    areCanariesReached = true
    await pass(3660)
    expect((await alerts()).map(({ facts }) => facts.cause)).toEqual(['no-token'])
  })

  it('a probe that began before it fell silent does not bring it back', async () => {
    await add('house')
    await pass(60)
    const before = (await node('house')).node
    tokens['house.example'] = nothing
    await pass(4000)
    expect((await node('house')).node.state).toBe('down')
    await probeBook(db).save([{ node: before, at: clock.now(), seen: well }])
    expect((await node('house')).node.state).toBe('down')
  })

  it('goes on where it was after another start', async () => {
    await add('house', { deep: { key } })
    await pass(3600)
    tokens['house.example'] = nothing
    const { deep } = await node('house')
    to(deep?.watch.nextAt.getTime() ?? 0)
    await deeps.sweep()
    open()
    await pass(60)
    expect((await node('house')).node.state).toBe('down')
    expect(asked.at(-1)?.key).toBe(key)
  })
})

describe('the key', () => {
  it('is stored sealed, goes to its origin alone, and is gone with its check or its node', async () => {
    await add('house', { deep: { key } })
    await pass(60)
    expect(asked[0]?.key).toBe(key)
    const everything = async () => {
      const tables = await db.all("select name from sqlite_master where type = 'table'")
      const rows = []
      for (const row of tables) rows.push(await db.all(`select * from ${text(row, 'name')}`))
      return JSON.stringify(rows)
    }
    expect(await everything()).not.toContain(key)
    expect((await everything()).match(/"v1\./g)?.length).toBe(1)
    await desk.change('house', { deep: 'none' })
    expect(await everything()).not.toContain('"v1.')
    await desk.change('house', { deep: { key } })
    await desk.remove('house')
    expect(await everything()).not.toContain('"v1.')
  })

  it.each<[string, { url?: string; deep?: { url: string } }]>([
    ['the node moves', { url: 'https://other.example' }],
    ['the interface moves', { deep: { url: 'https://other.example/v1' } }],
    ['the port changes', { deep: { url: 'https://house.example:8443/v1' } }],
    ['TLS goes', { deep: { url: 'http://house.example/v1' } }],
  ])('has to be given again when %s', async (_what, change) => {
    await add('house', { deep: { key } })
    await expect(desk.change('house', change)).rejects.toMatchObject({ code: 'deep_key_again' })
    expect((await node('house')).node.url).toBe('https://house.example/health')
    const other = 'sk-another'
    await desk.change('house', { ...change, deep: { ...change.deep, key: other } })
    await pass(60)
    expect(asked.map((one) => one.key)).toEqual([other])
    await desk.change('house', { deep: { isKeyless: true } })
    await pass(60)
    expect(asked.at(-1)?.key).toBeNull()
  })

  it('cannot be opened for another origin, though somebody writes it into the books', async () => {
    await add('house', { deep: { key } })
    await db.run("update deep_checks set base_url = 'https://evil.example/v1'")
    await pass(60)
    expect(asked).toEqual([])
    expect((await node('house')).deep?.watch).toMatchObject({
      state: 'refused',
      words: expect.stringMatching(/give it again/),
    })
    expect(trouble.join()).toMatch(/cannot be opened/)
    expect(trouble.join()).not.toContain(key)
  })

  it('stays where path, model or rhythm change', async () => {
    await add('house', { deep: { key } })
    await desk.change('house', { deep: { model: 'big', everySeconds: 7200 } })
    await desk.change('house', { url: 'https://house.example/up' })
    await desk.change('house', { deep: { url: 'https://house.example/api/v1/' } })
    await pass(60)
    expect(asked).toMatchObject([{ base: 'https://house.example/api/v1', model: 'big', key }])
    expect((await node('house')).deep).toMatchObject({ everySeconds: 7200, hasKey: true })
  })

  it.each(['with space', 'line\nbreak', 'ü', 'x'.repeat(501)])(
    'is none that is %j',
    async (wrong) => {
      const added = add('house', { deep: { key: wrong } })
      await expect(added).rejects.toMatchObject({ code: 'deep_key_invalid' })
      await expect(added).rejects.not.toThrow(wrong)
      expect(await desk.list()).toEqual([])
    },
  )
})

it('a silent node that is asked no longer comes back by /health', async () => {
  tokens['house.example'] = nothing
  await add('house')
  await pass(600)
  expect((await node('house')).node.state).toBe('down')
  await desk.change('house', { deep: 'none' })
  await pass(900)
  expect((await node('house')).node.state).toBe('up')
})

it.each([
  ['https://10.0.0.1/v1', 'url_refused'],
  ['ftp://house.example', 'url_refused'],
  ['https://house.example/v1?key=1', 'deep_url_invalid'],
])('the interface %s is not asked', async (url, code) => {
  await expect(add('house', { deep: { url } })).rejects.toMatchObject({ code })
})

it('is not asked more often than every ten minutes', async () => {
  await expect(add('house', { deep: { everySeconds: 599 } })).rejects.toMatchObject({
    code: 'deep_interval_invalid',
  })
})

describe('behind a tunnel account', () => {
  const behind = { url: 'https://a.ngrok-free.app' }
  it('counts within the share of probes: those of /health come as often as the rest bears', async () => {
    const once = async (deep: WantedNode['deep']) => {
      const { node: one } = await add('house', { ...behind, deep })
      await desk.remove('house')
      return one.turnSeconds
    }
    expect(await once(undefined)).toBe(300)
    expect(await once({})).toBe(600)
    expect(await once({ everySeconds: 11 * 3600 })).toBe(300)
  })

  it('takes half of that share at the most, and gives it back', async () => {
    for (let one = 0; one < 12; one += 1) await add(`n${one}`, behind)
    const all = await desk.list()
    expect(all.every(({ deep }) => deep?.turnSeconds === 7200)).toBe(true)
    const month = 31 * 86_400
    const sum = all.reduce(
      (so, { node: one, deep }) => so + month / one.turnSeconds + month / (deep?.turnSeconds ?? 1),
      0,
    )
    expect(sum).toBeLessThanOrEqual(9000)
    for (let one = 1; one < 12; one += 1) await desk.remove(`n${one}`)
    expect(await node('n0')).toMatchObject({
      node: { turnSeconds: 600 },
      deep: { turnSeconds: 3600 },
    })
    await desk.change('n0', { deep: 'none' })
    expect((await node('n0')).node.turnSeconds).toBe(300)
  })
})

describe('the record', () => {
  it('has the median and the 95th percentile of the time to the first token, for spans up to 90 days', async () => {
    await add('house', { intervalSeconds: 3600 })
    for (let day = 0; day < 10; day += 1) {
      tokens['house.example'] = said(200, day < 9 ? 100 : 1000)
      await pass(86_400)
    }
    const { tokens: spans, probes: newest } = await history().tokens((await node('house')).node)
    const near = (ms: number) => (value: number | null | undefined) =>
      Math.abs((value ?? 0) - ms) < ms * 0.05
    const [day, week, month] = spans
    expect([day?.asked, day?.good]).toEqual([24, 24])
    expect(day?.p50Ms).toSatisfy(near(1000))
    expect(week?.p50Ms).toSatisfy(near(100))
    expect(week?.p95Ms).toSatisfy(near(1000))
    expect(month?.asked).toBe(241)
    expect(newest[0]).toMatchObject({ found: 'good', tokenMs: 1000, endMs: 150 })
    const kept = await db.first('select count(*) as n from deep_probes')
    expect(Number(kept?.n)).toBeLessThanOrEqual(49)
  })
})

describe('nodes without one', () => {
  /** Statements of what goes on by itself, while so many virtual milliseconds pass. */
  function counting(): { readonly db: Database; readonly sent: string[] } {
    const sent: string[] = []
    const noted = (sql: string): string => {
      sent.push(sql)
      return sql
    }
    const count = <T extends Queries>(on: T): T => ({
      ...on,
      all: (sql, ...values) => on.all(noted(sql), ...values),
      first: (sql, ...values) => on.first(noted(sql), ...values),
      run: (sql, ...values) => on.run(noted(sql), ...values),
    })
    const counted: Database = {
      ...count(db),
      transaction: (work) => db.transaction((tx) => work(count(tx))),
    }
    return { db: counted, sent }
  }

  it('cost one statement a minute, and none per probe', async () => {
    await add('house', { deep: undefined })
    const { db: counted, sent } = counting()
    const slept: number[] = []
    let ended: () => void = () => undefined
    const hour = new Promise<void>((resolve) => {
      ended = resolve
    })
    const asking = deepProber({
      book: deepBook(counted, secretKey),
      ask: async () => token,
      canaries: async () => [],
      failed: (error) => trouble.push(String(error)),
      clock: {
        ...systemClock,
        sleep: async (ms) => {
          slept.push(ms)
          if (slept.length < 60) return
          ended()
          await new Promise((resolve) => setTimeout(resolve, 5))
        },
      },
    })
    const stop = asking.start()
    await hour
    expect(slept.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 60_000))
    expect(sent.length).toBe(60)
    await stop()
    expect(trouble).toEqual([])
    sent.length = 0
    const { node: one } = await node('house')
    await probeBook(counted).save([{ node: one, at: clock.now(), seen: well }])
    expect(sent.filter((sql) => sql.includes('deep'))).toEqual([])
  })
})

it('no more than four are asked at once, and probes of /health wait for none of them', async () => {
  for (let one = 0; one < 10; one += 1) await add(`n${one}`)
  await probes.sweep()
  let atOnce = 0
  let most = 0
  const release: (() => void)[] = []
  const slow = deepProber({
    book: deepBook(db, secretKey),
    ask: async () => {
      atOnce += 1
      most = Math.max(most, atOnce)
      await new Promise<void>((resolve) => release.push(resolve))
      atOnce -= 1
      return token
    },
    canaries: async () => [],
    clock,
    failed: (error) => trouble.push(String(error)),
  })
  const done = slow.sweep()
  await expect.poll(() => release.length).toBe(4)
  clock.advance(600)
  await probes.sweep()
  expect((await desk.must('n9')).probedAt).toEqual(clock.now())
  let isDone = false
  void done.then(() => {
    isDone = true
  })
  await expect
    .poll(() => {
      for (const one of release.splice(0)) one()
      return isDone
    })
    .toBe(true)
  expect(most).toBe(4)
})

it('whoever stops waits for no token, and nothing is written of it', async () => {
  await add('house')
  await probes.sweep()
  let isAsked = false
  const asking = deepProber({
    book: deepBook(db, secretKey),
    ask: (_target, signal) => {
      isAsked = true
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(noConnection))
      })
    },
    canaries: async () => [],
    clock: { ...systemClock, now: () => clock.now() },
    failed: (error) => trouble.push(String(error)),
  })
  const stop = asking.start()
  await expect.poll(() => isAsked).toBe(true)
  await stop()
  expect([await db.all('select * from deep_probes'), trouble]).toEqual([[], []])
})

it('one that cannot be written down is told of once, and not asked over and over', async () => {
  await add('house')
  await probes.sweep()
  const book = deepBook(db, secretKey)
  let count = 0
  const asking = deepProber({
    book: { ...book, save: () => Promise.reject(new Error('the disk is full')) },
    ask: async () => {
      count += 1
      return token
    },
    canaries: async () => [],
    clock,
    failed: (error) => trouble.push(String(error)),
  })
  for (let second = 0; second < 30; second += 1) {
    await asking.sweep()
    clock.advance(1)
  }
  expect([count, trouble]).toEqual([1, ['Error: the disk is full']])
  clock.advance(60)
  await asking.sweep()
  expect(count).toBe(2)
})
