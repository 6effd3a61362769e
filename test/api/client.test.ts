import { describe, expect, it } from 'vitest'
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
