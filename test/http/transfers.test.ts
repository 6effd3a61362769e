import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rangeOf } from '../../src/http/transfers.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { insertAccount } from '../../src/store/account-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { markLaunching, markStarted, planSession } from '../store/by-hand.ts'
import { accountOf, HOUR, plannedOf } from '../store/fixture.ts'
import { jsonl, type RunningService, runningService } from './service.ts'

describe('the range asked for', () => {
  it.each([
    [undefined, 10, undefined],
    ['bytes=0-', 10, { from: 0, to: 10 }],
    ['bytes=3-5', 10, { from: 3, to: 6 }],
    ['bytes=3-99', 10, { from: 3, to: 10 }],
    ['bytes=9-9', 10, { from: 9, to: 10 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=5-3', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-5', 10, undefined],
    ['bytes=0-1,3-4', 10, undefined],
    ['lines=0-1', 10, undefined],
    ['nonsense', 10, undefined],
  ] as const)('%s of %i bytes is %j', (header, bytes, expected) => {
    expect(rangeOf(header, bytes)).toEqual(expected)
  })
})

interface WorkOrder {
  session: { generation: number }
  data: { files: { name: string; url: string; bytes: number; sha256: string }[] }
}

let service: RunningService
let token = ''
let ticket = ''
let order: WorkOrder

/** What a notebook calls, with its session token. */
const post = (path: string, json: unknown, bearer = token) =>
  fetch(`${service.url}/v1/session/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
    body: JSON.stringify(json),
  })

const freshOrder = async () => {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${service.url}/v1/session/work-order`, { headers })
  return (await answer.json()) as WorkOrder
}
const trainOf = (given: WorkOrder) => {
  const found = given.data.files.find(({ name }) => name === 'train.jsonl')
  if (!found) throw new Error('no training data')
  return found
}
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

beforeAll(async () => {
  service = await runningService()
  await service.importRows('piloto', 3)
  await service.call('/v1/runs', { json: { dataset: 'piloto', steps: 5, name: 'one' } })
  // A session as the rotation leaves it once a provider has started it.
  const db = openSqlite(`${service.folder}/rodizio.db`)
  const now = () => new Date()
  const account = accountOf('ana')
  await insertAccount(db, account, now().toISOString())
  const run = await reads(db).run('one')
  if (!run) throw new Error('no run')
  const store = rotationStore(db, now)
  const plan = plannedOf(run, account, now(), HOUR)
  ticket = 'rzt_the-ticket-of-this-notebook'
  await planSession(store, plan)
  await markLaunching(store, plan.id, sha256Hex(ticket))
  await markStarted(store, plan.id, plan.name)
  await db.close()
  const answer = await post('enrol', { ticket, nonce: 'nonce-one', runtime: {} })
  const body = (await answer.json()) as { sessionToken: string; workOrder: WorkOrder }
  token = body.sessionToken
  order = body.workOrder
})
afterAll(() => service[Symbol.asyncDispose]())

describe('a download', () => {
  it('gives the whole file, once', async () => {
    const { url, bytes, sha256 } = trainOf(order)
    const answer = await fetch(url)
    const body = Buffer.from(await answer.arrayBuffer())
    expect([answer.status, body.length, sha256Hex(body)]).toEqual([200, bytes, sha256])
    expect(body.toString()).toBe(jsonl(3))
    // Spent a moment after its last byte has left.
    const statusAgain = async () => {
      const again = await fetch(url)
      await again.arrayBuffer()
      return again.status
    }
    await expect.poll(statusAgain).toBe(410)
    expect(await codeOf(await fetch(url))).toBe('url_spent')
  })

  it('goes on where it broke off', async () => {
    const { url, bytes } = trainOf(await freshOrder())
    const part = await fetch(url, { headers: { range: 'bytes=0-9' } })
    expect(part.status).toBe(206)
    expect(part.headers.get('content-range')).toBe(`bytes 0-9/${bytes}`)
    const first = await part.text()
    const rest = await fetch(url, { headers: { range: 'bytes=10-' } })
    expect(rest.status).toBe(206)
    expect(first + (await rest.text())).toBe(jsonl(3))
  })

  it('beyond the end is not satisfied, and the URL still stands', async () => {
    const { url, bytes } = trainOf(await freshOrder())
    const beyond = await fetch(url, { headers: { range: `bytes=${bytes}-` } })
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${bytes}`])
    expect((await fetch(url)).status).toBe(200)
  })

  it('of an empty file is empty', async () => {
    const found = (await freshOrder()).data.files.find(({ name }) => name === 'validation.jsonl')
    expect(found?.bytes).toBe(0)
    const answer = await fetch(found?.url ?? '')
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  it('needs the right URL: neither another one nor the admin token opens it', async () => {
    const guessed = await service.call('/v1/transfers/rzu_guessed')
    expect([guessed.status, await codeOf(guessed)]).toEqual([404, 'url_unknown'])
  })
})

describe('the session protocol on the wire', () => {
  const weights = Buffer.from('weights')
  const file = { name: 'weights.bin', bytes: weights.length, sha256: sha256Hex(weights) }
  const put = (url: string, body: Uint8Array) =>
    fetch(url, { method: 'PUT', body: new Uint8Array(body) })

  it.each([
    [
      'another process with the same ticket',
      () => post('enrol', { ticket, nonce: 'nonce-two' }),
      409,
      'ticket_used',
    ],
    [
      'a ticket of nobody',
      () => post('enrol', { ticket: 'rzt_of_nobody', nonce: 'nonce-two' }),
      401,
      'ticket_unknown',
    ],
    [
      'a ticket that is none',
      () => post('enrol', { ticket: 1, nonce: 'nonce-two' }),
      400,
      'invalid',
    ],
    ['a token of nobody', () => post('heartbeat', { step: 1 }, 'rzs_nobody'), 401, 'token_unknown'],
    ['no token', () => post('heartbeat', { step: 1 }, ''), 401, 'token_unknown'],
    [
      'the admin token',
      () => post('heartbeat', { step: 1 }, service.adminToken),
      401,
      'token_unknown',
    ],
    ['a step below zero', () => post('heartbeat', { step: -1 }), 400, 'invalid'],
    [
      'a file that leaves its folder',
      () => post('uploads', { kind: 'checkpoint', step: 1, files: [{ ...file, name: '../x' }] }),
      400,
      'invalid',
    ],
    [
      'a file named like the manifest',
      () =>
        post('uploads', {
          kind: 'checkpoint',
          step: 1,
          files: [{ ...file, name: 'manifest.json' }],
        }),
      400,
      'invalid',
    ],
    ['no files', () => post('uploads', { kind: 'checkpoint', step: 1, files: [] }), 400, 'invalid'],
    ['an outcome of its own', () => post('report', { outcome: 'bored', step: 1 }), 400, 'invalid'],
    [
      'finished with nothing committed',
      () => post('report', { outcome: 'finished', step: 5 }),
      422,
      'incomplete',
    ],
  ] as const)('refuses %s', async (_why, ask, status, code) => {
    const answer = await ask()
    expect([answer.status, await codeOf(answer)]).toEqual([status, code])
  })

  it('says where the refused field is', async () => {
    const answer = await post('uploads', {
      kind: 'checkpoint',
      step: 1,
      files: [{ ...file, bytes: -1 }],
    })
    expect(((await answer.json()) as { detail: string }).detail).toContain('files.0.bytes')
  })

  it('takes a file by its URL: wrong bytes 422, right ones 201, again 410', async () => {
    const opened = (await (
      await post('uploads', { kind: 'checkpoint', step: 1, files: [file] })
    ).json()) as { files: { url: string }[] }
    const url = opened.files[0]?.url ?? ''
    const wrong = await put(url, Buffer.from('WEIGHTS'))
    expect([wrong.status, await codeOf(wrong)]).toEqual([422, 'hash_mismatch'])
    expect((await put(url, weights)).status).toBe(201)
    const again = await put(url, weights)
    expect([again.status, await codeOf(again)]).toEqual([410, 'url_spent'])
  })

  it('fences off what comes after the end of the session: 409, and the heartbeat says so', async () => {
    const { url } = trainOf(await freshOrder())
    const opened = (await (
      await post('uploads', { kind: 'checkpoint', step: 2, files: [file] })
    ).json()) as { uploadId: string; files: { url: string }[] }
    expect(await (await post('heartbeat', { step: 2 })).json()).toMatchObject({ order: 'continue' })
    expect(await (await post('report', { outcome: 'limit', step: 2 })).json()).toEqual({ ok: true })
    expect(await (await post('report', { outcome: 'limit', step: 2 })).json()).toEqual({ ok: true })

    expect(await (await post('heartbeat', { step: 3 })).json()).toMatchObject({ order: 'fenced' })
    const calls = [
      () => post('uploads', { kind: 'checkpoint', step: 3, files: [file] }),
      () => post(`uploads/${opened.uploadId}/commit`, { manifest: '{}', sha256: file.sha256 }),
      () => put(opened.files[0]?.url ?? '', weights),
      () => fetch(url),
    ]
    for (const call of calls) {
      const answer = await call()
      expect([answer.status, await codeOf(answer)]).toEqual([409, 'fenced'])
    }
    const enrol = await post('enrol', { ticket, nonce: 'nonce-one' })
    expect([enrol.status, await codeOf(enrol)]).toEqual([409, 'session_ended'])
  })
})
