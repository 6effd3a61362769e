import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { expect, it } from 'vitest'
import { refreshAfter } from '../../src/emulators/kaggle/quota.ts'
import {
  ask,
  basic,
  FOREVER,
  freshEmulator,
  KEY,
  kernelsCall,
  newest,
  notebook,
  push,
  reaches,
  until,
} from './kaggle-fixture.ts'

const QUOTA = 'kernels.KernelsApiService/GetAcceleratorQuotaStatistics'

/** Sends a request line as it is, the way a client speaks to a proxy. */
const raw = (port: number, path: string, host = 'localhost'): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: basic('ana'), host }
    request({ port, host: '127.0.0.1', method: 'POST', path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .once('error', reject)
      .end('{}')
  })

it('answers under both prefixes, to paths and to whole addresses', async () => {
  await using emulator = await freshEmulator()
  for (const path of [`/api/v1/${QUOTA}`, `/v1/${QUOTA}`, `http://localhost/api/v1/${QUOTA}`])
    expect(await raw(emulator.port, path)).toBe(200)
})

it('answers to its own names alone', async () => {
  await using emulator = await freshEmulator()
  const status = (host: string) => raw(emulator.port, `/v1/${QUOTA}`, host)
  expect(await status(`127.0.0.1:${emulator.port}`)).toBe(200)
  expect(await status('somewhere.example')).toBe(403)
})

it.each([
  ['a key', basic('ana'), 200],
  ['a token', 'Bearer KGAT_0123456789abcdef', 200],
  ['a key that is not 32 hex digits', basic('ana', 'secret'), 401],
  ['a token of another service', 'Bearer hf_0123456789abcdef', 401],
  ['nothing', '', 401],
  ['a scheme of its own', 'Digest abc', 401],
] as const)('takes %s: %s', async (_why, authorization, status) => {
  await using emulator = await freshEmulator()
  const answer = await ask(`${emulator.url}/api/v1/${QUOTA}`, { body: {}, authorization })
  expect(answer.status).toBe(status)
  if (status === 401) expect(answer.body).toMatchObject({ code: 401, message: expect.any(String) })
})

it('lets only the listed users in when there is a list', async () => {
  const users = { ana: { key: KEY, token: 'KGAT_of-ana-and-nobody-else' } }
  await using emulator = await freshEmulator({ users })
  const status = async (authorization: string) =>
    (await ask(`${emulator.url}/api/v1/${QUOTA}`, { body: {}, authorization })).status
  expect(await status(basic('ana'))).toBe(200)
  expect(await status('Bearer KGAT_of-ana-and-nobody-else')).toBe(200)
  expect(await status(basic('bia'))).toBe(401)
  expect(await status(basic('ana', KEY.replace('0', '1')))).toBe(401)
  expect(await status('Bearer KGAT_of-somebody-else')).toBe(401)
})

it('tells whose a token is', async () => {
  await using emulator = await freshEmulator({ users: { ana: { token: 'KGAT_of-ana' } } })
  const introspect = async (token: string) =>
    (await ask(`${emulator.url}/api/v1/security.OAuthService/IntrospectToken`, { body: { token } }))
      .body
  expect(await introspect('KGAT_of-ana')).toMatchObject({ active: true, username: 'ana' })
  expect(await introspect('KGAT_of-bia')).toEqual({ active: false })
})

it.each([
  ['an unknown kernel', 'GetKernelSessionStatus', { userName: 'ana', kernelSlug: 'nowhere' }, 403],
  ['another method', 'ListKernels', {}, 501],
  ['a method that every object has', 'constructor', {}, 501],
  ['a session number, which no call ever told', 'CancelKernelSession', { kernelSessionId: 1 }, 501],
  [
    'an interactive session',
    'SaveKernel',
    { slug: 'ana/interactive', kernelExecutionType: 2 },
    501,
  ],
  ['a short slug', 'SaveKernel', { slug: 'ana/abcd' }, 400],
  ['a title of another slug', 'SaveKernel', { slug: 'ana/my-run', newTitle: 'Your run' }, 409],
  [
    'a text that is no notebook',
    'SaveKernel',
    { slug: 'ana/my-run', text: 'x', kernelType: 'notebook' },
    400,
  ],
  [
    'a cell whose source is a list',
    'SaveKernel',
    {
      slug: 'ana/my-run',
      text: notebook('1').replace('"source":"1"', '"source":["1"]'),
      kernelType: 'notebook',
    },
    500,
  ],
] as const)('refuses %s in the envelope of the service', async (_why, method, body, status) => {
  await using emulator = await freshEmulator()
  const answer = await kernelsCall(emulator, method, body)
  expect([answer.status, answer.body]).toEqual([
    status,
    { code: status, message: expect.stringMatching(/\w+ \w+/) },
  ])
})

it('keeps versions, gives them back and hides them from others', async () => {
  await using emulator = await freshEmulator()
  await push(emulator, 'versions', notebook('1'), { enableGpu: false })
  const second = await push(emulator, 'versions', notebook('2'), {
    newTitle: 'Versions',
    machineShape: 'NvidiaTeslaT4',
  })
  expect(second.body).toMatchObject({ versionNumber: 2 })
  const pull = (kernelSlug: string) =>
    kernelsCall(emulator, 'GetKernel', { userName: 'ana', kernelSlug })
  expect((await pull('versions')).body).toMatchObject({
    metadata: { ref: 'ana/versions', title: 'Versions', machineShape: 'NvidiaTeslaT4' },
    blob: { source: notebook('2'), kernelType: 'notebook', language: 'python', slug: 'versions' },
  })
  expect((await pull('versions/1')).body).toMatchObject({ blob: { source: notebook('1') } })
  const asked = { userName: 'ana', kernelSlug: 'versions' }
  const url = `${emulator.url}/v1/kernels.KernelsApiService/GetKernel`
  const foreign = await ask(url, { body: asked, authorization: basic('bia') })
  expect(foreign.body).toEqual({ code: 403, message: "Permission 'kernels.get' was denied" })
  const pushed = await ask(url.replace('GetKernel', 'SaveKernel'), {
    body: { slug: 'ana/versions', text: notebook('3'), kernelType: 'notebook' },
    authorization: basic('bia'),
  })
  expect(pushed.body).toEqual({ error: 'Notebook not found' })
})

it('answers the older REST addresses of the same calls', async () => {
  await using emulator = await freshEmulator()
  const at = (path: string, method = 'GET', body?: unknown) =>
    ask(`${emulator.url}/api/v1/${path}`, { method, body })
  const fields = {
    slug: 'ana/older',
    text: notebook('1'),
    language: 'python',
    kernelType: 'notebook',
  }
  expect((await at('kernels/push', 'POST', fields)).body).toMatchObject({ versionNumber: 1 })
  await reaches(emulator, 'older', 'COMPLETE')
  const names = 'userName=ana&kernelSlug=older'
  expect((await at(`kernels/status?${names}`)).body).toEqual({ status: 'COMPLETE' })
  expect((await at(`kernels/pull?${names}`)).body).toMatchObject({ blob: { slug: 'older' } })
  expect((await at(`kernels/output?${names}`)).body).toMatchObject({ files: [] })
  expect((await at('kernels/quota')).body).toHaveProperty('gpuQuota')
  expect((await at('kernels/delete/ana/older', 'POST')).status).toBe(200)
  expect((await at(`kernels/status?${names}`)).status).toBe(403)
})

it('lists output page by page, each file readable without signing in, and a log', async () => {
  await using emulator = await freshEmulator()
  const source =
    'import os\nfor n in range(5):\n    open(f"part-{n}.txt", "w").write(str(n))\nos.mkdir("deep")\nopen("deep/er.txt", "w").write("d")\nprint("um")\nprint("dois")'
  await push(emulator, 'outputs', notebook(source))
  await reaches(emulator, 'outputs', 'COMPLETE')
  const names: string[] = []
  let pageToken = ''
  let log = ''
  do {
    const asked = { userName: 'ana', kernelSlug: 'outputs', pageSize: 2, pageToken }
    const { body } = await kernelsCall(emulator, 'ListKernelSessionOutput', asked)
    const page = body as {
      files: { fileName: string; url: string }[]
      nextPageToken: string
      log: string
    }
    for (const { fileName, url } of page.files) {
      names.push(`${fileName}=${await (await fetch(url)).text()}`)
    }
    expect(page.files.length).toBeLessThanOrEqual(2)
    pageToken = page.nextPageToken
    log = page.log
  } while (pageToken !== '')
  expect(names).toEqual(['deep/er.txt=d', ...[0, 1, 2, 3, 4].map((n) => `part-${n}.txt=${n}`)])
  expect(JSON.parse(log)).toEqual([
    { stream_name: 'stdout', time: expect.any(Number), data: 'um\n' },
    { stream_name: 'stdout', time: expect.any(Number), data: 'dois\n' },
  ])
  expect((await fetch(`${emulator.url}/_files/out_guessed`)).status).toBe(404)
})

it('gives back a large file whole', async () => {
  await using emulator = await freshEmulator()
  const source = 'open("large.bin", "wb").write(bytes(range(256)) * 8192)'
  await push(emulator, 'large-file', notebook(source))
  await reaches(emulator, 'large-file', 'COMPLETE')
  const { body } = await kernelsCall(emulator, 'ListKernelSessionOutput', {
    kernelSlug: 'large-file',
  })
  const { files } = body as { files: { url: string }[] }
  const bytes = Buffer.from(await (await fetch(files[0]?.url ?? '')).arrayBuffer())
  expect(bytes.equals(Buffer.alloc(2 ** 21, Buffer.from([...Array(256).keys()])))).toBe(true)
})

it('streams the log of a running session to its end, and answers a finished one with an array', async () => {
  await using emulator = await freshEmulator()
  const source = 'import time\nfor n in range(4):\n    print("line", n)\n    time.sleep(0.1)'
  await push(emulator, 'streamed', notebook(source))
  const url = `${emulator.url}/api/v1/kernels/logs/stream/ana/streamed`
  const live = await fetch(url, { headers: { authorization: basic('ana') } })
  expect(live.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const events = (await live.text()).split('\n\n').filter((event) => event !== '')
  expect(events.at(-1)).toBe('data: END_OF_LOG')
  const lines = events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)).data)
  expect(lines).toEqual([0, 1, 2, 3].map((n) => `line ${n}\n`))
  const finished = await ask(url, { method: 'GET' })
  expect(finished.headers.get('content-type')).toBe('application/json')
  expect(finished.body).toMatchObject(lines.map((data) => ({ data })))
})

it('takes an upload in pieces, tells how far it came, and makes data sets of it', async () => {
  await using emulator = await freshEmulator()
  const service = (name: string, body: Record<string, unknown>) =>
    ask(`${emulator.url}/api/v1/${name}`, { body })
  const started = await service('blobs.BlobApiService/StartBlobUpload', {
    type: 'DATASET',
    name: 'rows.csv',
    contentLength: 10,
  })
  const { token, createUrl } = started.body as { token: string; createUrl: string }
  const put = (body: string, range?: string) =>
    fetch(createUrl, { method: 'PUT', body, headers: range ? { 'content-range': range } : {} })

  const files = [{ token }]
  const fields = { ownerSlug: 'ana', slug: 'some-rows', title: 'Some rows', files }
  expect((await service('datasets.DatasetApiService/CreateDataset', fields)).status).toBe(400)
  expect((await put('', 'bytes */10')).headers.get('range')).toBeNull()
  const half = await put('01234', 'bytes 0-4/10')
  expect([half.status, half.headers.get('range')]).toEqual([308, 'bytes=0-4'])
  expect((await put('789', 'bytes 7-9/10')).headers.get('range')).toBe('bytes=0-4')
  expect((await put('56789', 'bytes 5-9/10')).status).toBe(200)
  expect((await put('', 'bytes */10')).status).toBe(200)

  const created = await service('datasets.DatasetApiService/CreateDataset', fields)
  expect(created.body).toMatchObject({ status: 'Ok', error: '' })
  const again = await service('datasets.DatasetApiService/CreateDataset', fields)
  expect(again.body).toMatchObject({ error: expect.stringMatching(/already in use/) })
  const names = { ownerSlug: 'ana', datasetSlug: 'some-rows' }
  const version = { ...names, body: { versionNotes: 'two', files } }
  await service('datasets.DatasetApiService/CreateDatasetVersion', version)
  const dataset = await service('datasets.DatasetApiService/GetDataset', names)
  expect(dataset.body).toMatchObject({ currentVersionNumber: 2 })
  await until('a data set that is ready', async () => {
    const { body } = await service('datasets.DatasetApiService/GetDatasetStatus', names)
    return JSON.stringify(body) === '{"status":"READY"}'
  })
  const listed = await service('datasets.DatasetApiService/ListDatasetFiles', names)
  expect(listed.body).toMatchObject({ datasetFiles: [{ name: 'rows.csv', totalBytes: 10 }] })

  const source = 'print(open("../input/some-rows/rows.csv").read())'
  const attached = { datasetDataSources: ['ana/some-rows', 'ana/nowhere'] }
  const pushed = await push(emulator, 'reads-rows', notebook(source), attached)
  expect(pushed.body).toMatchObject({ invalidDatasetSources: ['ana/nowhere'] })
  await reaches(emulator, 'reads-rows', 'COMPLETE')
})

it('shows the output of its owner’s other notebooks that ended by themselves', async () => {
  await using emulator = await freshEmulator()
  const writes = 'import os\nos.mkdir("made")\nopen("made/text", "w").write("42")'
  await push(emulator, 'writes-text', notebook(writes))
  await reaches(emulator, 'writes-text', 'COMPLETE')
  await push(emulator, 'writes-and-dies', notebook(`${writes}\nraise ValueError()`))
  await reaches(emulator, 'writes-and-dies', 'ERROR')
  const sources = ['ana/writes-text', 'ana/writes-and-dies', 'bia/writes-text']
  const reads =
    'import os\nprint(open("../input/writes-text/made/text").read(), os.listdir("../input"))'
  const pushed = await push(emulator, 'reads', notebook(reads), { kernelDataSources: sources })
  expect(pushed.body).toMatchObject({ invalidKernelSources: ['bia/writes-text'] })
  const { logPath } = await reaches(emulator, 'reads', 'COMPLETE')
  expect(readFileSync(logPath, 'utf8')).toBe("42 ['writes-text']\n")
})

it('records requests without what would let somebody in', async () => {
  await using emulator = await freshEmulator()
  await kernelsCall(emulator, 'GetAcceleratorQuotaStatistics')
  const token = 'KGAT_0123456789abcdef'
  const body = { token }
  await ask(`${emulator.url}/api/v1/security.OAuthService/IntrospectToken`, { body })
  const recorded = JSON.stringify(emulator.admin.requests())
  expect(emulator.admin.requests()[0]).toMatchObject({
    rpc: 'GetAcceleratorQuotaStatistics',
    headers: { authorization: expect.stringMatching(/^Basic #[0-9a-f]{8}$/) },
  })
  expect(recorded).not.toContain(token)
  expect(recorded).not.toContain(basic('ana').split(' ')[1])
})

it('is slow when asked to be: latency before each answer, a cap on its bytes', async () => {
  await using emulator = await freshEmulator({ latencyMs: 120, bytesPerSecond: 50_000 })
  const started = performance.now()
  await kernelsCall(emulator, 'GetAcceleratorQuotaStatistics')
  expect(performance.now() - started).toBeGreaterThan(115)
  const text = notebook(`x = "${'a'.repeat(20_000)}"`)
  await push(emulator, 'bulky', text, { kernelExecutionType: 'QUICK_SAVE' })
  const before = performance.now()
  await kernelsCall(emulator, 'GetKernel', { kernelSlug: 'bulky' })
  expect(performance.now() - before).toBeGreaterThan(120 + 350)
})

it('does the same for the same seed', async () => {
  const ids = async (seed: number) => {
    await using emulator = await freshEmulator({ seed })
    const { body } = await push(emulator, 'seeded', notebook(FOREVER))
    return [(body as { kernelId: number }).kernelId, newest(emulator, 'seeded')?.version]
  }
  expect(await ids(7)).toEqual(await ids(7))
  expect(await ids(7)).not.toEqual(await ids(8))
  expect(refreshAfter(new Date('2026-11-21T00:00:00Z')).toISOString()).toBe(
    '2026-11-28T00:00:00.000Z',
  )
})
