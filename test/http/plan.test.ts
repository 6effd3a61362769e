import { afterAll, beforeAll, expect, it } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import { Plan, Run, RunSummary } from '../../src/api/schemas.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
beforeAll(async () => {
  service = await runningService()
  await service.importRows('rows', 50)
})
afterAll(() => service[Symbol.asyncDispose]())

const client = () => rodizioClient({ url: service.url, token: service.adminToken })
const start = (json: Record<string, unknown>) =>
  service.call('/v1/runs', { json: { dataset: 'rows', ...json } })
const change = (name: string, json: unknown) =>
  service.call(`/v1/runs/${name}`, { json, method: 'PATCH' })

it('the plan without accounts or runs is there, and empty', async () => {
  const plan = Plan.parse(await service.get('/v1/plan'))
  expect(plan).toMatchObject({ accounts: [], stays: [], waits: [], finishes: {} })
  expect(Date.parse(plan.until) - Date.parse(plan.madeAt)).toBe(7 * 86_400_000)
})

it('wants the token, and yes or no', async () => {
  expect((await fetch(`${service.url}/v1/plan`)).status).toBe(401)
  const asked = await service.call('/v1/plan?explain=perhaps')
  expect(asked.status).toBe(400)
  expect(await asked.json()).toMatchObject({ code: 'invalid_request' })
})

it('a run waits in it for an account, then has its sessions and a date', async () => {
  // Each step takes a second, and is expected to take two: eleven hours in all.
  await start({ name: 'slow', steps: 20_000, options: { stepSeconds: 1 } })
  const before = await client().plan(false)
  expect(before.waits).toEqual([
    { kind: 'run', work: 'slow', why: expect.stringMatching(/no account can run it/), until: null },
  ])
  expect(before.finishes).toEqual({ slow: null })
  expect((await client().run('slow')).finish).toBeNull()
  await client().addAccount({
    name: 'here',
    owner: 'rui',
    provider: 'local',
    maxSessionHours: 4,
    acceptRules: true,
  })
  const plan = await client().plan(true)
  expect(plan.accounts).toMatchObject([
    { name: 'here', provider: 'local', owner: 'rui', emulated: false },
  ])
  expect(plan.accounts[0]?.weeks[0]?.leftHours).toBe((await client().budget())[0]?.leftHours)
  // 40,000 s of steps in sessions of four hours.
  expect(plan.stays.map(({ work, account, state }) => [work, account, state])).toEqual(
    Array(3).fill(['slow', 'here', 'planned']),
  )
  expect(plan.stays[0]).toMatchObject({ startsAt: plan.madeAt, hours: 4, kind: 'run' })
  expect(plan.stays[0]?.bound).toBe('the longest session that here takes')
  expect(plan.stays[0]?.runnerUp).toBeNull()
  expect(plan.stays.reduce((sum, { steps }) => sum + steps, 0)).toBe(20_000)
  const finish = plan.finishes.slow
  if (!finish) throw new Error('no date')
  const hours = (at: string) => (Date.parse(at) - Date.parse(plan.madeAt)) / 3_600_000
  expect(hours(finish.likely)).toBeGreaterThan(11.1)
  expect(hours(finish.likely)).toBeLessThan(11.3)
  expect(hours(finish.earliest)).toBeLessThan(8)
  expect(hours(finish.latest)).toBeGreaterThan(22)
  const shown = Run.parse(await service.get('/v1/runs/slow'))
  expect(shown.finish).not.toBeNull()
  expect(shown.sessions).toEqual([]) // nothing has been begun by looking
})

it('a run is started with a priority, keeps it, and is given another one', async () => {
  await start({ name: 'first', steps: 5000, priority: 7, options: { stepSeconds: 1 } })
  expect(await client().run('first')).toMatchObject({ priority: 7 })
  expect((await client().plan(false)).stays[0]?.work).toBe('first')
  const answer = await change('first', { priority: -7 })
  expect(RunSummary.parse(await answer.json())).toMatchObject({ name: 'first', priority: -7 })
  expect((await client().plan(false)).stays[0]?.work).toBe('slow')
  const again = await client().changeRun('first', { priority: -7 })
  expect(again.priority).toBe(-7)
  const events = await client().events('first', 0)
  expect(events.filter(({ kind }) => kind === 'run.priority_set')).toMatchObject([
    { data: { run: 'first', priority: -7, before: 7 } },
  ])
  const all = await client().runs()
  expect(all.map(({ name, priority }) => [name, priority])).toEqual([
    ['first', -7],
    ['slow', 0],
  ])
})

it.each([
  ['a priority beyond the last', { priority: 101 }],
  ['a broken one', { priority: 0.5 }],
  ['one in words', { priority: 'high' }],
  ['none', {}],
  ['something else besides', { priority: 1, name: 'other' }],
])('%s is refused', async (_why, json) => {
  const response = await change('slow', json)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ code: 'invalid_request' })
  expect((await client().run('slow')).priority).toBe(0)
})

it('a run that is not there gets no priority, and one with a priority that is none is not there', async () => {
  expect((await change('none', { priority: 1 })).status).toBe(404)
  const refused = await start({ name: 'wrong', steps: 5, priority: -101 })
  expect(refused.status).toBe(400)
  expect((await change('wrong', { priority: 1 })).status).toBe(404)
})
