import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { problemOf, rodizioClient, statusOf } from '../../src/api/client.ts'
import { durationSeconds } from '../../src/api/duration.ts'

describe('a duration as people write it', () => {
  it.each([
    ['90', 90],
    ['20s', 20],
    ['15m', 900],
    ['1.5h', 5400],
    ['7d', 604_800],
    [' 2h ', 7200],
    ['0', 0],
    ['', undefined],
    ['h', undefined],
    ['-5m', undefined],
    ['5 m', undefined],
    ['1h30m', undefined],
    ['1,5h', undefined],
    ['5w', undefined],
    ['1e3', undefined],
  ])('%j is %j seconds', (text, seconds) => {
    expect(durationSeconds(text)).toBe(seconds)
  })
})

describe('a refusal of the service', () => {
  it.each(Object.entries(statusOf))('of kind %s comes back as that kind', (kind, status) => {
    const body = JSON.stringify({
      type: 'about:blank',
      title: 'x',
      status,
      code: 'c',
      detail: 'd',
      next: 'n',
    })
    expect(problemOf(status, body)).toMatchObject({ kind, code: 'c', message: 'd', next: 'n' })
  })

  it.each([
    [502, '<html>', 'unavailable'],
    [418, '', 'unavailable'],
    [422, '{"type":"t","title":"t","status":422,"code":"incomplete","detail":"d"}', 'invalid'],
    [500, '{"code":1}', 'unavailable'],
  ])('%i with %j is %s', (status, body, kind) => {
    expect(problemOf(status, body)).toMatchObject({ kind, message: expect.stringMatching(/./) })
  })

  it('to be there at all names the address and the command that starts it', async () => {
    const client = rodizioClient({ url: 'http://127.0.0.1:9', token: 'rz_x' })
    await expect(client.health()).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'service_unreachable',
      message: 'no Rodízio service answers at http://127.0.0.1:9',
      next: expect.stringContaining('rodizio up'),
    })
  })
})

describe('a backup that takes longer than fetch waits for an answer', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('is asked for by a call that has the patience; its refusals are those of every other', async () => {
    const calls: string[] = []
    let status = 201
    const made = {
      name: 'rodizio-1',
      madeAt: '2026-03-10T12:00:00.000Z',
      bytes: 1,
      encrypted: false,
      withAdapters: false,
      version: '0.1.0',
      schema: 25,
      place: 'folder:/b',
      leftOut: [],
    }
    const server = createServer(async (request, response) => {
      const parts = (await Array.fromAsync(request)) as Buffer[]
      const { authorization } = request.headers
      calls.push(`${request.method} ${request.url} ${authorization} ${Buffer.concat(parts)}`)
      const problem = {
        type: 'about:blank',
        title: 'x',
        status,
        code: 'backup_running',
        detail: 'one is made',
        next: 'wait',
      }
      response.writeHead(status).end(JSON.stringify(status === 201 ? made : problem))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      vi.stubGlobal('fetch', () => Promise.reject(new Error('fetch gives up after five minutes')))
      const client = rodizioClient({ url, token: 'rz_1' })
      const wanted = { to: 'folder:/b', withAdapters: false }
      expect(await client.createBackup(wanted)).toEqual(made)
      expect(calls).toEqual([`POST /v1/backups Bearer rz_1 ${JSON.stringify(wanted)}`])
      status = 409
      await expect(client.createBackup(wanted)).rejects.toMatchObject({
        kind: 'conflict',
        code: 'backup_running',
      })
    } finally {
      server.close()
    }
    await expect(
      rodizioClient({ url: 'http://127.0.0.1:1', token: 'rz_1' }).createBackup({}),
    ).rejects.toMatchObject({ code: 'service_unreachable' })
  })
})
