import { describe, expect, it } from 'vitest'
import type { BehaviourInput } from '../../../src/emulators/flaky/behaviour.ts'
import type { Condition } from '../../../src/emulators/ngrok/conditions.ts'
import { type CauseKind, consequenceOf, verdictOf } from '../../../src/health/cause.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { addressGuard } from '../../../src/providers/probe/address-guard.ts'
import type { Resolve } from '../../../src/providers/probe/guarded-lookup.ts'
import { httpProbe, type ProbeOptions } from '../../../src/providers/probe/http-probe.ts'
import { type Fronts, freshFronts, ownRun } from '../../emulators/fronts-fixture.ts'

const here = async () => [{ address: '127.0.0.1', family: 4 }]
const home = addressGuard(['127.0.0.1'])
/** Long beside what loopback takes, so that a busy machine is not mistaken for a slow target. */
const patientMs = 5000
const shortMs = 300

/** One look at a URL, by names that all lead to loopback, and what it means for a node of `ownRun`. */
async function lookAt(url: string, more: Partial<ProbeOptions> = {}) {
  const options = { guard: home, clock: systemClock, timeoutMs: patientMs, resolve: here }
  const seen = await httpProbe({ ...options, ...more })(url)
  const verdict = verdictOf(seen, { run: ownRun }, new URL(url).hostname)
  return verdict.kind === 'up'
    ? { seen, cause: 'up', words: '', retryAfter: null, follows: 'none' }
    : {
        seen,
        cause: verdict.cause.kind,
        words: verdict.cause.words,
        retryAfter: verdict.cause.retryAfterSeconds,
        follows: consequenceOf[verdict.cause.kind],
      }
}

const portOf = (url: string) => new URL(url).port
const nameOf = { ana: 'ana.ngrok-free.app', quick: 'quick.trycloudflare.com' }
const tunnelUrl = ({ tunnels }: Fronts, name: keyof typeof nameOf) =>
  `http://${nameOf[name]}:${portOf(tunnels.url)}/health`

type Means = readonly [CauseKind, 'replace' | 'restart' | 'wait-out' | 'none']

describe('a tunnel', () => {
  it.each(['ana', 'quick'] as const)('%s with a node behind it is up', async (name) => {
    await using world = await freshFronts()
    const { cause, seen } = await lookAt(tunnelUrl(world, name))
    expect({ cause, seen }).toMatchObject({ cause: 'up', seen: { status: 200 } })
  })

  it.each<[keyof typeof nameOf, Condition, number, RegExp, Means]>([
    ['ana', 'gone', 404, /3200/, ['tunnel-gone', 'replace']],
    ['ana', 'no-backend', 503, /724/, ['tunnel-gone', 'replace']],
    ['ana', 'server-refused', 502, /8012/, ['server-dead', 'restart']],
    ['ana', 'server-refused-400', 400, /8012/, ['server-dead', 'restart']],
    ['ana', 'broken-upstream', 502, /3004/, ['broken-answer', 'restart']],
    ['ana', 'month-spent', 403, /727/, ['account-limit', 'wait-out']],
    ['ana', 'minute-spent', 429, /734/, ['account-limit', 'wait-out']],
    ['ana', 'bytes-in-spent', 403, /718/, ['account-limit', 'wait-out']],
    ['ana', 'bytes-spent', 403, /720/, ['account-limit', 'wait-out']],
    ['ana', 'bandwidth-spent', 403, /4027/, ['account-limit', 'wait-out']],
    ['ana', 'too-many', 429, /429/, ['account-limit', 'wait-out']],
    ['ana', 'warning', 200, /6024/, ['warning-page', 'none']],
    ['ana', 'page', 200, /web page/, ['no-health', 'none']],
    ['quick', 'gone', 530, /1033/, ['tunnel-gone', 'replace']],
    ['quick', 'host-gone', 530, /1016/, ['tunnel-gone', 'replace']],
    ['quick', 'too-many', 429, /1027/, ['account-limit', 'wait-out']],
    ['quick', 'server-refused', 502, /no server behind/, ['server-dead', 'restart']],
    ['quick', 'page', 200, /web page/, ['no-health', 'none']],
  ])('%s that is %s (HTTP %i)', async (name, condition, status, words, [cause, follows]) => {
    await using world = await freshFronts()
    world.tunnels.admin.condition({ name, condition, retryAfterSeconds: 77 })
    const met = await lookAt(tunnelUrl(world, name))
    expect(met).toMatchObject({ seen: { kind: 'answered', status }, cause, follows })
    expect(met.words).toMatch(words)
    expect(met.retryAfter).toBe(status === 429 ? 77 : null)
  })

  it.each<[string, BehaviourInput | 'closed', Means, Means]>([
    ['that nobody runs', 'closed', ['server-dead', 'restart'], ['server-dead', 'restart']],
    [
      'that speaks no HTTP',
      { kind: 'garbage' },
      ['broken-answer', 'restart'],
      ['server-dead', 'restart'],
    ],
    ['of another run', { kind: 'other-run' }, ['other-run', 'replace'], ['other-run', 'replace']],
    ['that is not well', { kind: 'failing' }, ['failing', 'restart'], ['failing', 'restart']],
    [
      'that answers 500',
      { kind: 'status' },
      ['http-status', 'restart'],
      ['http-status', 'restart'],
    ],
    [
      'that breaks off',
      { kind: 'reset', when: 'after-headers' },
      ['cut', 'restart'],
      ['cut', 'restart'],
    ],
  ])('with a server %s is told by both edges', async (_what, behaviour, ngrok, cloudflared) => {
    await using world = await freshFronts()
    if (behaviour === 'closed') await world.flaky.close()
    else world.behave(behaviour)
    for (const [name, [cause, follows]] of [
      ['ana', ngrok],
      ['quick', cloudflared],
    ] as const) {
      expect(await lookAt(tunnelUrl(world, name))).toMatchObject({ cause, follows })
    }
  })

  it('whose account is used up by the looks themselves is waited out, and up in the next month', async () => {
    await using world = await freshFronts({ monthlyRequests: 2 })
    const causes: string[] = []
    for (let look = 0; look < 3; look += 1)
      causes.push((await lookAt(tunnelUrl(world, 'ana'))).cause)
    expect(causes).toEqual(['up', 'up', 'account-limit'])
    world.clock.advance(3600)
    expect((await lookAt(tunnelUrl(world, 'ana'))).cause).toBe('up')
  })
})

describe('a target', () => {
  it.each<[string, BehaviourInput, Means | 'up']>([
    ['is well', { kind: 'well' }, 'up'],
    ['takes its time', { kind: 'slow-first-byte', seconds: 0.2 }, 'up'],
    ['serves another run', { kind: 'other-run' }, ['other-run', 'replace']],
    ['says that it fails', { kind: 'failing' }, ['failing', 'restart']],
    ['answers 500', { kind: 'status', status: 500 }, ['http-status', 'restart']],
    ['answers 404', { kind: 'status', status: 404 }, ['http-status', 'restart']],
    ['answers 429', { kind: 'status', status: 429 }, ['account-limit', 'wait-out']],
    ['shows a page', { kind: 'page' }, ['no-health', 'none']],
    ['never ends', { kind: 'huge' }, ['no-health', 'none']],
    ['redirects for ever', { kind: 'redirect-for-ever' }, ['redirects', 'none']],
    ['redirects to the cloud’s own', { kind: 'redirect' }, ['refused', 'none']],
    ['resets the connection', { kind: 'reset' }, ['cut', 'restart']],
    ['resets it in its answer', { kind: 'reset', when: 'after-headers' }, ['cut', 'restart']],
    ['speaks no HTTP', { kind: 'garbage' }, ['cut', 'restart']],
  ])('that %s, over HTTP and TLS', async (_what, behaviour, means) => {
    await using world = await freshFronts()
    world.behave(behaviour)
    const { targetUrl, secureUrl, admin } = world.flaky
    const [cause, follows] = means === 'up' ? ['up', 'none'] : means
    for (const url of [targetUrl, secureUrl]) {
      expect(await lookAt(`${url}/health`, { ca: admin.trusted() })).toMatchObject({
        cause,
        follows,
      })
    }
  })

  it.each<[string, BehaviourInput]>([
    ['hangs', { kind: 'hang' }],
    ['keeps its first byte back', { kind: 'slow-first-byte' }],
    ['drips a byte a second', { kind: 'drip' }],
  ])('that %s is given up when the time is over', async (_what, behaviour) => {
    await using world = await freshFronts()
    world.behave(behaviour)
    const { targetUrl, secureUrl, admin } = world.flaky
    for (const url of [targetUrl, secureUrl, `${world.tunnels.url}/ana`]) {
      const began = performance.now()
      const met = await lookAt(`${url}/health`, { ca: admin.trusted(), timeoutMs: shortMs })
      expect(met).toMatchObject({ cause: 'timeout', follows: 'restart' })
      expect(performance.now() - began).toBeLessThan(shortMs + 1500)
    }
  })

  it.each<[string, BehaviourInput]>([
    ['that nobody vouches for', { kind: 'certificate' }],
    ['that is over', { kind: 'certificate', which: 'expired' }],
    ['that is another host’s', { kind: 'certificate', which: 'wrong-name' }],
    ['that is not there, since it speaks no TLS', { kind: 'no-tls' }],
  ])('with a certificate %s says nothing about the session behind it', async (_what, behaviour) => {
    await using world = await freshFronts()
    world.behave(behaviour)
    const { secureUrl, admin } = world.flaky
    const met = await lookAt(`${secureUrl}/health`, { ca: admin.trusted() })
    expect(met).toMatchObject({ cause: 'tls', follows: 'none' })
    expect(admin.requests()).toEqual([])
  })

  it('of a gigabyte is read as far as the cap, and no further', async () => {
    await using world = await freshFronts()
    world.behave({ kind: 'huge', bytes: 1024 ** 3 })
    for (const url of [`${world.flaky.targetUrl}/health`, tunnelUrl(world, 'ana')]) {
      const { seen } = await lookAt(url)
      expect(seen).toMatchObject({ isCut: true })
      expect(seen.kind === 'answered' && seen.body.length).toBe(64 * 1024)
    }
    expect(world.flaky.admin.state().bodyBytes).toBeLessThan(64 * 1024 ** 2)
  })

  it('that is gone takes no connection; one whose name is gone is not found', async () => {
    await using world = await freshFronts()
    const url = `${world.flaky.targetUrl}/health`
    await world.flaky.close()
    expect(await lookAt(url)).toMatchObject({ cause: 'connect', follows: 'none' })
    for (const code of ['ENOTFOUND', 'EAI_AGAIN', 'ESERVFAIL']) {
      const resolve = () => Promise.reject(Object.assign(new Error(code), { code }))
      const met = await lookAt('http://node.example/health', { resolve })
      expect(met).toMatchObject({
        cause: 'dns',
        follows: 'none',
        words: expect.stringContaining(code),
      })
      // The name of a quick tunnel goes with it.
      const quick = await lookAt('https://a-b.trycloudflare.com/health', { resolve })
      expect(quick).toMatchObject({ cause: 'tunnel-gone', follows: 'replace' })
    }
  })
})

describe('the guard at the connection', () => {
  /** What the name leads to, look by look; the last one stays. */
  const leadsTo = (...looks: readonly (readonly string[])[]): Resolve => {
    let look = 0
    return async () => {
      const found = looks[Math.min(look, looks.length - 1)] ?? []
      look += 1
      return found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    }
  }
  const closed = [
    ['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.1.2.3', '169.254.169.254'],
    ['172.16.0.1', '172.31.255.255', '192.168.1.1', '224.0.0.1', '255.255.255.255', '::', '::1'],
    ['fc00::1', 'fd12::1', 'fe80::1', 'ff02::1', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe'],
    [
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:10.0.0.1',
      '::ffff:169.254.169.254',
      '2002:7f00:1::',
    ],
  ].flat()

  it.each(closed)('lets no name lead to %s, alone or among others', async (address) => {
    await using world = await freshFronts()
    const url = `http://node.example:${portOf(world.flaky.targetUrl)}/health`
    const guard = addressGuard()
    for (const found of [[address], ['93.184.216.34', address], [address, '93.184.216.34']]) {
      const met = await lookAt(url, { guard, resolve: leadsTo(found) })
      expect(met).toMatchObject({ cause: 'refused', follows: 'none' })
      expect(met.words).toContain(`node.example leads to ${address}`)
    }
    expect(world.flaky.admin.state().connections).toBe(0)
  })

  it.each([
    ...['2130706433', '0x7f000001', '0x7f.1', '017700000001', '127.1', '127.0.0.1.', '0177.0.0.1'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:0:0:1]', '①②⑦.0.0.1'],
    ...['localhost', 'LOCALHOST.', 'a.localhost', 'metadata.google.internal', 'printer.local', '0'],
  ])('admits no URL at %s, and redirects there lead nowhere', async (spelling) => {
    await using world = await freshFronts()
    const port = portOf(world.flaky.targetUrl)
    const there = `http://${spelling}:${port}/health`
    expect(await lookAt(there, { guard: addressGuard() })).toMatchObject({ cause: 'refused' })
    expect(world.flaky.admin.state().connections).toBe(0)
    const location = there.replace(/[^ -~]/gu, encodeURIComponent)
    world.behave({ kind: 'redirect', location })
    // The first hop is a name that the operator trusts; where it leads from there is not.
    const guard = addressGuard(['gpu.lan'])
    expect(await lookAt(`http://gpu.lan:${port}/health`, { guard })).toMatchObject({
      cause: 'refused',
    })
    expect(world.flaky.admin.state().connections).toBe(1)
  })

  it('looks at a name anew with every connection: one that turns is not followed', async () => {
    await using world = await freshFronts()
    const url = `http://node.example:${portOf(world.flaky.targetUrl)}/health`
    const resolve = leadsTo(['127.0.0.1'], ['127.0.0.2'])
    expect((await lookAt(url, { resolve })).cause).toBe('up')
    expect(await lookAt(url, { resolve })).toMatchObject({ cause: 'refused' })
    world.behave({ kind: 'redirect', location: url })
    const turning = leadsTo(['127.0.0.1'], ['127.0.0.2'])
    expect(await lookAt(url, { resolve: turning })).toMatchObject({ cause: 'refused' })
    expect(world.flaky.admin.state().connections).toBe(2)
  })

  it('connects to what it has checked: a second answer of the resolver is never asked for', async () => {
    await using world = await freshFronts()
    let asked = 0
    const resolve = async () => {
      asked += 1
      return [{ address: asked === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
    }
    const url = `http://node.example:${portOf(world.flaky.targetUrl)}/health`
    expect((await lookAt(url, { resolve })).cause).toBe('up')
    expect(asked).toBe(1)
  })
})

it('a session is replaced when its tunnel is gone or another run answers, and for nothing else', () => {
  const replacing = Object.entries(consequenceOf).filter(([, follows]) => follows === 'replace')
  expect(replacing.map(([cause]) => cause).toSorted()).toEqual(['other-run', 'tunnel-gone'])
})
