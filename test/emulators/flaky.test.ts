import http from 'node:http'
import https from 'node:https'
import { describe, expect, it } from 'vitest'
import type { BehaviourInput } from '../../src/emulators/flaky/behaviour.ts'
import { freshFronts, order } from './fronts-fixture.ts'

interface Got {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  readonly msToFirstByte: number
  /** How many pieces the body came in. */
  readonly pieces: number
}

/** Asks the target; https by the name of its certificate, which leads to loopback. */
function ask(url: string, ca?: string): Promise<Got> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const { port } = new URL(url)
    const request = url.startsWith('https')
      ? https.request(url, {
          agent: false,
          lookup: (_name, { all }, done) =>
            all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
          ...(ca === undefined ? {} : { ca }),
        })
      : http.request(url, { agent: false, port })
    request.on('error', reject)
    request.on('response', async (response) => {
      const msToFirstByte = performance.now() - began
      const parts = await Array.fromAsync(response).catch(reject)
      if (!parts) return
      resolve({
        ...{ status: response.statusCode ?? 0, headers: response.headers, msToFirstByte },
        ...{ body: Buffer.concat(parts).toString(), pieces: parts.length },
      })
    })
    request.end()
  })
}

describe('the target', () => {
  it('answers as a node does, over HTTP and over TLS', async () => {
    await using world = await freshFronts()
    const { targetUrl, secureUrl, admin } = world.flaky
    for (const [url, ca] of [[targetUrl], [secureUrl, admin.trusted()]] as const) {
      const got = await ask(`${url}/health`, ca)
      expect(JSON.parse(got.body)).toMatchObject({ status: 'ok', adapter: { run: 'run_ana' } })
    }
    expect((await ask(`${targetUrl}/`)).status).toBe(404)
    expect(admin.state()).toMatchObject({ connections: 3, faults: [] })
  })

  it.each<[string, BehaviourInput, object]>([
    [
      'another run',
      { kind: 'other-run' },
      { status: 200, body: expect.stringContaining('somebody') },
    ],
    [
      'one that is not well',
      { kind: 'failing' },
      { status: 503, body: expect.stringContaining('failing') },
    ],
    ['a status', { kind: 'status', status: 504 }, { status: 504 }],
    ['a page', { kind: 'page' }, { status: 200, headers: { 'content-type': 'text/html' } }],
    ['a redirect', { kind: 'redirect' }, { status: 307, headers: { location: /169\.254/ } }],
    [
      'one to itself',
      { kind: 'redirect-for-ever' },
      { status: 302, headers: { location: /again/ } },
    ],
    [
      'a long body',
      { kind: 'huge', bytes: 3_000_000 },
      { status: 200, body: expect.stringMatching(/^a{3000000}$/) },
    ],
  ])('answers with %s', async (_what, behaviour, wanted) => {
    await using world = await freshFronts()
    expect((await order(world.flaky, 'POST', 'behaviour', behaviour)).status).toBe(200)
    const { headers, ...got } = await ask(`${world.flaky.targetUrl}/health`)
    const { headers: told = {}, ...rest } = wanted as { headers?: Record<string, string | RegExp> }
    expect(got).toMatchObject(rest)
    for (const [name, value] of Object.entries(told)) expect(headers[name]).toMatch(value)
  })

  it('keeps its first byte back, and drips', async () => {
    await using world = await freshFronts()
    const url = `${world.flaky.targetUrl}/health`
    world.behave({ kind: 'slow-first-byte', seconds: 0.2 })
    expect((await ask(url)).msToFirstByte).toBeGreaterThan(190)
    world.behave({ kind: 'drip', secondsPerByte: 0.001 })
    const dripped = await ask(url)
    expect(JSON.parse(dripped.body)).toMatchObject({ status: 'ok' })
    expect(dripped.pieces).toBeGreaterThan(10)
  })

  it.each<[string, BehaviourInput, RegExp]>([
    ['a reset', { kind: 'reset' }, /ECONNRESET/],
    ['a reset in the body', { kind: 'reset', when: 'after-headers' }, /ECONNRESET|aborted/],
    ['what is no HTTP', { kind: 'garbage' }, /HPE_/],
  ])('breaks off by %s, over both', async (_what, behaviour, code) => {
    await using world = await freshFronts()
    world.behave(behaviour)
    const { targetUrl, secureUrl, admin } = world.flaky
    for (const url of [targetUrl, secureUrl]) {
      const error: unknown = await ask(`${url}/health`, admin.trusted()).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: expect.stringMatching(code) })
    }
  })

  it.each<[string, BehaviourInput, RegExp]>([
    ['nobody vouches for', { kind: 'certificate' }, /SELF_SIGNED|UNABLE_TO_VERIFY|SIGNATURE/],
    ['is over', { kind: 'certificate', which: 'expired' }, /CERT_HAS_EXPIRED/],
    ['is another host’s', { kind: 'certificate', which: 'wrong-name' }, /ALTNAME_INVALID/],
    ['is not there at all', { kind: 'no-tls' }, /SSL|ECONNRESET|EPROTO/],
  ])('shows a certificate that %s', async (_what, behaviour, code) => {
    await using world = await freshFronts()
    world.behave(behaviour)
    const { secureUrl, targetUrl, admin } = world.flaky
    const error: unknown = await ask(`${secureUrl}/health`, admin.trusted()).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({ code: expect.stringMatching(code) })
    expect((await ask(`${targetUrl}/health`)).status).toBe(200)
  })

  it('has behaviours in place of faults, and is well after a reset', async () => {
    await using world = await freshFronts()
    expect((await order(world.flaky, 'POST', 'faults', { kind: 'hang' })).status).toBe(400)
    expect((await order(world.flaky, 'POST', 'behaviour', { kind: 'sulk' })).status).toBe(400)
    world.behave({ kind: 'hang' })
    world.flaky.reset()
    expect((await ask(`${world.flaky.targetUrl}/health`)).status).toBe(200)
  })
})
