import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeDetails } from '../../src/api/node-schemas.ts'
import type { Log } from '../../src/lib/log.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { type TokenServer, tokenServer } from '../providers/probe/token-server.ts'
import { commandLine } from './command-line.ts'

const key = 'sk-the-key-that-nobody-may-see'
let service: RunningService
let server: TokenServer
let keyFile = ''
/** All that was printed, answered and logged. */
let said = ''
const hear = (line: unknown): void => {
  said += JSON.stringify(line)
}
const log: Log = { info: hear, warn: hear, error: hear }

beforeAll(async () => {
  server = await tokenServer()
  service = await runningService({ RODIZIO_ALLOW_PRIVATE: '127.0.0.1' }, log)
  keyFile = join(service.folder, 'key.txt')
  writeFileSync(keyFile, `${key}\n`)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const line = commandLine(() => service)
async function run(...argv: string[]) {
  const done = await line.run(...argv)
  said += done.out + done.err
  return done
}
const show = async () =>
  JSON.parse((await run('nodes', 'show', 'lab', '--json')).out) as NodeDetails
const deepState = async () => (await show()).deep?.state

describe('rodizio nodes', () => {
  it('adds a node that is asked for a token, and shows how soon it came', async () => {
    const flags = ['--deep', '--deep-key-file', keyFile, '--deep-every', '2h', '--every', '10s']
    const added = await run('nodes', 'add', 'lab', server.url, ...flags)
    expect(added).toMatchObject({ status: 0, err: '' })
    expect(added.out).toContain(`asked for a token every 2.0 h at ${server.url}/v1, with a key`)
    await expect.poll(deepState, { timeout: 20_000, interval: 250 }).toBe('good')
    expect(server.asked[0]).toMatchObject({
      authorization: `Bearer ${key}`,
      body: { model: 'tiny' },
    })
    const { deep } = await show()
    expect(deep).toMatchObject({ hasKey: true, everySeconds: 7200, model: 'tiny', words: null })
    expect(deep?.probes).toMatchObject([{ found: 'good', tokenMs: expect.any(Number) }])
    expect(deep?.tokens.map(({ span, good, p95Ms }) => [span, good, p95Ms])).toEqual(
      ['24h', '7d', '30d', '90d'].map((span) => [span, 1, expect.any(Number)]),
    )
    const { out } = await run('nodes', 'show', 'lab')
    expect(out).toMatch(/a token in \d+ ms; last /)
    expect(out).toMatch(/24h +1 +1 +\d+ ms +\d+ ms/)
  }, 30_000)

  it('tells once that the key is refused, and does not call the node down', async () => {
    server.way = 401 // whose answer repeats the key
    await run('nodes', 'change', 'lab', '--deep-every', '10m')
    await expect.poll(deepState, { timeout: 20_000, interval: 250 }).toBe('refused')
    const shown = await show()
    expect([shown.state, shown.deep?.words]).toEqual(['up', 'the key is refused (HTTP 401)'])
    const { out, status } = await run('doctor')
    expect(status).toBe(1)
    expect(out).toMatch(/BAD {2}deep probe of lab: the key is refused \(HTTP 401\)/)
    expect((await run('nodes', 'show', 'lab')).out).toContain('the key is refused (HTTP 401)')
    expect((await run('incidents', '--open')).out).toBe('No incidents.\n')
  }, 30_000)

  it.each([
    [['--url', 'http://127.0.0.1:8999'], 'deep_key_again'],
    [['--deep-url', 'http://10.0.0.1/v1'], 'url_refused'],
    [['--deep-every', '1m'], 'deep.everySeconds'],
    [['--deep-key-file', '/nowhere/key.txt'], 'cannot read /nowhere/key.txt'],
    [['--no-deep', '--deep-model', 'x'], 'leaves nothing'],
  ])('change %j is refused: %s', async (flags, says) => {
    const refused = await run('nodes', 'change', 'lab', ...flags)
    expect(refused.status).not.toBe(0)
    expect(refused.err).toContain(says)
    expect((await show()).url).toBe(`${server.url}/health`)
  })

  it('refuses a file that holds no key without showing what it holds', async () => {
    const file = join(service.folder, 'two.txt')
    writeFileSync(file, `${key}\n${key}\n`)
    expect((await run('nodes', 'change', 'lab', '--deep-key-file', file)).err).toContain(
      'is no key',
    )
  })

  it('asks for none any more, and forgets the key', async () => {
    server.way = 'well'
    expect((await run('nodes', 'change', 'lab', '--no-deep')).out).not.toContain('token')
    expect((await show()).deep).toBeNull()
  })
})

it('the key stands in no answer to calls that are wrong, in no output, in no log line', async () => {
  const bodies = [
    { deep: { key: [key] } },
    { deep: { key, more: key } },
    { deep: { key, url: `http://user:${key}@127.0.0.1/v1` } },
    { deep: { key: `${key} ${key}` } },
    { deep: { key, isKeyless: true } },
    { deep: { key, everySeconds: 1 } },
  ]
  for (const body of bodies) {
    const answer = await service.call('/v1/nodes/lab', { json: body, method: 'PATCH' })
    expect(answer.status).toBe(400)
    said += await answer.text()
  }
  const good = await service.call('/v1/nodes/lab', { json: { deep: { key } }, method: 'PATCH' })
  expect(good.status).toBe(200)
  said += await good.text()
  for (const path of ['/v1/nodes', '/v1/nodes/lab', '/v1/events', '/openapi.json', '/status']) {
    said += await (await service.call(path)).text()
  }
  // Moved by another hand, it cannot be opened, which is logged.
  const db = openSqlite(`${service.folder}/rodizio.db`)
  await db.run("update deep_checks set base_url = 'http://127.0.0.1:8999/v1', next_ms = 0")
  await db.close()
  await expect.poll(() => said, { timeout: 20_000 }).toContain('"event":')
  expect(said).toContain('cannot be opened')
  expect(said).toContain('"hasKey":true')
  expect(said).not.toContain(key)
}, 30_000)
