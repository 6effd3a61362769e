import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anaToken, biaToken, freshHub, gatedId } from '../emulators/hub-fixture.ts'
import { type RunningService, runningService } from './service.ts'

const put = (service: RunningService, token: string) =>
  service.call('/v1/logins/hub', { method: 'PUT', json: { token } })

/** What speaks against a run on the official base, as a dry run tells it. */
async function warnings(service: RunningService): Promise<string[]> {
  const run = { dataset: 'rows', engine: 'trl', steps: 100, plan: { base: gatedId }, dryRun: true }
  const answer = await service.call('/v1/runs', { json: run })
  const { warnings: told } = (await answer.json()) as { warnings: string[] }
  return told
}

/** Everything below a folder, in one text. */
const written = (folder: string): string =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path).toString('latin1'))
    .join('\n')

describe('the token for the hub', () => {
  it('is stored by the service, told of without being shown, and forgotten', async () => {
    await using hub = await freshHub()
    await using service = await runningService({ RODIZIO_HUB_URL: hub.url })
    const nothing = { state: 'none', hub: hub.url, user: null, role: null }
    expect(await service.get('/v1/logins/hub')).toEqual(nothing)
    const kept = await put(service, anaToken)
    expect([kept.status, await kept.json()]).toEqual([
      200,
      { state: 'good', hub: hub.url, user: 'ana', role: 'read' },
    ])
    expect(written(service.folder)).not.toContain(anaToken)
    await service.call('/v1/logins/hub', { method: 'DELETE' })
    expect(await service.get('/v1/logins/hub')).toEqual(nothing)
  })

  it.each([
    ['the hub does not know', 'hf_stranger', 401, 'hub_token_over'],
    ['is none', 'ghp_stranger', 400, 'not_a_token'],
  ])('that %s is refused without being repeated', async (_why, token, status, code) => {
    await using hub = await freshHub()
    await using service = await runningService({ RODIZIO_HUB_URL: hub.url })
    const refused = await put(service, token)
    const text = await refused.text()
    expect([refused.status, JSON.parse(text)]).toEqual([status, expect.objectContaining({ code })])
    expect(text).not.toContain(token)
  })

  it('wants the admin token of the service', async () => {
    await using service = await runningService()
    const refused = await service.call('/v1/logins/hub', { headers: { authorization: 'Bearer x' } })
    expect(refused.status).toBe(401)
  })
})

describe('a dry run on a gated base', () => {
  it('tells what it would wait for, and what each session downloads', async () => {
    await using hub = await freshHub()
    await using service = await runningService({ RODIZIO_HUB_URL: hub.url })
    await service.importRows('rows', 100)
    expect(await warnings(service)).toContainEqual(expect.stringMatching(/no token is stored/))
    await put(service, biaToken)
    const sentence = `accept it at ${hub.url}/${gatedId}`
    expect(await warnings(service)).toContainEqual(expect.stringContaining(sentence))
    await put(service, anaToken)
    const told = await warnings(service)
    expect(told).toContainEqual(expect.stringMatching(/downloads 14\.5 GB/))
    expect(told).not.toContainEqual(expect.stringMatching(/would wait/))
  })
})
