import { afterAll, beforeAll, expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { bookNodes } from '../http/fake-node.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
let books: Awaited<ReturnType<typeof bookNodes>>
let token: string
beforeAll(async () => {
  service = await runningService({ RODIZIO_ALLOW_PRIVATE: '127.0.0.1', RODIZIO_TICK_SECONDS: '1' })
  books = await bookNodes(service)
  await books.reach('tunnel')
  token = await books.begin('nights')
})
afterAll(async () => {
  await books[Symbol.asyncDispose]()
  await service[Symbol.asyncDispose]()
})
const { run, json } = commandLine(() => service)

/** A heartbeat of its session. */
async function beat(ready: boolean, tunnel: 'up' | 'down'): Promise<void> {
  // The service's own health stands for a node's: what the look finds does not matter here.
  const node = { ready, url: service.url, reach: 'url', adapter: sha256Hex('a'), tunnel }
  const response = await fetch(`${service.url}/v1/session/heartbeat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ step: 0, phase: 'serve', node }),
  })
  expect(response.status).toBe(200)
}
const heard = async () => (await json('nodes', 'show', 'nights')).heard
const session = async () =>
  ((await json('serve', 'show', 'nights')).recent as readonly Record<string, unknown>[])[0]

it('what the session of a node says of its tunnel is shown with the node and with the session', async () => {
  await beat(true, 'up')
  await expect
    .poll(async () => (await run('nodes', 'show', 'nights')).out, { timeout: 15_000 })
    .toMatch(/by its session's own word [^:]+:\d\d: it answers, its tunnel is up\n/)
  expect(await heard()).toMatchObject({ isReady: true, tunnel: 'up', badBeatAt: null })
  expect(await session()).toMatchObject({ node: { tunnel: 'up' }, badBeatAt: null })
  expect((await run('serve', 'show', 'nights')).out).not.toContain('its tunnel is down')

  await beat(true, 'down')
  const down = await heard()
  expect(down).toMatchObject({ tunnel: 'down', badBeatAt: expect.stringMatching(/^20/) })
  expect((await run('nodes', 'show', 'nights')).out).toMatch(
    /it answers, its tunnel is down; it last said of trouble /,
  )
  expect((await run('serve', 'show', 'nights')).out).toContain(
    'its tunnel is down, by its own word',
  )

  await beat(false, 'down')
  expect(await heard()).toMatchObject({ isReady: false, tunnel: null })
  expect((await run('nodes', 'show', 'nights')).out).toContain('it does not answer; it last said')
  expect(await session()).toMatchObject({ node: null, badBeatAt: expect.stringMatching(/^20/) })
})

it('of a node that a person has added nobody says anything', async () => {
  await run('nodes', 'add', 'house', service.url)
  expect(await json('nodes', 'show', 'house')).toMatchObject({ heard: null, session: null })
  expect((await run('nodes', 'show', 'house')).out).not.toContain('own word')
})
