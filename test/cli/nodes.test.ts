import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { IncidentSummary, NodeSummary } from '../../src/api/node-schemas.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
let target: Server
let at = ''
/** What the node answers. */
let answer: { status: number; body: string } = { status: 200, body: '{"status":"ok"}' }
const well = { status: 200, body: '{"status":"ok","model":"tiny","adapter":{"version":"tiny-7"}}' }

beforeAll(async () => {
  target = createServer((_request, response) => {
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const address = target.address()
  at = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  service = await runningService({ RODIZIO_ALLOW_PRIVATE: '127.0.0.1' })
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  target.close()
})

const { run, json } = commandLine(() => service)
const state = async (name: string) => (await json('nodes', 'show', name)).state
const open = async () =>
  (await json('incidents', '--open')).items as unknown as readonly IncidentSummary[]

describe('rodizio nodes', () => {
  it('adds a node, which is probed at once, and shows it', async () => {
    answer = well
    const added = await run('nodes', 'add', 'house', at, '--every', '10s', '--public')
    expect(added).toMatchObject({ status: 0, out: expect.stringContaining('Node house is added') })
    await expect.poll(() => state('house'), { timeout: 9000 }).toBe('up')
    const { out } = await run('nodes', 'show', 'house')
    expect(out).toMatch(/^house: up since /)
    expect(out).toContain('serves tiny, adapter tiny-7')
    expect(out).toMatch(/24h +100\.00 % +1 /)
    expect((await run('nodes', 'list')).out).toMatch(/^NODE +STATE[^\n]*\nhouse +up /)
  })

  it('probes now, and says what was seen', async () => {
    answer = well
    expect(await run('nodes', 'probe', 'house')).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^house is up \(HTTP 200, \d+ ms\): tiny, tiny-7\.\n$/),
    })
    answer = { status: 200, body: '<html>' }
    const seen = await run('nodes', 'probe', 'house')
    expect(seen.status).toBe(1)
    expect(seen.out).toContain('house is not up (HTTP 200')
    answer = { status: 404, body: '' }
    expect((await run('nodes', 'probe', 'house')).out).toContain('started again')
    answer = well
  })

  it.each([
    [['add', 'house', 'https://a.example'], 1, 'name_taken'],
    [['add', 'lab', 'http://10.0.0.1/'], 2, 'url_refused'],
    [['add', 'lab', 'ftp://a.example'], 2, 'url_refused'],
    [['add', '<b>', 'https://a.example'], 2, 'name_invalid'],
    [['add', 'lab', 'https://a.example', '--every', '1s'], 2, 'intervalSeconds: '],
    [['add', 'lab', 'https://a.example', '--every', 'soon'], 2, 'no duration'],
    [['show', 'nobody'], 3, 'node_unknown'],
    [['probe', 'nobody'], 3, 'node_unknown'],
    [['rm', 'nobody'], 3, 'node_unknown'],
    [['change', 'house'], 2, 'nothing is to be changed'],
  ] as const)('%j ends with %i and says %s', async (args, status, says) => {
    const refused = await run('nodes', ...args)
    expect(refused.status).toBe(status)
    expect(refused.err).toMatch(new RegExp(says))
    expect(((await json('nodes', 'list')).items as unknown as NodeSummary[]).length).toBe(1)
  })

  it('gives a node another interval, hides it, and removes it', async () => {
    const added = await json('nodes', 'add', 'lab', `${at}/lab/health`)
    expect(added).toMatchObject({ url: `${at}/lab/health`, intervalSeconds: 300, isPublic: false })
    const changed = await json('nodes', 'change', 'lab', '--every', '10m', '--public')
    expect(changed).toMatchObject({ intervalSeconds: 600, isPublic: true })
    expect(await json('nodes', 'change', 'lab', '--no-public')).toMatchObject({ isPublic: false })
    expect((await run('nodes', 'rm', 'lab')).out).toContain('probed no longer')
    expect((await run('nodes', 'show', 'lab')).status).toBe(3)
  })

  it('depends on others, which stay as long as they are needed', async () => {
    for (const name of ['router', 'power']) {
      const added = await json('nodes', 'add', name, `${at}/${name}`, '--any-answer')
      expect(added).toMatchObject({ anyAnswer: true, dependsOn: [], url: `${at}/${name}` })
    }
    const both = ['--depends-on', 'router', '--depends-on', 'power']
    const lab = await json('nodes', 'add', 'lab', at, ...both)
    expect(lab).toMatchObject({ dependsOn: ['router', 'power'], anyAnswer: false })
    expect((await run('nodes', 'show', 'lab')).out).toContain('  depends on router, power\n')
    const circle = await run('nodes', 'change', 'router', '--depends-on', 'lab')
    expect(circle.status).toBe(1)
    expect(circle.err).toContain('router would depend on itself: router → lab → router')
    const unknown = await run('nodes', 'change', 'lab', '--depends-on', 'nobody')
    expect(unknown.status).toBe(3)
    expect(unknown.err).toContain('there is no node "nobody"')
    const needed = await run('nodes', 'rm', 'power')
    expect(needed.status).toBe(1)
    expect(needed.err).toContain('other nodes depend on power: lab')
    const one = await json('nodes', 'change', 'lab', '--depends-on', 'router')
    expect(one).toMatchObject({ dependsOn: ['router'] })
    expect(await json('nodes', 'change', 'lab', '--no-depends-on')).toMatchObject({ dependsOn: [] })
    for (const name of ['power', 'router', 'lab']) {
      expect((await run('nodes', 'rm', name)).status).toBe(0)
    }
  })
})

describe('what everybody may see', () => {
  const asked = (path: string) => fetch(`${service.url}${path}`)

  it('is the nodes that were shown, and nothing else of them', async () => {
    await json('nodes', 'add', 'secret', `${at}/secret`)
    const page = await (await asked('/status')).text()
    expect(page).toContain('house')
    expect(page).not.toContain('secret')
    expect(page).not.toContain('127.0.0.1')
    const told = await (await asked('/status.json')).json()
    expect(told).toEqual({
      nodes: [
        {
          name: 'house',
          state: 'up',
          since: expect.any(String),
          uptimePercent: expect.any(Number),
        },
      ],
    })
    const badge = await asked('/badge/house.svg')
    expect(badge.headers.get('content-type')).toContain('image/svg+xml')
    expect(await badge.text()).toMatch(/^<svg .*house.*up · [\d.]+ %.*<\/svg>$/s)
    expect((await asked('/badge/secret.svg')).status).toBe(404)
    await run('nodes', 'rm', 'secret')
  })

  it('is nothing while nothing is shown', async () => {
    await run('nodes', 'change', 'house', '--no-public')
    for (const path of ['/status', '/status.json', '/badge/house.svg']) {
      expect((await asked(path)).status).toBe(404)
    }
  })

  it('does not take in the record: that wants the token', async () => {
    for (const path of ['/v1/nodes', '/v1/nodes/house', '/v1/incidents', '/v1/silences']) {
      expect((await asked(path)).status).toBe(401)
    }
  })
})

describe('an outage', () => {
  it('is an incident with its record, which somebody acknowledges', async () => {
    answer = { status: 503, body: '{"status":"failing"}' }
    await expect.poll(async () => (await open()).length, { timeout: 60_000, interval: 500 }).toBe(1)
    const [incident] = await open()
    const id = incident?.id ?? ''
    expect(incident).toMatchObject({ node: 'house', kind: 'down', cause: { kind: 'failing' } })
    expect((await run('incidents', 'show', id)).out).toContain('down: its server says of itself')
    expect((await run('alerts', 'ack', id, '--by', 'Rui')).out).toContain('Rui knows of it')
    expect((await run('incidents')).out).toMatch(/acknowledged/)
    expect((await run('incidents', 'show', 'inc_none')).status).toBe(3)
    const { out, status } = await run('doctor')
    expect(status).toBe(1)
    expect(out).toMatch(/BAD {2}node house: down: its server says/)
  }, 90_000)

  it('is silenced for a while, with an end', async () => {
    const silence = await json('alerts', 'silence', 'house', '--for', '2h', '--why', 'new disk')
    expect(silence).toMatchObject({ node: 'house', kind: 'silence', why: 'new disk' })
    expect((await run('alerts', 'silences')).out).toMatch(/house +silence .*new disk/)
    expect((await run('alerts', 'unsilence', String(silence.id))).status).toBe(0)
    expect((await run('alerts', 'silences')).out).toBe('Nothing is silenced.\n')
    expect((await run('alerts', 'silence', 'house')).err).toContain('either --for or --until')
    expect((await run('alerts', 'silence', 'house', '--for', '60d')).err).toContain('too_long')
    expect((await run('alerts', 'silence', 'nobody', '--for', '1h')).status).toBe(3)
  })
})
