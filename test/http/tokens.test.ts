import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlite } from '../../src/store/sqlite.ts'
import { commandLine } from '../cli/command-line.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
/** Every call of the description, with names that nothing has. */
let calls: { method: string; path: string; call: string }[]
const secrets = new Map<string, string>()

beforeAll(async () => {
  service = await runningService()
  const { paths } = (await service.get('/openapi.json')) as {
    paths: Record<string, Record<string, unknown>>
  }
  calls = Object.entries(paths).flatMap(([template, operations]) =>
    Object.keys(operations).map((method) => ({
      method: method.toUpperCase(),
      path: template.replaceAll(/\{\w+\}/g, 'nothing'),
      call: `${method.toUpperCase()} ${template}`,
    })),
  )
  calls.push({
    method: 'GET',
    path: '/v1/adapters/v9/files/README.md',
    call: 'GET /v1/adapters/{version}/files/{name}',
  })
  for (const scope of ['operator', 'viewer', 'node', 'pull', 'chat', 'admin']) {
    const made = await service.call('/v1/tokens', {
      json: { name: `all-${scope}`, scopes: [scope] },
    })
    secrets.set(scope, ((await made.json()) as { token: string }).token)
  }
})
afterAll(() => service[Symbol.asyncDispose]())

const ask = (method: string, path: string, secret: string | null) =>
  fetch(service.url + path, {
    method,
    headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
    ...(['POST', 'PUT', 'PATCH'].includes(method) ? { body: '{' } : {}),
  })

/** What a scope was let through to: whatever it was answered then. */
async function mayDo(scope: string): Promise<string[]> {
  const may: string[] = []
  for (const { method, path, call } of calls) {
    const { status } = await ask(method, path, secrets.get(scope) ?? '')
    expect(status, call).not.toBe(401)
    if (status !== 403) may.push(call)
  }
  return may.toSorted()
}

describe('every call', () => {
  it('is refused without a token, with a wrong one, and with a half of one', async () => {
    expect(calls.length).toBeGreaterThan(60)
    const known = secrets.get('admin') ?? ''
    for (const { method, path, call } of calls) {
      for (const secret of [null, 'rz_wrong', known.slice(0, -1), known.replace(/.$/, '~')]) {
        expect((await ask(method, path, secret)).status, call).toBe(401)
      }
    }
  })

  it('is for admins where no scope is for it', async () => {
    const nobody = new Set(calls.map(({ call }) => call))
    for (const scope of ['operator', 'viewer', 'node', 'pull', 'chat']) {
      for (const call of await mayDo(scope)) nobody.delete(call)
    }
    expect([...nobody].toSorted()).toEqual(
      [
        'POST /v1/accounts',
        'DELETE /v1/accounts/{name}',
        'POST /v1/accounts/{name}/adjustments',
        'POST /v1/accounts/{name}/test',
        'PUT /v1/accounts/{name}/serving',
        'DELETE /v1/accounts/{name}/serving',
        'POST /v1/logins/google',
        'GET /v1/logins/google',
        'DELETE /v1/logins/google',
        'PUT /v1/logins/hub',
        'GET /v1/logins/hub',
        'DELETE /v1/logins/hub',
        'GET /v1/store/leftovers',
        'DELETE /v1/store/leftovers',
        'POST /v1/alert-channels',
        'PATCH /v1/alert-channels/{name}',
        'DELETE /v1/alert-channels/{name}',
        'GET /v1/audit',
        'GET /v1/audit/verdict',
        'GET /v1/backups',
        'POST /v1/backups',
        'POST /v1/backups/{name}/copy',
        'GET /v1/tokens',
        'POST /v1/tokens',
        'DELETE /v1/tokens/{name}',
      ].toSorted(),
    )
  })

  it('changes nothing for a viewer, and shows a viewer no secret’s place', async () => {
    const may = await mayDo('viewer')
    expect(may.filter((call) => !call.startsWith('GET '))).toEqual([])
    const hidden = calls
      .map(({ call }) => call)
      .filter((call) => call.startsWith('GET ') && !may.includes(call))
    expect(hidden.toSorted()).toEqual([
      'GET /v1/adapters/{version}/files/{name}',
      'GET /v1/alert-channels',
      'GET /v1/audit',
      'GET /v1/audit/verdict',
      'GET /v1/backups',
      'GET /v1/logins/google',
      'GET /v1/logins/hub',
      'GET /v1/served-adapter',
      'GET /v1/store/leftovers',
      'GET /v1/tokens',
    ])
  })

  it('is one of two for a box, one of five for a node, and none for who only chats', async () => {
    expect(await mayDo('pull')).toEqual([
      'GET /v1/adapters/{version}/files/{name}',
      'GET /v1/served-adapter',
    ])
    expect(await mayDo('node')).toEqual([
      'GET /v1/nodes',
      'GET /v1/nodes/{name}',
      'PATCH /v1/nodes/{name}',
      'POST /v1/nodes',
      'POST /v1/nodes/{name}/probe',
    ])
    expect(await mayDo('chat')).toEqual([])
  })

  it('is allowed a token with the scope admin', async () => {
    const read = await ask('GET', '/v1/tokens', secrets.get('admin') ?? '')
    expect(read.status).toBe(200)
  })
})

describe('a token', () => {
  const { run, json } = commandLine(() => service)

  it('is shown once, kept as a hash, and says when it was used', async () => {
    const { out } = await run('token', 'create', 'box-1', '--scope', 'pull', '--days', '30')
    const secret = /Shown this once: (rz_[0-9a-f]{10}_\S+)/.exec(out)?.[1] ?? ''
    expect(out).toContain('may: fetch the adapter that is served')
    const db = openSqlite(`${service.folder}/rodizio.db`)
    const rows = JSON.stringify(await db.all('select * from tokens'))
    await db.close()
    expect(rows).not.toContain(secret.split('_')[2])
    expect((await ask('GET', '/v1/served-adapter', secret)).status).toBe(404)
    const { items } = await json('token', 'list')
    const kept = items.find(({ name }: { name: string }) => name === 'box-1')
    expect(kept).toMatchObject({ scopes: ['pull'], lastUsedAt: expect.any(String) })
    expect(JSON.stringify(items)).not.toContain(secret)
    const refused = await ask('GET', '/v1/runs', secret)
    expect(await refused.json()).toMatchObject({
      code: 'scope_missing',
      next: expect.stringContaining('viewer or operator or admin'),
    })
  })

  it('is good no longer once it is revoked, or its time is over', async () => {
    const secret = /(rz_\S+)$/m.exec(
      (await run('token', 'create', 'brief', '--scope', 'viewer')).out,
    )?.[1]
    expect((await ask('GET', '/v1/runs', secret ?? '')).status).toBe(200)
    expect((await run('token', 'create', 'brief', '--scope', 'viewer')).err).toContain(
      'token_exists',
    )
    expect((await run('token', 'revoke', 'brief')).out).toBe('Token brief is good no longer\n')
    expect((await ask('GET', '/v1/runs', secret ?? '')).status).toBe(401)
    expect((await run('token', 'list')).out).toMatch(/^brief +viewer .*revoked/m)
    const again = await json('token', 'create', 'brief', '--scope', 'viewer', '--days', '1e-9')
    expect((await ask('GET', '/v1/runs', again.token)).status).toBe(401)
  })

  it('is refused scopes that there are not, and names that cannot be', async () => {
    expect((await run('token', 'create', 'x', '--scope', 'root')).err).toContain('no scope "root"')
    expect((await run('token', 'create', 'a b', '--scope', 'pull')).err).toContain('is no name')
    expect((await run('token', 'create', 'x', '--scope', 'pull', '--days', '-1')).status).toBe(2)
    expect((await run('token', 'create', 'x')).status).toBe(2)
    expect((await run('token', 'revoke', 'nobody')).err).toContain('token_unknown')
  })
})
