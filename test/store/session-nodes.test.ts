import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeDesk } from '../../src/control/nodes.ts'
import type { Seen } from '../../src/health/probe.ts'
import { prober } from '../../src/health/prober.ts'
import { addressGuard } from '../../src/providers/probe/address-guard.ts'
import { type Database, text } from '../../src/store/database.ts'
import { nodeBook } from '../../src/store/node-book.ts'
import { policyBook } from '../../src/store/policy-book.ts'
import { probeBook } from '../../src/store/probe-book.ts'
import { syncSessionNodes } from '../../src/store/session-node-rows.ts'
import { insertFinished } from '../http/finished-run.ts'
import { settableClock } from '../settable-clock.ts'
import { accountOf, freshDatabase, seed, start } from './fixture.ts'
import { policyOf } from './policy-fixture.ts'

let fresh: Awaited<ReturnType<typeof freshDatabase>>
let db: Database
let adapter: string
let clock: ReturnType<typeof settableClock>
const now = () => clock.now()
const url = 'https://a-b.trycloudflare.com'

beforeEach(async () => {
  clock = settableClock(start)
  fresh = await freshDatabase()
  db = fresh.db
  await seed(db, [accountOf('ana', { serves: true })], [])
  adapter = await insertFinished(db, 'support')
})

afterEach(() => fresh[Symbol.asyncDispose]())

const policy = (name: string, more = {}) => policyOf(name, { adapter, ...more })
const policies = () => policyBook(db, now)
const desk = () =>
  nodeDesk({
    rows: nodeBook(db, now, Buffer.alloc(32, 1)),
    admit: addressGuard().admit,
    look: async () => ({ kind: 'failed', at: 'dns', why: 'nobody looks here', ms: 0 }),
    now,
  })
const sync = () => syncSessionNodes(db, now, 300, 600)
const nodes = async () =>
  (await nodeBook(db, now, Buffer.alloc(32, 1)).nodes()).map(({ name, state, sessionId }) => ({
    name,
    state,
    sessionId,
  }))

/** A serving session whose node answers by its own word. */
async function serving(id: string, of: string): Promise<void> {
  const at = now().toISOString()
  await db.run(
    `insert into sessions (id, run_id, generation, name, account, provider, state, ticket_hash, planned_seconds,
       heartbeat_seconds, from_step, to_step, created_at, sealed, serves, heard_at, node_ready_at, node_url, node_adapter,
       node_reach)
     values ($1, $2, 1, $1, 'ana', 'kaggle', 'running', $1, 36000, 60, 0, 0, $3, 0, 1, $3, $3, $4, $5, 'url')`,
    id,
    `pol_${of}`,
    at,
    url,
    adapter,
  )
}
const end = (id: string, outcome: string, reason: string) =>
  db.run(
    `update sessions set state = 'ended', outcome = $1, reason = $2, ended_at = $3, node_ready_at = null, node_url = null,
       node_adapter = null, node_reach = null where id = $4`,
    outcome,
    reason,
    now().toISOString(),
    id,
  )

it('a session that answers puts its node up, and a second look changes nothing', async () => {
  await policies().insert(policy('house'))
  await sync()
  expect(await nodes()).toEqual([])
  await serving('ses_1', 'house')
  await sync()
  const before = await db.all('select * from nodes')
  expect(await nodes()).toEqual([{ name: 'house', state: 'unknown', sessionId: 'ses_1' }])
  await sync()
  expect(await db.all('select * from nodes')).toEqual(before)
})

describe('a session that ends', () => {
  beforeEach(async () => {
    await policies().insert(policy('house'))
    await serving('ses_1', 'house')
    await sync()
  })

  it('before its time takes its node down, and people are told once', async () => {
    await end('ses_1', 'lost', 'silent for 180 s')
    await sync()
    await sync()
    expect(await nodes()).toEqual([{ name: 'house', state: 'down', sessionId: 'ses_1' }])
    const alerts = await db.all('select kind, facts from alerts')
    expect(alerts.map((row) => text(row, 'kind'))).toEqual(['node-down'])
    expect(text(alerts[0] ?? {}, 'facts')).toContain('its session has ended: silent for 180 s')
  })

  it('while a look is under way stays down: the look was at what was there before', async () => {
    const node = await desk().must('house')
    clock.advance(5)
    await end('ses_1', 'lost', 'silent for 180 s')
    await sync()
    const seen = { kind: 'failed', at: 'timeout', why: 'no answer', ms: 5000 } as const
    await probeBook(db).save([{ node, at: now(), seen }])
    expect(await nodes()).toEqual([{ name: 'house', state: 'down', sessionId: 'ses_1' }])
  })

  it('by plan leaves the node idle, and tells nobody', async () => {
    await end('ses_1', 'limit', 'its time is over')
    await sync()
    expect(await nodes()).toEqual([{ name: 'house', state: 'idle', sessionId: null }])
    expect(await db.all('select * from alerts')).toEqual([])
  })

  it('with its policy leaves no node and no open incident behind', async () => {
    await end('ses_1', 'lost', 'silent for 180 s')
    await sync()
    await db.run("update runs set state = 'stopped' where id = 'pol_house'")
    await sync()
    expect(await nodes()).toEqual([{ name: 'house', state: 'idle', sessionId: null }])
    expect(await db.all('select * from incidents where closed_at is null')).toEqual([])
    await db.run("delete from sessions where run_id = 'pol_house'")
    await db.run("delete from runs where id = 'pol_house'")
    await sync()
    expect(await nodes()).toEqual([])
  })
})

it('a policy may have the name of one that was removed just before', async () => {
  await policies().insert(policy('house'))
  await serving('ses_1', 'house')
  await sync()
  await db.run("delete from sessions where run_id = 'pol_house'")
  await db.run("delete from runs where id = 'pol_house'")
  await policies().insert(policy('house', { id: 'pol_again' }))
  await serving('ses_2', 'again')
  await sync()
  expect(await nodes()).toEqual([{ name: 'house', state: 'unknown', sessionId: 'ses_2' }])
})

it('nodes and policies share their names', async () => {
  await desk().add({ name: 'house', url: 'https://a.example' })
  await expect(policies().insert(policy('house'))).rejects.toMatchObject({ code: 'name_taken' })
  await policies().insert(policy('lab'))
  await expect(desk().add({ name: 'lab', url: 'https://a.example' })).rejects.toMatchObject({
    code: 'name_taken',
  })
})

it('what a policy puts up is neither moved nor removed by hand', async () => {
  await policies().insert(policy('house'))
  await serving('ses_1', 'house')
  await sync()
  await expect(desk().remove('house')).rejects.toMatchObject({ code: 'node_of_session' })
  await expect(desk().change('house', { url: 'https://a.example' })).rejects.toMatchObject({
    code: 'node_of_session',
  })
  expect((await desk().change('house', { isPublic: true })).node.isPublic).toBe(true)
})

it('behind a tunnel account that bears a probe a quarter of an hour, an outage is known within 330 s by its beats', async () => {
  await policies().insert(policy('house'))
  await serving('ses_1', 'house')
  await db.run("update sessions set node_url = 'https://a.ngrok-free.app'")
  for (const name of ['n1', 'n2']) await desk().add({ name, url: `https://${name}.ngrok-free.app` })
  let seen: Seen = {
    kind: 'answered',
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"status":"ok"}',
    isCut: false,
    ms: 9,
    certificateEndsAt: null,
  }
  await db.run("update sessions set node_adapter = 'none'") // of no run here: any is right
  const probing = prober({
    book: probeBook(db),
    look: async () => seen,
    isHeard: async () => false,
    canaries: async () => [{ address: 'a', isReached: true }],
    clock,
    failed: (error) => {
      throw error
    },
  })
  /** Every five seconds, as the service does it; beats come once a minute while the session lives. */
  const pass = async (seconds: number, beats: boolean) => {
    for (let passed = 0; passed < seconds; passed += 5) {
      if (beats && passed % 60 === 0) {
        await db.run('update sessions set heard_at = $1', now().toISOString())
      }
      await sync()
      await probing.sweep()
      clock.advance(5)
    }
  }
  await pass(1800, true)
  const [node] = await db.all("select state, turn_seconds from nodes where name = 'house'")
  expect(node).toEqual({ state: 'up', turn_seconds: 900 })
  const died = now().getTime()
  seen = { ...seen, status: 404, headers: { 'ngrok-error-code': 'ERR_NGROK_3200' }, body: '' }
  await pass(330, false)
  const alert = await db.first("select at from alerts where kind = 'node-down' and about = 'house'")
  expect((Date.parse(text(alert ?? {}, 'at')) - died) / 1000).toBeLessThanOrEqual(330)
  const [incident] = await db.all(
    'select consequence, session_id from incidents where session_id is not null',
  )
  expect(incident).toEqual({ consequence: 'replace', session_id: 'ses_1' })
})
