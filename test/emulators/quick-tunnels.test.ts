import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { putAgentProgram } from '../../src/emulators/ngrok/agent-program.ts'
import { startTunnelEmulator, type TunnelEmulator } from '../../src/emulators/ngrok/server.ts'
import { outputReader } from '../../src/providers/cloudflared/output.ts'
import { type Fronts, freshFronts, order } from './fronts-fixture.ts'
import { until } from './kaggle-fixture.ts'

const agentPath = join(import.meta.dirname, '../../templates/emulated_cloudflared.py')
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

interface Agent {
  readonly child: ChildProcess
  readonly said: () => string
  /** Where it says that its tunnel is entered. */
  readonly address: () => string | undefined
}

/** The program as an emulated machine has it; it leads to `target`. */
function startAgent({ tunnels, stateDir }: Fronts, target: string, ...more: string[]): Agent {
  const folder = join(stateDir, "an agent's folder")
  putAgentProgram({ folder, pythonPath: 'python3', agentPath, edgeUrl: tunnels.url })
  const args = ['tunnel', '--no-autoupdate', '--url', target, ...more]
  const child = spawn(join(folder, 'cloudflared'), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  const output = outputReader()
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      said += part
      output.take(part)
    })
  }
  return { child, said: () => said, address: output.address }
}

async function opened(world: Fronts, target = world.flaky.targetUrl, ...more: string[]) {
  const agent = startAgent(world, target, ...more)
  await until('an address', () => agent.address() !== undefined)
  const address = agent.address() ?? ''
  return { ...agent, address, name: new URL(address).pathname.slice(1) }
}

const look = async (address: string): Promise<readonly [number, string]> => {
  const response = await fetch(`${address}/health`)
  return [response.status, await response.text()]
}
const isGone = async (address: string) =>
  expect(await look(address)).toEqual([530, 'error code: 1033'])

describe('a quick tunnel of the emulated cloudflared', () => {
  it('leads to its server while the program lives, and says that it is emulated', async () => {
    await using world = await freshFronts()
    const agent = await opened(world)
    expect(agent.said()).toContain('cloudflared, emulated')
    expect(await look(agent.address)).toEqual([200, expect.stringContaining('"status":"ok"')])
    const other = await opened(world)
    expect(other.name).not.toBe(agent.name)
    expect(world.tunnels.admin.endpoints().find(({ name }) => name === agent.name)).toMatchObject({
      kind: 'cloudflared',
      host: `${agent.name}.trycloudflare.com`,
    })
    agent.child.kill('SIGKILL')
    await until(
      'the end of the tunnel',
      async () => (await fetch(`${agent.address}/health`)).status !== 200,
    )
    await isGone(agent.address)
    expect((await look(other.address))[0]).toBe(200)
  })

  it('passes bodies on both ways, piece for piece, and breaks off where the server does', async () => {
    await using world = await freshFronts()
    const origin = http.createServer(async (request, response) => {
      const parts = await Array.fromAsync(request)
      response.writeHead(201, { 'x-method': request.method, 'x-told': request.headers['x-told'] })
      response.write(Buffer.concat(parts))
      if (request.url === '/cut') setTimeout(() => response.destroy(), 50)
      else if (request.url !== '/held') response.end(' and more')
    })
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
    const bound = origin.address()
    const port = typeof bound === 'object' ? bound?.port : 0
    const { address } = await opened(world, `http://127.0.0.1:${port}`)
    const post = (path: string) =>
      fetch(`${address}${path}`, { method: 'POST', body: 'olá', headers: { 'x-told': 'yes' } })
    const whole = await post('/whole')
    expect([whole.status, whole.headers.get('x-method'), whole.headers.get('x-told')]).toEqual([
      201,
      'POST',
      'yes',
    ])
    expect(await whole.text()).toBe('olá and more')
    const held = await post('/held')
    const reader = held.body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('olá')
    await reader?.cancel()
    await expect(post('/cut').then((response) => response.text())).rejects.toThrow()
    origin.closeAllConnections()
    await new Promise((resolve) => origin.close(resolve))
    expect((await look(address))[0]).toBe(502)
  })

  it('that the edge has given up is gone, and the program does not know', async () => {
    await using world = await freshFronts()
    const told = await freePort()
    const agent = await opened(world, world.flaky.targetUrl, '--metrics', `127.0.0.1:${told}`)
    const ready = async () => (await fetch(`http://127.0.0.1:${told}/ready`)).status
    expect(await ready()).toBe(200)
    world.tunnels.admin.condition({ name: agent.name, condition: 'gone' })
    await isGone(agent.address)
    expect(await ready()).toBe(200)
    await order(world.tunnels, 'POST', 'cut', { name: agent.name })
    await until('503', async () => (await ready()) === 503)
    await isGone(agent.address)
    await until('its word of that', () => agent.said().includes('There is no tunnel'))
    expect(agent.child.exitCode).toBeNull()
    expect((await order(world.tunnels, 'POST', 'cut', { name: agent.name })).status).toBe(404)
  })

  it('is there again, under the same address, when the edge is started anew', async () => {
    await using world = await freshFronts()
    const agent = await opened(world)
    await world.tunnels.close()
    await until('its word of the end', () => agent.said().includes('ended'))
    const { stateDir, clock } = world
    await using again: TunnelEmulator = await startTunnelEmulator({ stateDir, clock })
    expect(again.url).toBe(world.tunnels.url)
    await until('the tunnel again', async () => (await look(agent.address))[0] === 200)
  })

  it('is nobody else’s to hold, and leads to servers of this machine alone', async () => {
    await using world = await freshFronts()
    const { url } = world.tunnels
    const asked = await fetch(`${url}/tunnel`, { method: 'POST' })
    const { result } = (await asked.json()) as { result: { name: string; secret: string } }
    const hold = (secret: string, upstream: string) =>
      fetch(`${url}/tunnel/${result.name}/connection`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}` },
        body: JSON.stringify({ upstream }),
      }).then(({ status }) => status)
    expect(await hold('another', world.flaky.targetUrl)).toBe(404)
    expect(await hold(result.secret, 'http://192.0.2.1/')).toBe(400)
    expect(await hold(result.secret, 'nowhere')).toBe(400)
  })

  it.each([
    [['tunnel', 'run', 'mine'], 'it opens quick tunnels alone'],
    [['tunnel', '--url'], '--url wants a value'],
  ])('is not opened by %j', async (args, words) => {
    const child = spawn('python3', [agentPath, '--edge', 'http://127.0.0.1:9', ...args])
    const said = await Array.fromAsync(child.stderr)
    expect(Buffer.concat(said).toString()).toContain(words)
  })

  it('is told when there is no edge', async () => {
    const args = ['--edge', 'http://127.0.0.1:9', 'tunnel', '--url', 'http://127.0.0.1:8']
    const child = spawn('python3', [agentPath, ...args])
    const ended = once(child, 'exit')
    const said = Buffer.concat(await Array.fromAsync(child.stderr)).toString()
    expect(said).toContain('failed to request quick Tunnel')
    expect(await ended).toEqual([1, null])
  })
})

/** A port that was free a moment ago. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = http.createServer().listen(0, '127.0.0.1', () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' ? (bound?.port ?? 0) : 0))
    })
  })
