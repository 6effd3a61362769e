import http from 'node:http'
import { describe, expect, it } from 'vitest'
import { startTunnelEmulator } from '../../src/emulators/ngrok/server.ts'
import { freshFronts, order } from './fronts-fixture.ts'

interface Got {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** Asks the edge by any host name. */
const ask = (url: string, headers: Record<string, string> = {}, body?: string): Promise<Got> =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { headers, agent: false, method: body ? 'POST' : 'GET' })
    request.on('error', reject)
    request.on('response', async (response) => {
      const parts = await Array.fromAsync(response).catch(reject)
      if (!parts) return
      const text = Buffer.concat(parts).toString()
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
    })
    request.end(body)
  })
const codeOf = ({ status, headers }: Got) => [status, headers['ngrok-error-code']]

describe('an endpoint', () => {
  it('is reached by its host name and by its path, and passes on what is asked and answered', async () => {
    await using world = await freshFronts()
    const { url } = world.tunnels
    const byHost = await ask(`${url}/health?deep=1`, {
      host: 'ana.ngrok-free.app',
      'x-more': 'yes',
    })
    const byPath = await ask(`${url}/ana/health`)
    for (const got of [byHost, byPath]) {
      expect(got).toMatchObject({ status: 200, body: expect.stringContaining('"status":"ok"') })
    }
    expect(world.flaky.admin.requests()).toMatchObject([
      { target: '/health?deep=1', headers: { host: 'ana.ngrok-free.app', 'x-more': 'yes' } },
      { target: '/health' },
    ])
    expect((await ask(`${url}/ana/elsewhere`)).status).toBe(404)
  })

  it('nobody has opened is offline, in the words of its edge', async () => {
    await using world = await freshFronts()
    const { url } = world.tunnels
    expect(codeOf(await ask(url, { host: 'bia.ngrok-free.app' }))).toEqual([404, 'ERR_NGROK_3200'])
    expect(await ask(url, { host: 'gone.trycloudflare.com' })).toMatchObject({
      status: 530,
      body: 'error code: 1033',
    })
    world.tunnels.admin.close({ name: 'ana' })
    expect(codeOf(await ask(`${url}/ana/health`))).toEqual([404, 'ERR_NGROK_3200'])
  })

  it.each([
    ['gone', [404, 'ERR_NGROK_3200']],
    ['no-backend', [503, 'ERR_NGROK_724']],
    ['server-refused', [502, 'ERR_NGROK_8012']],
    ['server-refused-400', [400, 'ERR_NGROK_8012']],
    ['broken-upstream', [502, 'ERR_NGROK_3004']],
    ['month-spent', [403, 'ERR_NGROK_727']],
    ['minute-spent', [429, 'ERR_NGROK_734']],
    ['bytes-spent', [403, 'ERR_NGROK_720']],
    ['bandwidth-spent', [403, 'ERR_NGROK_4027']],
    ['warning', [200, 'ERR_NGROK_6024']],
    ['too-many', [429, undefined]],
    ['page', [200, undefined]],
  ])('is %s by order, and up again', async (condition, told) => {
    await using world = await freshFronts()
    const { tunnels } = world
    const said = await order(tunnels, 'POST', 'condition', {
      name: 'ana',
      condition,
      retryAfterSeconds: 7,
    })
    expect(said.status).toBe(200)
    const got = await ask(`${tunnels.url}/ana/health`)
    expect(codeOf(got)).toEqual(told)
    expect(got.headers['content-type']).toContain('text/html')
    expect(got.headers['retry-after']).toBe(got.status === 429 ? '7' : undefined)
    expect(world.flaky.admin.state().connections).toBe(0)
    await order(tunnels, 'POST', 'condition', { name: 'ana', condition: 'up' })
    expect((await ask(`${tunnels.url}/ana/health`)).status).toBe(200)
  })

  it('tells a server that refuses from one that speaks no HTTP, by itself', async () => {
    await using world = await freshFronts()
    const { url } = world.tunnels
    world.behave({ kind: 'garbage' })
    expect(codeOf(await ask(`${url}/ana/health`))).toEqual([502, 'ERR_NGROK_3004'])
    world.behave({ kind: 'reset' })
    expect(codeOf(await ask(`${url}/ana/health`))).toEqual([502, 'ERR_NGROK_3004'])
    await world.flaky.close()
    expect(codeOf(await ask(`${url}/ana/health`))).toEqual([502, 'ERR_NGROK_8012'])
    expect((await ask(`${url}/quick/health`)).status).toBe(502)
  })

  it('breaks off where the server does', async () => {
    await using world = await freshFronts()
    world.behave({ kind: 'reset', when: 'after-headers' })
    await expect(ask(`${world.tunnels.url}/ana/health`)).rejects.toThrow()
  })

  it('warns browsers, and nobody who has read it', async () => {
    await using world = await freshFronts()
    const mozilla = { 'user-agent': 'Mozilla/5.0 (X11)' }
    const ana = `${world.tunnels.url}/ana/health`
    expect(codeOf(await ask(ana, mozilla))).toEqual([200, 'ERR_NGROK_6024'])
    expect((await ask(ana, { ...mozilla, 'ngrok-skip-browser-warning': '1' })).body).toContain('ok')
    expect((await ask(`${world.tunnels.url}/quick/health`, mozilla)).body).toContain('ok')
  })

  it('meets faults like every emulator', async () => {
    await using world = await freshFronts()
    const ana = `${world.tunnels.url}/ana/health`
    world.tunnels.admin.addFaults({ rpc: 'request', kind: 'cut' }, { kind: 'status', status: 503 })
    await expect(ask(ana)).rejects.toThrow()
    expect((await ask(ana)).status).toBe(503)
    expect((await ask(ana)).status).toBe(200)
  })
})

describe('an account', () => {
  it('has so many requests a month, and new ones in the next', async () => {
    await using world = await freshFronts({ monthlyRequests: 2 })
    const { tunnels } = world
    const ana = () => ask(`${tunnels.url}/ana/health`).then(codeOf)
    expect([await ana(), await ana(), await ana()]).toEqual([
      [200, undefined],
      [200, undefined],
      [403, 'ERR_NGROK_727'],
    ])
    expect(tunnels.admin.spentBy('free')).toBe(2)
    expect((await ask(`${tunnels.url}/quick/health`)).status).toBe(200)
    await order(tunnels, 'POST', 'clock', { advanceSeconds: 3600 }) // April
    expect(await ana()).toEqual([200, undefined])
    expect(tunnels.admin.spentBy('free')).toBe(1)
    await order(tunnels, 'POST', 'limits', { monthlyRequests: 1 })
    expect(await ana()).toEqual([403, 'ERR_NGROK_727'])
  })

  it('has so many requests in any minute', async () => {
    await using world = await freshFronts({ requestsPerMinute: 2 })
    const ana = () => ask(`${world.tunnels.url}/ana/health`).then(codeOf)
    await ana()
    world.clock.advance(30)
    await ana()
    expect(await ana()).toEqual([429, 'ERR_NGROK_734'])
    world.clock.advance(30)
    expect(await ana()).toEqual([200, undefined])
  })

  it('has so many agents at once, and no server of another machine behind them', async () => {
    await using world = await freshFronts({ agents: 2 })
    const { tunnels, flaky } = world
    const open = async (name: string, upstream = flaky.targetUrl) => {
      const said = await order(tunnels, 'POST', 'endpoints', { name, upstream })
      return `${said.status} ${await said.text()}`
    }
    expect(await open('bia')).toContain('200')
    expect(await open('carlos')).toContain('400 {"error":"ERR_NGROK_108')
    tunnels.admin.condition({ name: 'ana', condition: 'gone' })
    expect(await open('carlos')).toContain('200')
    tunnels.admin.close({ name: 'bia' })
    expect(await open('dora', 'http://192.0.2.1/')).toContain('400')
    expect(await open('dora', 'https://127.0.0.1/')).toContain('400')
  })

  it('stands after a new start, and is forgotten by a reset', async () => {
    await using world = await freshFronts()
    await ask(`${world.tunnels.url}/ana/health`)
    await world.tunnels.close()
    await using again = await startTunnelEmulator({ stateDir: world.stateDir, clock: world.clock })
    expect(again.url).toBe(world.tunnels.url)
    expect([again.admin.spentBy('free'), again.admin.endpoints().length]).toEqual([1, 2])
    again.reset()
    expect([again.admin.spentBy('free'), again.admin.endpoints().length]).toEqual([0, 0])
  })
})

describe('orders', () => {
  it('are taken by the token and by our own name alone, and say what does not fit', async () => {
    await using world = await freshFronts()
    const { url } = world.tunnels
    expect((await ask(`${url}/_emulator/state`)).status).toBe(401)
    const token = { 'x-emulator-token': world.tunnels.adminToken }
    expect(
      (await ask(`${url}/_emulator/state`, { ...token, host: 'ana.ngrok-free.app' })).status,
    ).toBe(404)
    const condition = (name: string, wanted: string) =>
      order(world.tunnels, 'POST', 'condition', { name, condition: wanted }).then((r) => r.status)
    expect(await condition('bia', 'gone')).toBe(404)
    expect(await condition('ana', 'host-gone')).toBe(400)
    expect(await condition('quick', 'bandwidth-spent')).toBe(400)
    expect(await condition('quick', 'host-gone')).toBe(200)
  })
})
