import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  StandingRun,
  StandingRunDetails,
  StartedStandingRun,
} from '../../src/api/standing-schemas.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
beforeAll(async () => {
  service = await runningService()
  await service.importRows('piloto', 100)
})
afterAll(() => service[Symbol.asyncDispose]())

const run = { dataset: 'piloto', steps: 5 }
const post = (json: unknown, key?: string) =>
  service.call('/v1/standing-runs', {
    json,
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  })
const answer = async (response: Response) => (await response.json()) as Record<string, unknown>
const stop = (name: string, json: unknown = {}) =>
  service.call(`/v1/standing-runs/${name}/stop`, { json })

describe('standing runs over HTTP', () => {
  it('are begun once for a key, their first run with them', async () => {
    const json = { name: 'weekly', everySeconds: 604_800, whenNew: 50, run }
    const first = StartedStandingRun.parse(await answer(await post(json, 'key-of-weekly')))
    expect(first.standing).toMatchObject({
      name: 'weekly',
      state: 'open',
      dataset: 'piloto',
      engine: 'dry',
      count: 1,
      openRun: 'weekly-1',
      newExamples: 0,
      missing: 50,
      request: { steps: 5, seed: 7 },
    })
    const opened = Date.parse(first.standing.lastOpenedAt ?? '')
    expect(Date.parse(first.standing.nextAt ?? '') - opened).toBe(604_800_000)
    expect(first.run).toMatchObject({ name: 'weekly-1', targetSteps: 5, predictions: {} })
    expect(await answer(await post(json, 'key-of-weekly'))).toEqual(first)
    const other = await post({ ...json, whenNew: 51 }, 'key-of-weekly')
    expect([other.status, (await answer(other)).code]).toEqual([409, 'idempotency_key_reused'])
    const again = await post(json)
    expect([again.status, (await answer(again)).code]).toEqual([409, 'standing_exists'])
    expect((await service.get('/v1/runs')).items).toHaveLength(1)
  })

  it('are shown by name and id, with their runs; a run tells which one it is of', async () => {
    const shown = StandingRunDetails.parse(await service.get('/v1/standing-runs/weekly'))
    expect(shown.runs).toMatchObject([
      {
        name: 'weekly-1',
        number: 1,
        because: 'first',
        state: 'queued',
        loss: null,
        artifact: null,
      },
    ])
    expect(shown).toMatchObject({ fromAdapter: null, last: { name: 'weekly-1' } })
    expect(await service.get(`/v1/standing-runs/${shown.id}`)).toEqual(shown)
    expect(await service.get('/v1/runs/weekly-1')).toMatchObject({
      standing: { name: 'weekly', number: 1 },
    })
    await service.call('/v1/runs', { json: { ...run, name: 'alone' } })
    expect(await service.get('/v1/runs/alone')).toMatchObject({ standing: null })
  })

  it('are listed in parts, the newest first', async () => {
    expect((await post({ name: 'other', whenNew: 5, run })).status).toBe(200)
    const part = await service.get('/v1/standing-runs?limit=1')
    expect(part.items).toMatchObject([{ name: 'other', everySeconds: null, nextAt: null }])
    const rest = await service.get(`/v1/standing-runs?limit=1&cursor=${part.next}`)
    expect(StandingRun.array().parse(rest.items)).toMatchObject([{ name: 'weekly' }])
    expect(rest.next).toBeNull()
  })

  it('tell in a dry run what the first run would take, and store nothing', async () => {
    const json = { name: 'dry', everySeconds: 86_400, run: { ...run, engine: 'trl' }, dryRun: true }
    const told = StartedStandingRun.parse(await answer(await post(json, 'key-of-a-dry-run')))
    expect(told.run).toMatchObject({ name: 'dry-1', predictions: { speed: { unit: 'tokens/s' } } })
    expect(told.run?.warnings.length).toBeGreaterThan(0)
    expect(told.standing).toMatchObject({ count: 0, everySeconds: 86_400 })
    expect((await service.call('/v1/standing-runs/dry')).status).toBe(404)
    expect((await service.call('/v1/runs/dry-1')).status).toBe(404)
  })

  it('take the name of their data set, where they are given none', async () => {
    const { standing } = await answer(await post({ everySeconds: 60, run, dryRun: true }))
    expect(standing).toMatchObject({ name: 'piloto' })
  })

  it.each([
    ['everySeconds', { everySeconds: 9, run }, 400, 'invalid_request'],
    ['everySeconds', { everySeconds: 1e9, run }, 400, 'invalid_request'],
    ['whenNew', { whenNew: 0, run }, 400, 'invalid_request'],
    ['whenNew', { whenNew: 1.5, run }, 400, 'invalid_request'],
    ['run.steps', { whenNew: 5, run: { ...run, steps: 0 } }, 400, 'invalid_request'],
    ['name', { whenNew: 5, run: { ...run, name: 'inside' } }, 400, 'invalid_request'],
    ['period', { run }, 400, 'standing_rhythm'],
    ['smoke', { whenNew: 5, run: { dataset: 'piloto', smoke: true } }, 400, 'standing_smoke'],
    ['none', { whenNew: 5, run: { dataset: 'none' } }, 404, 'dataset_unknown'],
  ] as const)('name what is wrong: %s', async (named, json, status, code) => {
    const response = await post({ name: 'wrong', ...json })
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    const problem = await answer(response)
    expect([response.status, problem.code]).toEqual([status, code])
    expect(problem.detail).toContain(named)
    expect((await service.call('/v1/standing-runs/wrong')).status).toBe(404)
  })

  it('refuse one version of data, and name the name that it has', async () => {
    const { version } = await service.get('/v1/datasets/piloto')
    const response = await post({ name: 'v', whenNew: 5, run: { ...run, dataset: version } })
    expect(await answer(response)).toMatchObject({
      status: 400,
      code: 'standing_wants_name',
      next: 'A standing run takes the newest version of a name: --data piloto',
    })
  })

  it('need the token, are not found by names nobody has, and take no large bodies', async () => {
    const without = await fetch(`${service.url}/v1/standing-runs`)
    expect(without.status).toBe(401)
    for (const call of [
      service.call('/v1/standing-runs/none'),
      stop('none'),
      service.call('/v1/standing-runs/none', { method: 'DELETE' }),
    ]) {
      const response = await call
      expect([response.status, (await answer(response)).code]).toEqual([404, 'standing_unknown'])
    }
    await using own = await runningService()
    const long = { run: { dataset: 'x'.repeat(3 * 1024 * 1024) } }
    expect((await own.call('/v1/standing-runs', { json: long })).status).toBe(413)
  })

  it('are stopped before they are removed; the open run goes on unless it is named too', async () => {
    const removal = (query = '') =>
      service.call(`/v1/standing-runs/weekly${query}`, { method: 'DELETE' })
    const refused = await removal('?dryRun=true')
    expect([refused.status, (await answer(refused)).code]).toEqual([409, 'standing_open'])
    expect(await answer(await stop('weekly'))).toEqual({
      standing: 'weekly',
      state: 'stopped',
      openRun: 'weekly-1',
      message: 'no other run is opened; its run weekly-1 goes on to its end',
    })
    expect(await service.get('/v1/runs/weekly-1')).toMatchObject({ state: 'queued' })
    expect(await answer(await stop('weekly', { run: true }))).toMatchObject({
      message:
        'no other run is opened; of its run weekly-1, no session is running: the run stops at once',
    })
    expect(await service.get('/v1/runs/weekly-1')).toMatchObject({ state: 'stopping' })
    const kept = { standing: 'weekly', runs: 1, lastRun: 'weekly-1', state: 'kept' }
    expect(await answer(await removal('?dryRun=true'))).toMatchObject(kept)
    expect(await answer(await removal())).toMatchObject({ ...kept, state: 'removed' })
    expect((await service.call('/v1/standing-runs/weekly')).status).toBe(404)
    expect(await service.get('/v1/runs/weekly-1')).toMatchObject({ standing: null })
  })

  it('stand in the description of the API', async () => {
    const { paths } = (await service.get('/openapi.json')) as { paths: Record<string, object> }
    const found = Object.entries(paths).filter(([path]) => path.startsWith('/v1/standing-runs'))
    expect(found.map(([path, methods]) => [path, Object.keys(methods)])).toEqual([
      ['/v1/standing-runs', ['get', 'post']],
      ['/v1/standing-runs/{name}', ['get', 'delete']],
      ['/v1/standing-runs/{name}/stop', ['post']],
    ])
  })
})
