import { X509Certificate } from 'node:crypto'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { selfSigned } from '../../../src/emulators/certificate.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { addressGuard } from '../../../src/providers/probe/address-guard.ts'
import { httpProbe, type ProbeOptions } from '../../../src/providers/probe/http-probe.ts'

const home = addressGuard(['127.0.0.0/8'])
const probe = (more: Partial<ProbeOptions> = {}) =>
  httpProbe({ guard: home, clock: systemClock, timeoutMs: 1000, ...more })

/** A server on a port of its own, gone with its connections at the end of the block. */
async function serving(server: Server | http.Server | https.Server) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // listening on TCP
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
const answering = (listener: RequestListener) => serving(http.createServer(listener))

describe('a look at a node', () => {
  it('brings status, body and the headers that tell causes apart, and asks as a machine', async () => {
    let asked: http.IncomingHttpHeaders = {}
    await using node = await answering((request, response) => {
      asked = request.headers
      response.setHeader('ngrok-error-code', 'ERR_NGROK_3200')
      response.setHeader('content-type', 'application/json')
      response.setHeader('x-secret', 'kept')
      response.writeHead(404).end('{"status":"ok"}')
    })
    const seen = await probe()(`${node.url}/health`)
    expect(seen).toMatchObject({
      kind: 'answered',
      status: 404,
      body: '{"status":"ok"}',
      isCut: false,
      certificateEndsAt: null,
      headers: { 'ngrok-error-code': 'ERR_NGROK_3200', 'content-type': 'application/json' },
    })
    expect(JSON.stringify(seen)).not.toContain('kept')
    expect(asked).toMatchObject({ 'ngrok-skip-browser-warning': '1', connection: 'close' })
    expect(asked['user-agent']).not.toMatch(/mozilla/i)
  })

  it('ends when its time is over, however the other side fills it', async () => {
    await using drips = await answering((_request, response) => {
      const timer = setInterval(() => response.write('.'), 50)
      response.on('close', () => clearInterval(timer))
    })
    await using silent = await serving(createServer(() => {}))
    for (const { url } of [drips, silent]) {
      const began = performance.now()
      const seen = await probe({ timeoutMs: 300 })(url)
      expect(seen).toMatchObject({
        kind: 'failed',
        at: 'timeout',
        why: 'no whole answer within 300 ms',
      })
      expect(performance.now() - began).toBeLessThan(1500)
    }
  })

  it('holds no more of an answer than its cap, and lets the rest go', async () => {
    let sent = 0
    await using node = await answering((_request, response) => {
      const piece = Buffer.alloc(64 * 1024, 'a')
      const more = () => {
        while (!response.destroyed && sent < 1 << 30) {
          sent += piece.length
          if (!response.write(piece)) return void response.once('drain', more)
        }
      }
      more()
    })
    const seen = await probe()(node.url)
    expect(seen).toMatchObject({ kind: 'answered', isCut: true })
    expect(seen.kind === 'answered' && seen.body.length).toBe(64 * 1024)
    expect(sent).toBeLessThan(1 << 27)
  })

  it.each([
    ['a connection that nobody takes', (socket: Socket) => socket.destroy(), 'cut'],
    [
      'half an answer',
      (s: Socket) => s.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab'),
      'cut',
    ],
    ['words that are no HTTP', (s: Socket) => s.end('220 smtp.example ESMTP\r\n'), 'cut'],
  ])('%s is told as a connection that broke', async (_what, speak, at) => {
    await using node = await serving(
      createServer((socket) => socket.once('data', () => speak(socket))),
    )
    expect(await probe()(node.url)).toMatchObject({ kind: 'failed', at })
  })

  it('tells a port where nobody listens from a name that is not there', async () => {
    const { port } = await serving(createServer()).then(async (gone) => {
      await gone[Symbol.asyncDispose]()
      return gone
    })
    expect(await probe()(`http://127.0.0.1:${port}`)).toMatchObject({
      at: 'connect',
      why: '127.0.0.1 takes no connection (ECONNREFUSED)',
    })
    const resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
    expect(await probe({ resolve })('http://node.example/')).toMatchObject({
      at: 'dns',
      why: 'the name node.example is not found (ENOTFOUND)',
    })
  })
})

describe('addresses behind names and redirects', () => {
  const leadsTo =
    (...addresses: string[]) =>
    async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

  it('a name that leads to a private address is not connected to, were it one of several', async () => {
    let connections = 0
    await using node = await serving(createServer(() => (connections += 1)))
    for (const found of [['127.0.0.1'], ['93.184.216.34', '127.0.0.1'], ['::ffff:127.0.0.1']]) {
      const look = probe({ guard: addressGuard(), resolve: leadsTo(...found) })
      expect(await look(`http://node.example:${node.port}/`)).toMatchObject({
        kind: 'failed',
        at: 'refused',
        why: expect.stringContaining('node.example leads to'),
      })
    }
    expect(connections).toBe(0)
  })

  it('a name that answers otherwise the second time is asked once', async () => {
    let asked = 0
    await using node = await answering((_request, response) => response.end('{}'))
    const resolve = async () => {
      asked += 1
      return [{ address: asked === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]
    }
    const seen = await probe({ resolve })(`http://node.example:${node.port}/`)
    expect(seen).toMatchObject({ kind: 'answered', status: 200 })
    expect(asked).toBe(1)
  })

  it('a name that the operator trusts may lead anywhere', async () => {
    await using node = await answering((_request, response) => response.end('{}'))
    const look = probe({ guard: addressGuard(['gpu.lan']), resolve: leadsTo('127.0.0.1') })
    expect(await look(`http://gpu.lan:${node.port}/`)).toMatchObject({ kind: 'answered' })
  })

  it('a redirect is followed, and looked at like the first address', async () => {
    await using last = await answering((_request, response) => response.end('{"status":"ok"}'))
    await using first = await answering((_request, response) =>
      response.writeHead(302, { location: `${last.url}/health` }).end(),
    )
    await using away = await answering((_request, response) =>
      response.writeHead(307, { location: 'http://169.254.169.254/latest/' }).end(),
    )
    expect(await probe()(first.url)).toMatchObject({ kind: 'answered', body: '{"status":"ok"}' })
    expect(await probe()(away.url)).toMatchObject({ kind: 'failed', at: 'refused' })
  })

  it('a redirect without end has one', async () => {
    let asked = 0
    await using node = await answering((_request, response) => {
      asked += 1
      response.writeHead(302, { location: '/again' }).end()
    })
    expect(await probe()(node.url)).toMatchObject({ kind: 'failed', at: 'redirects' })
    expect(asked).toBe(4)
  })
})

describe('TLS', () => {
  const { key, certificate } = selfSigned('node.example')
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]

  it('tells a certificate that nobody vouches for, and when one ends that somebody does', async () => {
    await using node = await serving(
      https.createServer({ key, cert: certificate }, (_request, response) => response.end('{}')),
    )
    const url = `https://node.example:${node.port}/`
    expect(await probe({ resolve })(url)).toMatchObject({ kind: 'failed', at: 'tls' })
    const seen = await probe({ resolve, ca: certificate })(url)
    expect(seen).toMatchObject({ kind: 'answered', status: 200 })
    const ends = seen.kind === 'answered' ? seen.certificateEndsAt : null
    expect(ends).toEqual(new Date(new X509Certificate(certificate).validTo))
  })

  it('a server that speaks none is told as such', async () => {
    await using node = await answering((_request, response) => response.end('{}'))
    expect(await probe()(`https://127.0.0.1:${node.port}/`)).toMatchObject({ at: 'tls' })
  })
})
