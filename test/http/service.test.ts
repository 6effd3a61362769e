import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import { jsonl, type RunningService, runningService } from './service.ts'

let service: RunningService
beforeAll(async () => {
  service = await runningService()
  await service.importRows('piloto', 100)
})
afterAll(() => service[Symbol.asyncDispose]())

/** Reads a problem document, which every refusal is. */
async function problem(response: Response) {
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  const body = (await response.json()) as Record<string, unknown>
  expect(body).toMatchObject({
    type: 'about:blank',
    title: expect.any(String),
    status: response.status,
  })
  expect(body.detail).toEqual(expect.stringMatching(/./))
  return body
}

describe('who may call', () => {
  it('anybody asks for its health and its description', async () => {
    const health = await fetch(`${service.url}/health`)
    expect(await health.json()).toEqual({
      status: 'ok',
      version: '0.0.0-test',
      features: ['rotation', 'health'],
      nodesUp: 0,
      emulated: [],
    })
    expect((await fetch(`${service.url}/openapi.json`)).status).toBe(200)
  })

  it.each(['/v1/runs', '/v1/datasets', '/v1/accounts', '/v1/budget', '/v1/sessions', '/v1/x'])(
    '%s needs the token',
    async (path) => {
      const without = await fetch(service.url + path)
      expect(without.status).toBe(401)
      expect(await problem(without)).toMatchObject({
        code: 'token_missing',
        next: expect.any(String),
      })
      const wrong = await service.call(path, { headers: { authorization: 'Bearer rz_wrong' } })
      expect(wrong.status).toBe(401)
      expect(await problem(wrong)).toMatchObject({ code: 'token_wrong' })
      const basic = await service.call(path, {
        headers: { authorization: `Basic ${service.adminToken}` },
      })
      expect(await problem(basic)).toMatchObject({ code: 'token_missing' })
    },
  )

  it('nothing is changed without it', async () => {
    const refused = await fetch(`${service.url}/v1/runs`, { method: 'POST', body: '{}' })
    expect(refused.status).toBe(401)
  })

  it('commands on this machine find the token in a file of their own user', () => {
    const file = join(service.folder, 'token')
    expect(readFileSync(file, 'utf8').trim()).toBe(service.adminToken)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(join(service.folder, 'service.json'), 'utf8'))).toMatchObject({
      pid: process.pid,
      url: service.url,
    })
  })
})

describe('a call that cannot be answered', () => {
  it.each([
    ['no such path', '/v1/nothing', {}, 404, 'path_unknown'],
    ['no such path outside /v1', '/nothing', {}, 404, 'path_unknown'],
    ['no such run', '/v1/runs/none', {}, 404, 'run_unknown'],
    ['no such data set', '/v1/datasets/none', {}, 404, 'dataset_unknown'],
    ['no such account', '/v1/accounts/none/test', { method: 'POST' }, 404, 'account_unknown'],
    ['stopping no such run', '/v1/runs/none/stop', { method: 'POST' }, 404, 'run_unknown'],
    ['a cursor of somebody else', '/v1/runs?cursor=abc', {}, 400, 'invalid_cursor'],
    ['an empty cursor', '/v1/sessions?cursor=', {}, 400, 'invalid_cursor'],
    ['a limit that is none', '/v1/runs?limit=0', {}, 400, 'invalid_request'],
    ['a limit that is no number', '/v1/runs?limit=many', {}, 400, 'invalid_request'],
    [
      'a body that is no JSON',
      '/v1/runs',
      { method: 'POST', body: '{"dataset":', headers: { 'content-type': 'application/json' } },
      400,
      'invalid_request',
    ],
    [
      'no body',
      '/v1/runs',
      { method: 'POST', headers: { 'content-type': 'application/json' } },
      400,
      'invalid_request',
    ],
    [
      'a body that is not called JSON',
      '/v1/runs',
      { method: 'POST', body: 'x' },
      400,
      'invalid_request',
    ],
    [
      'an import without a name',
      '/v1/datasets',
      { method: 'POST', body: 'x' },
      400,
      'invalid_request',
    ],
    [
      'an import without a body',
      '/v1/datasets?name=leer',
      { method: 'POST' },
      400,
      'dataset_empty',
    ],
    [
      'an import of nothing good',
      '/v1/datasets?name=leer',
      { method: 'POST', body: 'x\n' },
      400,
      'dataset_empty',
    ],
    [
      'a bad line where none is allowed',
      '/v1/datasets?name=leer&strict=true',
      { method: 'POST', body: `${jsonl(1)}x\n` },
      400,
      'dataset_rejected',
    ],
  ] as const)('says what is wrong: %s', async (_why, path, init, status, code) => {
    const response = await service.call(path, init as RequestInit)
    expect(await problem(response)).toMatchObject({ code })
    expect(response.status).toBe(status)
  })

  it.each([
    ['dataset', { steps: 5 }],
    ['steps', { dataset: 'piloto', steps: 0 }],
    ['steps', { dataset: 'piloto', steps: 1.5 }],
    ['seed', { dataset: 'piloto', seed: 'seven' }],
    ['engine', { dataset: 'piloto', engine: 'warp' }],
    ['name', { dataset: 'piloto', name: 'a/b' }],
    ['options.heartbeatSeconds', { dataset: 'piloto', options: { heartbeatSeconds: 0 } }],
    ['stepz', { dataset: 'piloto', stepz: 5 }],
    ['batchSize', { dataset: 'piloto', steps: 5, plan: { batchSize: 0 } }],
    ['rank', { dataset: 'piloto', steps: 5, plan: { rank: 8 } }],
  ])('names the field %s', async (field, json) => {
    const response = await service.call('/v1/runs', { json })
    expect(response.status).toBe(400)
    expect((await problem(response)).detail).toContain(field)
  })

  it('refuses a run on data that is not there, and a second one of the same name', async () => {
    const missing = await service.call('/v1/runs', { json: { dataset: 'none', steps: 1 } })
    expect([missing.status, (await problem(missing)).code]).toEqual([404, 'dataset_unknown'])
    const json = { dataset: 'piloto', steps: 1, name: 'twice' }
    expect((await service.call('/v1/runs', { json })).status).toBe(200)
    const second = await service.call('/v1/runs', { json })
    expect([second.status, (await problem(second)).code]).toEqual([409, 'run_exists'])
  })

  it('refuses a body larger than memory is for', async () => {
    // On a service of its own: a connection whose body was not read to its end is closed by the service.
    await using own = await runningService()
    const long = 'x'.repeat(3 * 1024 * 1024)
    const enrol = await own.call('/v1/session/enrol', { json: { ticket: long, nonce: long } })
    expect([enrol.status, (await problem(enrol)).code]).toEqual([413, 'body_too_large'])
    const run = await own.call('/v1/runs', { json: { dataset: long } })
    expect([run.status, (await problem(run)).code]).toEqual([413, 'body_too_large'])
  })

  it('says no word of what went wrong inside', async () => {
    const response = await service.call('/v1/accounts', {
      json: { name: 'ana', owner: 'ana', provider: 'kaggle', acceptRules: true },
    })
    expect(await problem(response)).toMatchObject({ code: 'credentials_missing' })
  })
})

describe('a dry run', () => {
  it('tells what a run would take and what speaks against it, and begins nothing', async () => {
    const json = { dataset: 'piloto', engine: 'trl', steps: 1, dryRun: true, name: 'dry-run' }
    const response = await service.call('/v1/runs', {
      json: { ...json, plan: { revision: 'main', maxLength: 16 } },
    })
    const answer = (await response.json()) as { predictions: object; warnings: string[] }
    expect(answer.predictions).toMatchObject({
      memory: { unit: 'GB' },
      speed: { likely: 150, unit: 'tokens/s' },
      hours: { unit: 'h' },
      sessions: { likely: 1 },
    })
    expect(answer.warnings).toContainEqual(expect.stringContaining('no account'))
    expect(answer.warnings).toContainEqual(expect.stringContaining('at main'))
    expect((await service.call('/v1/runs/dry-run')).status).toBe(404)
  })

  it('reads the rows of its data', async () => {
    await using own = await runningService()
    const long = [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a'.repeat(100) },
    ]
    const body = `${JSON.stringify({ messages: long })}\n`
    await own.call('/v1/datasets?name=longo', { method: 'POST', body })
    const json = { dataset: 'longo', dryRun: true, plan: { maxLength: 99 } }
    const { warnings } = (await (await own.call('/v1/runs', { json })).json()) as {
      warnings: string[]
    }
    expect(warnings).toContainEqual(expect.stringContaining('longer than maxLength 99'))
  })

  it('tells the figures of the engine that is asked for', async () => {
    const json = { dataset: 'piloto', engine: 'unsloth', steps: 1, dryRun: true, name: 'fast' }
    const answer = await (await service.call('/v1/runs', { json })).json()
    expect(answer).toMatchObject({
      engine: 'unsloth',
      predictions: { speed: { likely: 280 }, memory: { low: 6, high: 6.5 } },
      warnings: expect.arrayContaining([expect.stringContaining('loraDropout=0')]),
    })
  })

  it('of a smoke run is one of five steps, which its whole answer says', async () => {
    const json = { dataset: 'piloto', smoke: true, name: 'smoke' }
    const dry = await (await service.call('/v1/runs', { json: { ...json, dryRun: true } })).json()
    expect(dry).toMatchObject({ targetSteps: 5 })
    const begun = await (await service.call('/v1/runs', { json })).json()
    expect(begun).toMatchObject({ targetSteps: 5, warnings: expect.any(Array) })
    expect(await service.get('/v1/runs/smoke')).toMatchObject({
      options: { smoke: true, sessionSteps: 3 },
    })
  })
})

describe('an Idempotency-Key', () => {
  const start = (key: string, json: object) =>
    service.call('/v1/runs', { json, headers: { 'idempotency-key': key } })
  const wanted = { dataset: 'piloto', steps: 3 }

  it('makes the same request the same run', async () => {
    const first = await (await start('key-number-one', wanted)).json()
    const again = await (await start('key-number-one', wanted)).json()
    expect(again).toEqual(first)
    const other = (await (await start('key-number-two', wanted)).json()) as { id: string }
    expect(other.id).not.toBe((first as { id: string }).id)
  })

  it('with another request is refused', async () => {
    await start('key-number-three', wanted)
    const other = await start('key-number-three', { ...wanted, steps: 4 })
    expect([other.status, (await problem(other)).code]).toEqual([409, 'idempotency_key_reused'])
  })

  it('sent several times at once is still one run', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => start('key-number-four', wanted)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const ids = await Promise.all(answers.map(async (a) => ((await a.json()) as { id: string }).id))
    expect(new Set(ids).size).toBe(1)
  })

  it('is of some length', async () => {
    expect((await start('short', wanted)).status).toBe(400)
  })
})

describe('a long list', () => {
  it('is given in parts, each thing once, newest first, also for equal times', async () => {
    for (let i = 0; i < 5; i++)
      await service.call('/v1/runs', { json: { dataset: 'piloto', steps: 2 } })
    const names: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`
      const part = (await service.get(`/v1/runs?limit=2${query}`)) as {
        items: { name: string }[]
        next: string | null
      }
      expect(part.items.length).toBeLessThanOrEqual(2)
      names.push(...part.items.map(({ name }) => name))
      cursor = part.next
    }
    const whole = (await service.get('/v1/runs?limit=500')) as {
      items: { name: string }[]
      next: null
    }
    expect(names).toEqual(whole.items.map(({ name }) => name))
    expect(new Set(names).size).toBe(names.length)
    expect(whole.next).toBeNull()
  })

  it('of events goes on where the last part ended, and refuses a cursor that is none', async () => {
    await service.call('/v1/runs', { json: { dataset: 'piloto', steps: 2, name: 'told' } })
    const first = (await service.get('/v1/runs/told/events?limit=1')) as {
      items: { id: number }[]
      next: string | null
    }
    expect(first.items).toMatchObject([{ kind: 'run.started' }])
    expect(first.next).toBe(String(first.items[0]?.id))
    const bad = await service.call('/v1/runs/told/events?cursor=abc')
    expect(bad.status).toBe(400)
  })
})

describe('the typed client', () => {
  it('reads what the service says, and its refusals as errors', async () => {
    const client = rodizioClient({ url: `${service.url}/`, token: service.adminToken })
    expect((await client.health()).status).toBe('ok')
    expect((await client.datasets()).map(({ name }) => name)).toEqual(['piloto'])
    expect((await client.dataset('piloto')).train.rows).toBeGreaterThan(80)
    const made = await client.startRun({ dataset: 'piloto', steps: 4, name: 'by-client' })
    expect((await client.run('by-client')).plan).toMatchObject({ targetSteps: 4, engine: 'dry' })
    expect((await client.run(made.id)).name).toBe('by-client')
    expect((await client.events('by-client', 0))[0]?.kind).toBe('run.started')
    expect(await client.sessions(true)).toEqual([])
    expect((await client.stopRun('by-client')).message).toContain('the run stops at once')
    await expect(client.run('none')).rejects.toMatchObject({
      kind: 'not-found',
      code: 'run_unknown',
    })
    const stranger = rodizioClient({ url: service.url, token: 'rz_x' })
    await expect(stranger.runs()).rejects.toMatchObject({
      kind: 'unauthorized',
      code: 'token_wrong',
    })
  })

  it('stores nothing on a dry run', async () => {
    const client = rodizioClient({ url: service.url, token: service.adminToken })
    await client.startRun({ dataset: 'piloto', steps: 4, name: 'only-asked', dryRun: true })
    await expect(client.run('only-asked')).rejects.toMatchObject({ code: 'run_unknown' })
  })

  it('adds accounts, shows no secret of them, and their budget of the week', async () => {
    const client = rodizioClient({ url: service.url, token: service.adminToken })
    const key = '0123456789abcdef0123456789abcdef'
    const wanted = { owner: 'Ana', provider: 'kaggle' as const, username: 'ana', key }
    await expect(client.addAccount({ name: 'ana', ...wanted })).rejects.toMatchObject({
      kind: 'not-allowed',
      code: 'rules_not_accepted',
    })
    const account = await client.addAccount({ name: 'ana', ...wanted, acceptRules: true })
    expect(JSON.stringify([account, await client.accounts()])).not.toContain(key)
    await expect(
      client.addAccount({ name: 'ana2', ...wanted, username: 'ana2' }),
    ).rejects.toMatchObject({ code: 'second_account' })
    expect(await client.budget()).toMatchObject([
      {
        account: 'ana',
        weeklyHours: 30,
        plannableHours: 28.5,
        usedHours: 0,
        providerReading: null,
      },
    ])
    for (const file of ['rodizio.db', 'rodizio.db-wal']) {
      expect(readFileSync(join(service.folder, file)).includes(key), file).toBe(false)
    }
  })

  it('adds one account that the command line of Colab drives, and says what that one lacks', async () => {
    const client = rodizioClient({ url: service.url, token: service.adminToken })
    const wanted = { provider: 'colab' as const, driver: 'cli' as const, acceptRules: true }
    expect(await client.addAccount({ name: 'rui', owner: 'Rui', ...wanted })).toMatchObject({
      driver: 'cli',
      automation: 'api',
      maxConcurrent: 1,
    })
    await expect(client.addAccount({ name: 'eva', owner: 'Eva', ...wanted })).rejects.toMatchObject(
      { code: 'second_account' },
    )
    expect(await client.testAccount('rui')).toMatchObject({
      ok: false,
      message: 'there is no program colab on the PATH',
      next: expect.stringContaining('uv tool install google-colab-cli'),
    })
  })
})

describe('/openapi.json', () => {
  it('describes every call with its answers, in plain types', async () => {
    const described = (await service.get('/openapi.json')) as {
      openapi: string
      paths: Record<
        string,
        Record<
          string,
          { responses: Record<string, unknown>; parameters?: unknown; requestBody?: unknown }
        >
      >
    }
    expect(described.openapi).toBe('3.1.0')
    expect(Object.keys(described.paths)).toEqual(
      expect.arrayContaining([
        '/v1/runs',
        '/v1/runs/{name}',
        '/v1/datasets',
        '/v1/accounts',
        '/v1/budget',
      ]),
    )
    for (const [path, calls] of Object.entries(described.paths)) {
      for (const [method, call] of Object.entries(calls)) {
        const codes = Object.keys(call.responses)
        expect(codes, `${method} ${path}`).toEqual(expect.arrayContaining(['200', 'default']))
      }
    }
    // What a program sends is one plain type; only answers may be null.
    const inputs = Object.values(described.paths).flatMap((calls) =>
      Object.values(calls).map(({ parameters, requestBody }) => ({ parameters, requestBody })),
    )
    const types = JSON.stringify(inputs).match(/"type":\[[^\]]*\]/g) ?? []
    expect(types.filter((type) => type !== '"type":["number","null"]')).toEqual([]) // sessionSeconds
    expect(JSON.stringify(described)).not.toMatch(/"type":\["(number|integer)","string"/)
  })
})
