import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { processStartedAt } from '../../../src/lib/processes.ts'
import { outputReader } from '../../../src/providers/cloudflared/output.ts'
import {
  endLeftTunnel,
  openTunnel,
  type Tunnel,
  type TunnelNews,
} from '../../../src/providers/cloudflared/tunnel.ts'
import { until } from '../../emulators/kaggle-fixture.ts'
import { temporaryFolder } from '../../temporary-folder.ts'
import { type Behaviour, fakeCloudflared } from './fake.ts'

let server: Server
let target: string
let healthy = true
beforeAll(async () => {
  server = createServer((_request, response) => {
    response.writeHead(healthy ? 200 : 503, { 'content-type': 'application/json' })
    response.end(healthy ? '{"status":"ok"}' : '{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const patience = {
  addressMs: 3000,
  answerMs: 500,
  lookMs: 50,
  looks: 3,
  firstPauseMs: 20,
  longestPauseMs: 1000,
}

interface Start {
  readonly pid: number
  readonly args: string[]
  readonly env: Record<string, string>
}

/** A folder with a fake cloudflared and a tunnel's own folder; what was started is gone at the end of the block. */
function place(...behaviours: Behaviour[]) {
  const folder = temporaryFolder()
  const news: TunnelNews[] = []
  const stop = new AbortController()
  const own = join(folder.path, 'tunnel')
  let tunnel: Tunnel | undefined
  fakeCloudflared(folder.path, ...behaviours)
  return {
    own,
    news,
    stop,
    path: folder.path,
    starts: (): Start[] =>
      readFileSync(join(folder.path, 'starts'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Start),
    async open(more: Partial<Parameters<typeof openTunnel>[0]> = {}): Promise<Tunnel> {
      tunnel = await openTunnel({
        target,
        folder: own,
        path: folder.path,
        clock: systemClock,
        told: (told) => news.push(told),
        stop: stop.signal,
        patience,
        ...more,
      })
      return tunnel
    },
    async [Symbol.asyncDispose]() {
      await tunnel?.close()
      endLeftTunnel(own)
      folder[Symbol.dispose]()
    },
  }
}

const isGone = (pid: number) => processStartedAt(pid) === null

describe('the output of cloudflared', () => {
  it.each([
    [
      'the box of a quick tunnel',
      'x INF |  https://a-b.trycloudflare.com   |\n',
      'https://a-b.trycloudflare.com',
    ],
    ['a line that is not over yet', 'x INF |  https://a-b.trycloudflare.com   |', undefined],
    ['the terms', 'see (https://www.cloudflare.com/website-terms/), and\n', undefined],
    ['a failed call', 'Post "https://api.trycloudflare.com/tunnel": timeout\n', undefined],
  ])('is read: %s', (_what, text, address) => {
    const output = outputReader()
    for (const part of text) output.take(part)
    expect(output.address()).toBe(address)
  })
})

describe('a tunnel', () => {
  it('is open once its address leads here, however late cloudflared tells it', async () => {
    await using world = place({ kind: 'proxies', afterMs: 400 })
    const tunnel = await world.open()
    const answer = await fetch(`${tunnel.address()}/health`)
    expect(await answer.json()).toEqual({ status: 'ok' })
    expect(world.news).toEqual([])
    const [start] = world.starts()
    expect(start?.args.slice(-2)).toEqual(['--url', target])
    await tunnel.close()
    expect(isGone(start?.pid ?? 0)).toBe(true)
    expect(tunnel.address()).toBeUndefined()
    expect(existsSync(join(world.own, 'process.json'))).toBe(false)
  })

  it('gives cloudflared nothing of our environment', async () => {
    await using world = place({ kind: 'proxies' })
    process.env.KAGGLE_KEY = 'planted-kaggle-key'
    try {
      await world.open()
    } finally {
      delete process.env.KAGGLE_KEY
    }
    const [start] = world.starts()
    expect(Object.keys(start?.env ?? {}).toSorted()).toEqual(['HOME', 'PATH', 'RODIZIO_TUNNEL_OF'])
    expect(start?.env.HOME).toBe(world.own)
  })

  it.each([
    [{ kind: 'never tells' }, /told no address within 0.3 s: .*api\.trycloudflare/],
    [{ kind: 'dies' }, /ended before it had an address: .*no route to host/],
    [{ kind: 'leads nowhere' }, /127\.0\.0\.1:1 did not lead here within 0.5 s/],
  ] as const)('is refused when cloudflared %o', async (behaviour, message) => {
    await using world = place(behaviour)
    // One that dies is waited for until it does, which on a busy machine takes its time.
    const hasty = behaviour.kind === 'never tells' ? { addressMs: 300 } : {}
    await expect(world.open({ patience: { ...patience, ...hasty } })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'tunnel_silent',
      message: expect.stringMatching(message),
    })
    for (const { pid } of world.starts()) expect(isGone(pid)).toBe(true)
  })

  it('without the program is refused by its name, with a way to get it', async () => {
    await using world = place({ kind: 'proxies' })
    await expect(world.open({ path: world.own })).rejects.toMatchObject({
      code: 'no_cloudflared',
      message: expect.stringContaining('cloudflared'),
      next: expect.stringMatching(/Install it .*RODIZIO_PUBLIC_URL/),
    })
  })

  it('is opened again, elsewhere, when cloudflared dies, after longer and longer pauses', async () => {
    await using world = place(
      { kind: 'proxies' },
      { kind: 'dies' },
      { kind: 'dies' },
      { kind: 'proxies' },
    )
    const tunnel = await world.open()
    const before = tunnel.address()
    process.kill(world.starts()[0]?.pid ?? 0, 'SIGKILL')
    await until('the loss', () => world.news.length > 0)
    expect(tunnel.address()).toBeUndefined()
    await until('another address', () => tunnel.address())
    expect(tunnel.address()).not.toBe(before)
    expect(world.news).toMatchObject([
      { kind: 'down', why: expect.stringContaining('has ended'), againInMs: 20 },
      { kind: 'down', why: expect.stringContaining('no route to host'), againInMs: 40 },
      { kind: 'down', againInMs: 80 },
      { kind: 'up', address: tunnel.address() },
    ])
    expect(world.starts()).toHaveLength(4)
  })

  it('is opened again when it leads nowhere any more although cloudflared lives', async () => {
    await using world = place({ kind: 'proxies' })
    const tunnel = await world.open()
    healthy = false
    try {
      await until('the loss', () => world.news.length > 0)
    } finally {
      healthy = true
    }
    expect(world.news[0]).toMatchObject({ why: expect.stringContaining('does not lead here') })
    await until('another address', () => tunnel.address())
    expect(isGone(world.starts()[0]?.pid ?? 0)).toBe(true)
  })

  it('that is not waited for any longer leaves nothing behind', async () => {
    await using world = place({ kind: 'never tells' })
    const opening = world.open()
    await until('its start', () => world.starts().length > 0)
    world.stop.abort()
    await expect(opening).rejects.toMatchObject({ message: expect.stringContaining('stopped') })
    expect(isGone(world.starts()[0]?.pid ?? 0)).toBe(true)
  })
})

describe('what a killed service has left running', () => {
  // Where there is no /proc, only what was noted is found.
  const whens = process.platform === 'linux' ? ['noted', 'not noted yet'] : ['noted']
  it.each(whens)('is ended by the next start: %s', async (when) => {
    await using world = place({ kind: 'never tells' })
    const env = { PATH: world.path, HOME: world.own }
    const left = spawn(join(world.path, 'cloudflared'), ['tunnel', '--url', target], {
      detached: true,
      stdio: 'ignore',
      env: when === 'noted' ? env : { ...env, RODIZIO_TUNNEL_OF: world.own },
    })
    left.unref()
    const pid = left.pid ?? 0
    await until('its start', () => world.starts().length > 0)
    mkdirSync(world.own)
    if (when === 'noted') {
      const note = { pid, startedAt: processStartedAt(pid) }
      writeFileSync(join(world.own, 'process.json'), JSON.stringify(note))
    }
    endLeftTunnel(world.own)
    await until('its end', () => isGone(pid))
  })

  it('is not mistaken for a later process under the same number', async () => {
    await using world = place({ kind: 'never tells' })
    mkdirSync(world.own)
    const note = { pid: process.pid, startedAt: 'at another time' }
    writeFileSync(join(world.own, 'process.json'), JSON.stringify(note))
    endLeftTunnel(world.own)
    expect(isGone(process.pid)).toBe(false)
    expect(existsSync(join(world.own, 'process.json'))).toBe(false)
  })
})
