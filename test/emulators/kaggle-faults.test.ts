import { expect, it } from 'vitest'
import type { FaultInput } from '../../src/emulators/faults.ts'
import type { KaggleEmulator } from '../../src/emulators/kaggle/server.ts'
import {
  ask,
  freshEmulator,
  kernelsCall,
  newest,
  notebook,
  push,
  reaches,
  until,
} from './kaggle-fixture.ts'

const admin = (
  { url, adminToken }: Pick<KaggleEmulator, 'url' | 'adminToken'>,
  method: string,
  name: string,
  body?: unknown,
) =>
  fetch(`${url}/_emulator/${name}`, {
    method,
    headers: { 'x-emulator-token': adminToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const quota = (emulator: KaggleEmulator) => kernelsCall(emulator, 'GetAcceleratorQuotaStatistics')

it.each([
  [
    { kind: 'rate_limit', retryAfterSeconds: 7 },
    { status: 429, body: { code: 429, message: 'TooManyRequests' } },
  ],
  [
    { kind: 'rate_limit', shape: 'nested' },
    { status: 429, body: { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } } },
  ],
  [
    { kind: 'status', status: 500 },
    { status: 500, body: { code: 500 } },
  ],
  [
    { kind: 'status', status: 503, message: 'Later.' },
    { status: 503, body: { message: 'Later.' } },
  ],
  [
    { kind: 'error_text', text: 'Not today.' },
    { status: 200, body: { error: 'Not today.' } },
  ],
  [{ kind: 'expired_token' }, { status: 401, body: { code: 401 } }],
  [{ kind: 'garbage' }, { status: 200, body: '<html>502</html>' }],
] as const satisfies readonly (readonly [FaultInput, object])[])(
  'answers with %o',
  async (fault, answer) => {
    await using emulator = await freshEmulator()
    const wished = { ...fault, rpc: 'GetAcceleratorQuotaStatistics' }
    expect((await admin(emulator, 'POST', 'faults', wished)).status).toBe(200)
    const first = await quota(emulator)
    expect(first).toMatchObject(answer)
    if ('retryAfterSeconds' in fault) expect(first.headers.get('retry-after')).toBe('7')
    expect((await quota(emulator)).body).toHaveProperty('gpuQuota')
  },
)

it('strikes as often as it was told, and only the call that was named', async () => {
  await using emulator = await freshEmulator()
  await admin(emulator, 'POST', 'faults', [
    { kind: 'status', status: 500, times: 2, rpc: 'GetAcceleratorQuotaStatistics' },
  ])
  expect((await kernelsCall(emulator, 'GetKernel', { kernelSlug: 'nowhere' })).status).toBe(403)
  const statuses = [(await quota(emulator)).status, (await quota(emulator)).status]
  expect([...statuses, (await quota(emulator)).status]).toEqual([500, 500, 200])
  emulator.admin.addFaults({ kind: 'hang' })
  await admin(emulator, 'DELETE', 'faults')
  expect((await quota(emulator)).status).toBe(200)
})

it('never answers when it hangs', async () => {
  await using emulator = await freshEmulator()
  emulator.admin.addFaults({ kind: 'hang' })
  const signal = AbortSignal.timeout(300)
  await expect(fetch(`${emulator.url}/api/v1/kernels/quota`, { signal })).rejects.toThrow(/timeout/)
})

it('cuts a body, and drips one', async () => {
  await using emulator = await freshEmulator()
  emulator.admin.addFaults({ kind: 'cut' })
  await expect(quota(emulator)).rejects.toThrow()
  emulator.admin.addFaults({ kind: 'slow', bytesPerSecond: 500 })
  const started = performance.now()
  expect((await quota(emulator)).body).toHaveProperty('gpuQuota')
  expect(performance.now() - started).toBeGreaterThan(500)
})

it('starts a session whose answer is lost', async () => {
  await using emulator = await freshEmulator()
  emulator.admin.addFaults({ kind: 'started_but_cut', rpc: 'SaveKernel' })
  await expect(push(emulator, 'lost-answer', notebook('1'))).rejects.toThrow()
  await reaches(emulator, 'lost-answer', 'COMPLETE')
})

it('breaks an upload on its way, which can then go on', async () => {
  await using emulator = await freshEmulator()
  const body = { type: 'DATASET', name: 'rows.csv', contentLength: 4 }
  const started = await ask(`${emulator.url}/v1/blobs.BlobApiService/StartBlobUpload`, { body })
  const { createUrl } = started.body as { createUrl: string }
  emulator.admin.addFaults({ kind: 'cut', rpc: 'PutBlob', afterBytes: 2 })
  await expect(fetch(createUrl, { method: 'PUT', body: 'abcd' })).rejects.toThrow()
  const headers = { 'content-range': 'bytes */4' }
  const asked = await fetch(createUrl, { method: 'PUT', headers })
  expect([asked.status, asked.headers.get('range')]).toEqual([308, 'bytes=0-1'])
})

it('is moved by its admin address alone', async () => {
  await using emulator = await freshEmulator()
  const state = async () =>
    (await (await admin(emulator, 'GET', 'state')).json()) as { now: string }
  const before = new Date((await state()).now)
  await admin(emulator, 'POST', 'clock', { advanceSeconds: 86_400 })
  expect(new Date((await state()).now).getTime() - before.getTime()).toBeGreaterThan(86_000_000)
  const order = { session: 1, afterLine: 'begin' }
  expect((await admin(emulator, 'POST', 'preempt', order)).status).toBe(200)
  await push(emulator, 'preempted', notebook('import time\nprint("begin")\ntime.sleep(60)'))
  await reaches(emulator, 'preempted', 'ERROR')
  expect((await admin(emulator, 'POST', 'claim')).status).toBe(200)
  const requests = (await (await admin(emulator, 'GET', 'requests')).json()) as { items: object[] }
  expect(requests.items.at(-1)).toMatchObject({ rpc: 'SaveKernel', method: 'POST' })
  await admin(emulator, 'POST', 'reset')
  expect(newest(emulator, 'preempted')).toBeUndefined()
})

it.each([
  ['POST', 'preempt', { session: 1, afterLine: '(' }, 400],
  ['POST', 'faults', { kind: 'earthquake' }, 400],
  ['POST', 'clock', { advanceSeconds: -5 }, 400],
  ['GET', 'nothing', undefined, 404],
] as const)('refuses %s /_emulator/%s %o', async (method, name, body, status) => {
  await using emulator = await freshEmulator()
  expect((await admin(emulator, method, name, body)).status).toBe(status)
})

it('does nothing for whoever lacks the admin token', async () => {
  await using emulator = await freshEmulator()
  const thief = { url: emulator.url, adminToken: 'emu_guessed' }
  expect((await admin(thief, 'POST', 'reset')).status).toBe(401)
})

it('ends itself and its sessions when nobody claims it', async () => {
  let abandoned = false
  await using emulator = await freshEmulator({
    claimSeconds: 0.6,
    onAbandoned: () => {
      abandoned = true
    },
  })
  await push(emulator, 'orphaned', notebook('import time; time.sleep(60)'))
  await reaches(emulator, 'orphaned', 'RUNNING')
  emulator.admin.claim()
  await until('the end', () => abandoned)
  expect(newest(emulator, 'orphaned')?.failureMessage).toBe('The emulator was stopped.')
})
