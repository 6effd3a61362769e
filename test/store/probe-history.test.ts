import { afterEach, beforeEach, expect, it } from 'vitest'
import { uptimeOf } from '../../src/health/history.ts'
import { newWatch } from '../../src/health/watch.ts'
import { type Database, number } from '../../src/store/database.ts'
import { insertNode } from '../../src/store/node-rows.ts'
import { probeHistory } from '../../src/store/probe-history.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase } from './fixture.ts'

const start = Date.parse('2026-03-10T00:00:00Z')
const hour = 3_600_000
let opened: Awaited<ReturnType<typeof freshDatabase>>
let db: Database
let clock: ReturnType<typeof settableClock>
let history: ReturnType<typeof probeHistory>

beforeEach(async () => {
  opened = await freshDatabase()
  db = opened.db
  clock = settableClock('2026-03-10T00:00:00Z')
  history = probeHistory(db, () => clock.now())
})

afterEach(() => opened[Symbol.asyncDispose]())

async function plant(nodes: number): Promise<void> {
  await db.transaction(async (tx) => {
    for (let index = 1; index <= nodes; index += 1) {
      await insertNode(tx, {
        id: `nod_${index}`,
        number: index,
        name: `node ${index}`,
        kind: 'static',
        url: 'https://node.example/health',
        reach: 'url',
        tunnelAccount: null,
        dependsOn: [],
        anyAnswer: false,
        policyId: null,
        sessionId: null,
        expectedRun: null,
        intervalSeconds: 300,
        turnSeconds: 300,
        isPublic: false,
        state: 'up',
        watch: newWatch(clock.now(), clock.now()),
        health: null,
        latencyMs: null,
        probedAt: null,
        certificateEndsAt: null,
        createdAt: clock.now(),
      })
    }
  })
}

/** A probe every 5 minutes; every twelfth one failed, every 24th of an unknown kind. */
async function probe(node: number, from: number, to: number): Promise<number> {
  let count = 0
  await db.transaction(async (tx) => {
    for (let at = from; at < to; at += 300_000) {
      const index = Math.round((at - start) / 300_000)
      const found = index % 24 === 5 ? 'unknown' : index % 12 === 0 ? 'timeout' : 'up'
      const ms = found === 'up' ? 10 + (index % 90) : null
      await tx.run(
        'insert into probes (node, at_ms, ms, found) values ($1, $2, $3, $4)',
        node,
        at,
        ms,
        found,
      )
      count += 1
    }
  })
  return count
}

const rows = async (sql: string) => number((await db.first(sql)) ?? {}, 'n')

it('says the same of a span whether its probes are there or added up', async () => {
  await plant(1)
  await probe(1, start, start + 80 * hour)
  clock.set(new Date(start + 80 * hour + 120_000))
  const from = new Date(start)
  const before = uptimeOf(await history.since(1, from))
  expect(before).toMatchObject({
    percent: expect.closeTo((100 * 21) / 23, 1),
    p50Ms: expect.any(Number),
  })
  expect(await history.tidy()).toBe(false)
  expect(uptimeOf(await history.since(1, from))).toEqual(before)
  // Two days of probes are kept, and the hours and days of all of them.
  expect(await rows('select min(at_ms) as n from probes')).toBeGreaterThanOrEqual(start + 32 * hour)
  expect(await rows("select count(*) as n from probe_totals where span = 'hour'")).toBe(80)
  expect(await rows("select count(*) as n from probe_totals where span = 'day'")).toBe(3)
  expect((await history.days(1, from)).map(({ day }) => day)).toEqual([
    '2026-03-10',
    '2026-03-11',
    '2026-03-12',
  ])
})

it('adds an hour up once, however often it is asked, and whenever it was cut short', async () => {
  await plant(1)
  await probe(1, start, start + 30 * hour)
  for (let at = 1; at <= 30; at += 1) {
    clock.set(new Date(start + at * hour + 120_000))
    await history.tidy()
    await history.tidy()
  }
  const whole = uptimeOf(await history.since(1, new Date(start)))
  expect(whole.probes).toBe(345)
  expect(
    await rows("select sum(up + bad + unknown) as n from probe_totals where span = 'hour'"),
  ).toBe(360)
})

it('a history of a million probes is read and thinned in parts, and stays exact', async () => {
  const nodes = 120
  await plant(nodes)
  const days = 29
  let all = 0
  for (let node = 1; node <= nodes; node += 1)
    all += await probe(node, start, start + days * 24 * hour)
  expect(all).toBeGreaterThan(1_000_000)
  clock.set(new Date(start + days * 24 * hour + 120_000))
  const before = uptimeOf(await history.since(7, new Date(start)))
  expect(await history.tidy(50)).toBe(true)
  expect(await history.tidy(50)).toBe(true)
  expect(await history.tidy(50)).toBe(false)
  expect(uptimeOf(await history.since(7, new Date(start)))).toEqual(before)
  expect(await rows('select count(*) as n from probes')).toBeLessThanOrEqual(nodes * 48 * 12)
  expect(await rows("select count(*) as n from probe_totals where span = 'day'")).toBe(nodes * days)
}, 120_000)
