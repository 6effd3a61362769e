import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import { AddedPolicy, Policy, PolicySummary } from '../../src/api/serving-schemas.ts'
import { adapterOf, finishedRun } from './finished-run.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
beforeAll(async () => {
  service = await runningService()
  await service.importRows('rows', 20)
  await finishedRun(service.folder, 'support')
  await client().addAccount({ name: 'here', owner: 'Rui', provider: 'local', acceptRules: true })
})
afterAll(() => service[Symbol.asyncDispose]())

const client = () => rodizioClient({ url: service.url, token: service.adminToken })
const keySha256 = 'c'.repeat(64)
const wanted = { adapter: 'support', keySha256 }
const add = (json: Record<string, unknown>, headers: Record<string, string> = {}) =>
  service.call('/v1/serving', { json: { ...wanted, ...json }, headers })
/** The problem document of a refused call. */
const problem = async (response: Response) =>
  (await response.json()) as { code: string; detail: string }
const names = async () => (await client().policies()).map(({ name }) => name)

it('nothing of it answers without the token', async () => {
  for (const [method, path] of [
    ['GET', '/v1/serving'],
    ['POST', '/v1/serving'],
    ['GET', '/v1/serving/house'],
    ['PATCH', '/v1/serving/house'],
    ['DELETE', '/v1/serving/house'],
    ['POST', '/v1/serving/house/stop'],
    ['GET', '/v1/serving/house/events'],
    ['PUT', '/v1/accounts/here/serving'],
    ['DELETE', '/v1/accounts/here/serving'],
  ]) {
    const response = await fetch(service.url + path, { method: method ?? '' })
    expect([method, path, response.status]).toEqual([method, path, 401])
  }
})

describe('a policy that is posted', () => {
  it('is added with its defaults, told with its outlook, and is no run', async () => {
    const response = await add({ name: 'house' })
    expect(response.status).toBe(200)
    expect(AddedPolicy.parse(await response.json())).toMatchObject({
      name: 'house',
      state: 'open',
      windows: 'always',
      priority: 0,
      overlapSeconds: 900,
      sessionSeconds: null,
      maxTokens: 1024,
      reach: null,
      address: `${service.url}/v1/nodes/house/openai/v1`,
      adapter: { sha256: adapterOf('support'), run: 'support' },
      outlook: { wantedHours: 168 },
    })
    expect((await client().runs()).map(({ name }) => name)).toEqual(['support'])
    expect(await names()).toEqual(['house'])
    expect((await service.call('/v1/runs/house')).status).toBe(404)
    expect((await service.call('/v1/runs/house/events')).status).toBe(404)
    expect((await service.call('/v1/runs/house/stop', { method: 'POST' })).status).toBe(404)
    expect((await service.call('/v1/runs/house', { method: 'DELETE' })).status).toBe(404)
    const again = await add({ name: 'house' })
    expect([again.status, (await problem(again)).code]).toEqual([409, 'policy_exists'])
    const shown = Policy.parse(await service.get('/v1/serving/house'))
    expect(shown).toMatchObject({ name: 'house', recent: [], sessions: 0, live: 0 })
    expect(Policy.parse(await service.get(`/v1/serving/${shown.id}`)).name).toBe('house')
    const events = await client().policyEvents('house', 0)
    expect(events).toMatchObject([
      { kind: 'policy.added', runId: shown.id, data: { policy: 'house', windows: 'always' } },
    ])
  })

  it('is added once for a key, and the same answer is given again', async () => {
    const headers = { 'idempotency-key': 'once-and-only' }
    const first = await (await add({ name: 'once' }, headers)).json()
    const second = await (await add({ name: 'once' }, headers)).json()
    expect(second).toEqual(first)
    const other = await add({ name: 'another' }, headers)
    expect([other.status, (await problem(other)).code]).toEqual([409, 'idempotency_key_reused'])
    expect(await names()).toEqual(['once', 'house'])
  })

  it('is only looked at in a dry run, whose key counts for nothing', async () => {
    const headers = { 'idempotency-key': 'dry-and-real' }
    const dry = await add({ name: 'dry', dryRun: true, reach: 'tunnel' }, headers)
    expect(AddedPolicy.parse(await dry.json()).outlook?.wantedHours).toBe(168)
    expect(await names()).not.toContain('dry')
    expect((await add({ name: 'real' }, headers)).status).toBe(200)
    expect(await names()).toContain('real')
  })

  const window = { weekdays: [1], fromHour: 9, toHour: 18, zone: 'UTC' }
  it.each([
    ['no name', {}, 'name'],
    ['markup for a name', { name: '<img src=x>' }, 'name'],
    ['no key', { name: 'w', keySha256: undefined }, 'keySha256'],
    ['a key in clear', { name: 'w', keySha256: 'rzk_secret' }, 'keySha256'],
    ['no windows', { name: 'w', windows: [] }, 'windows'],
    ['an eighth day', { name: 'w', windows: [{ ...window, weekdays: [7] }] }, 'windows'],
    ['a day twice', { name: 'w', windows: [{ ...window, weekdays: [1, 1] }] }, 'windows'],
    ['no day', { name: 'w', windows: [{ ...window, weekdays: [] }] }, 'windows'],
    ['an hour too late', { name: 'w', windows: [{ ...window, fromHour: 24 }] }, 'windows'],
    ['a window of no length', { name: 'w', windows: [{ ...window, toHour: 9 }] }, 'windows'],
    ['an unknown zone', { name: 'w', windows: [{ ...window, zone: 'Mars' }] }, 'zone'],
    ['a priority beyond', { name: 'w', priority: 101 }, 'priority'],
    ['no overlap', { name: 'w', overlapSeconds: 0 }, 'overlapSeconds'],
    ['sessions of minutes', { name: 'w', sessionSeconds: 3599 }, 'sessionSeconds'],
    ['too many tokens', { name: 'w', maxTokens: 9000 }, 'maxTokens'],
    ['another way', { name: 'w', reach: 'ngrok' }, 'reach'],
    ['something else besides', { name: 'w', key: 'rzk_secret' }, 'key'],
  ])('with %s is refused by its name, and not added', async (_what, json, field) => {
    const before = await names()
    const response = await add(json)
    expect(response.status).toBe(400)
    const { detail } = await problem(response)
    expect(detail).toContain(field)
    expect(detail).not.toContain('rzk_secret')
    expect(await names()).toEqual(before)
  })

  it('opens no tunnel before its rule is accepted', async () => {
    const refused = await add({ name: 'open', reach: 'tunnel' })
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({
      code: 'rules_not_accepted',
      next: expect.stringContaining('quick tunnel of Cloudflare'),
    })
    const taken = await add({ name: 'open', reach: 'tunnel', acceptTunnel: true })
    expect(PolicySummary.parse(await taken.json())).toMatchObject({
      reach: 'tunnel',
      address: null,
    })
  })
})

describe('a policy that is patched', () => {
  it.each([
    ['nothing', {}],
    ['something else', { name: 'other' }],
    ['wrong windows', { windows: 'never' }],
    ['a broken priority', { priority: 0.5 }],
  ])('with %s stays as it is', async (_what, json) => {
    const before = await service.get('/v1/serving/house')
    const response = await service.call('/v1/serving/house', { json, method: 'PATCH' })
    expect(response.status).toBe(400)
    const after = await service.get('/v1/serving/house')
    expect({ ...after, outlook: null }).toEqual({ ...before, outlook: null })
  })

  it('is planned anew', async () => {
    const windows = [{ weekdays: [0, 1, 2, 3, 4, 5, 6], fromHour: 22, toHour: 2, zone: 'UTC' }]
    const changed = await client().changePolicy('house', { windows, priority: 9 })
    expect(changed).toMatchObject({ windows, priority: 9 })
    expect(changed.outlook?.wantedHours).toBeCloseTo(28, 5)
  })
})

it('a policy is stopped, removed, and not there any more', async () => {
  const open = await service.call('/v1/serving/house', { method: 'DELETE' })
  expect([open.status, (await problem(open)).code]).toEqual([409, 'policy_open'])
  expect(await client().stopPolicy('house')).toMatchObject({ state: 'stopped' })
  const { state, policy } = await client().removePolicy('house', true)
  expect({ state, policy }).toEqual({ state: 'kept', policy: 'house' })
  expect((await client().removePolicy('house', false)).state).toBe('removed')
  expect((await service.call('/v1/serving/house')).status).toBe(404)
  expect((await service.call('/v1/serving/house/stop', { method: 'POST' })).status).toBe(404)
})

it('the list comes in parts', async () => {
  const all = await names()
  expect(all.length).toBeGreaterThan(2)
  const first = await service.get('/v1/serving?limit=1')
  expect((first.items as { name: string }[]).map(({ name }) => name)).toEqual(all.slice(0, 1))
  const rest = await service.get(`/v1/serving?limit=50&cursor=${first.next}`)
  expect((rest.items as { name: string }[]).map(({ name }) => name)).toEqual(all.slice(1))
})
