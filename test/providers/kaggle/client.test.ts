import { createServer } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FaultInput } from '../../../src/emulators/faults.ts'
import type { KaggleEmulator } from '../../../src/emulators/kaggle/server.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { type KaggleClient, kaggleClient } from '../../../src/providers/kaggle/client.ts'
import type { KaggleKernel } from '../../../src/providers/kaggle/kernel.ts'
import {
  FOREVER,
  freshEmulator,
  KEY,
  newest,
  notebook,
  reaches,
  until,
} from '../../emulators/kaggle-fixture.ts'

let emulator: KaggleEmulator
beforeAll(async () => {
  emulator = await freshEmulator()
})
afterAll(() => emulator[Symbol.asyncDispose]())
beforeEach(() => emulator.reset())

const TOKEN = 'KGAT_0123456789abcdef0123456789abcdef'
const clientOf = (options: Partial<Parameters<typeof kaggleClient>[0]> = {}): KaggleClient =>
  kaggleClient({
    baseUrl: emulator.url,
    credentials: { kind: 'key', username: 'ana', key: KEY },
    timeoutMs: 5_000,
    clock: systemClock,
    ...options,
  })

const kernel = (
  slug: string,
  source: string,
  fields: Partial<KaggleKernel> = {},
): KaggleKernel => ({
  userName: 'ana',
  slug,
  title: slug,
  notebook: notebook(source),
  machineShape: 'NvidiaTeslaT4',
  enableInternet: true,
  isPrivate: true,
  sessionTimeoutSeconds: 60,
  ...fields,
})

/** What was thrown. */
const failure = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  )

describe('a run from push to output', () => {
  it('starts, is followed and leaves its files', async () => {
    await using emulator = await freshEmulator({ queueSeconds: 1 }) // so that it is seen waiting
    const client = clientOf({ baseUrl: emulator.url })
    expect((await client.sessionStatus('ana', 'a-whole-run')).state).toBe('absent')
    const source = 'open("result.txt", "w").write("42")\nprint("olá")\nprint("fim")'
    expect(await client.push(kernel('a-whole-run', source))).toEqual({
      kind: 'started',
      versionNumber: 1,
      url: `${emulator.url}/code/ana/a-whole-run`,
      kernelId: expect.any(Number),
      ignoredSources: [],
    })
    expect((await client.sessionStatus('ana', 'a-whole-run')).state).toBe('queued')
    await reaches(emulator, 'a-whole-run', 'COMPLETE')
    expect(await client.sessionStatus('ana', 'a-whole-run')).toEqual({
      state: 'complete',
      failureMessage: null,
      raw: 'COMPLETE',
    })
    expect(await client.logTail('ana', 'a-whole-run', 1000)).toBe('olá\nfim\n')
    expect(await client.logTail('ana', 'a-whole-run', 4)).toBe('fim\n')
    const [file] = await client.outputFiles('ana', 'a-whole-run')
    expect(file?.name).toBe('result.txt')
    expect(await (await fetch(file?.url ?? '')).text()).toBe('42')
  })

  it('says why one failed', async () => {
    await clientOf().push(kernel('a-failure', 'raise ValueError("no such column")'))
    await reaches(emulator, 'a-failure', 'ERROR')
    expect(await clientOf().sessionStatus('ana', 'a-failure')).toMatchObject({
      state: 'error',
      failureMessage: expect.stringContaining('no such column'),
    })
  })

  it('reads the tail of a log that still grows', async () => {
    await clientOf().push(kernel('growing', FOREVER))
    await reaches(emulator, 'growing', 'RUNNING')
    const tail = () => clientOf().logTail('ana', 'growing', 100)
    expect(await until('a line', tail)).toBe('begin\n')
  })

  it('lists more files than a page holds', async () => {
    const source = 'for n in range(250):\n    open(f"{n:03}.txt", "w").close()'
    await clientOf().push(kernel('many-files', source))
    await reaches(emulator, 'many-files', 'COMPLETE')
    const names = (await clientOf().outputFiles('ana', 'many-files')).map(({ name }) => name)
    expect(names).toHaveLength(250)
    expect(new Set(names).size).toBe(250)
  })

  it('tells which sources Kaggle left out', async () => {
    const sources = { datasetSources: ['ana/nowhere'], modelSources: ['a/b/c/d/1'] }
    expect(await clientOf().push(kernel('sources', '1', sources))).toMatchObject({
      kind: 'started',
      ignoredSources: ['ana/nowhere', 'a/b/c/d/1'],
    })
  })
})

it('reads the quota in seconds', async () => {
  const quota = await clientOf().quota()
  expect(quota).toMatchObject({ usedSeconds: 0, reservedSeconds: 0, allowedSeconds: 108_000 })
  expect(quota.refreshesAt?.getUTCDay()).toBe(6)
})

it('knows who it is, by key and by token', async () => {
  expect(await clientOf().whoAmI()).toBe('ana')
  const credentials = { kind: 'token', token: TOKEN } as const
  expect(await clientOf({ credentials }).whoAmI()).toMatch(/^user[0-9a-f]{8}$/)
  const foreign = { kind: 'token', token: 'hf_foreign' } as const
  expect(await failure(clientOf({ credentials: foreign }).whoAmI())).toMatchObject({
    kind: 'unauthorized',
  })
})

it('never takes a refusal for a start', async () => {
  const client = clientOf()
  await client.push(kernel('slot-one', FOREVER))
  await client.push(kernel('slot-two', FOREVER))
  expect(await client.push(kernel('slot-three', FOREVER))).toEqual({
    kind: 'refused',
    refusal: { reason: 'slot', text: 'Maximum batch GPU session count of 2 reached.' },
  })
  emulator.reset()
  emulator.admin.addFaults({ kind: 'error_text', text: 'Verify your phone.', rpc: 'SaveKernel' })
  expect(await client.push(kernel('unknown-text', '1'))).toMatchObject({
    kind: 'refused',
    refusal: { reason: 'unknown', text: 'Verify your phone.' },
  })
})

const CASES: readonly (readonly [FaultInput, object, object])[] = [
  [
    { kind: 'rate_limit', retryAfterSeconds: 30 },
    { kind: 'unavailable', code: 'rate_limited', retryAfterSeconds: 30 },
    { kind: 'unavailable', code: 'rate_limited', retryAfterSeconds: 30 },
  ],
  [
    { kind: 'rate_limit', shape: 'nested' },
    { code: 'rate_limited', retryAfterSeconds: undefined },
    { code: 'rate_limited', retryAfterSeconds: undefined },
  ],
  [{ kind: 'status', status: 500 }, { code: 'server_error' }, { code: 'answer_lost' }],
  [{ kind: 'status', status: 502 }, { code: 'server_error' }, { code: 'answer_lost' }],
  [
    { kind: 'status', status: 503, retryAfterSeconds: 5 },
    { kind: 'unavailable', code: 'server_error', retryAfterSeconds: 5 },
    { kind: 'unavailable', code: 'server_error', retryAfterSeconds: 5 },
  ],
  [{ kind: 'expired_token' }, { kind: 'unauthorized' }, { kind: 'unauthorized' }],
  [
    { kind: 'status', status: 403, message: 'Not verified.' },
    { kind: 'not-allowed', message: expect.stringContaining('Not verified.') },
    { kind: 'not-allowed' },
  ],
  [{ kind: 'hang' }, { code: 'timeout' }, { code: 'answer_lost' }],
  [{ kind: 'slow', bytesPerSecond: 20 }, { code: 'timeout' }, { code: 'answer_lost' }],
  [{ kind: 'cut' }, { code: 'connection_lost' }, { code: 'answer_lost' }],
  [{ kind: 'started_but_cut' }, { code: 'connection_lost' }, { code: 'answer_lost' }],
  [{ kind: 'garbage' }, { code: 'bad_answer' }, { code: 'answer_lost' }],
]

describe.each(CASES)('under %o', (fault, reading, pushing) => {
  it('a read fails in our words, with a next step', async () => {
    emulator.admin.addFaults(fault)
    const error = await failure(clientOf({ timeoutMs: 400 }).quota())
    expect(error).toMatchObject({ name: 'AppError', next: expect.any(String), ...reading })
  })

  it('a push tells a lost answer from a definite one', async () => {
    emulator.admin.addFaults(fault)
    const error = await failure(clientOf({ timeoutMs: 400 }).push(kernel('pushed', '1')))
    expect(error).toMatchObject({ name: 'AppError', next: expect.any(String), ...pushing })
  })
})

it('says by the status that a push with a lost answer did start', async () => {
  emulator.admin.addFaults({ kind: 'started_but_cut', rpc: 'SaveKernel' })
  await failure(clientOf().push(kernel('lost-answer', FOREVER)))
  expect((await clientOf().sessionStatus('ana', 'lost-answer')).state).not.toBe('absent')
  expect(newest(emulator, 'lost-answer')).toBeDefined()
})

it('cannot lose an answer to what was never sent', async () => {
  const gone = await freshEmulator()
  await gone[Symbol.asyncDispose]()
  const client = clientOf({ baseUrl: gone.url })
  expect(await failure(client.push(kernel('unsent', '1')))).toMatchObject({ code: 'unreachable' })
})

it('takes an error code in a 200 for the error it is', async () => {
  emulator.admin.addFaults({ kind: 'garbage', body: '{"code":429,"message":"TooManyRequests"}' })
  expect(await failure(clientOf().push(kernel('coded', '1')))).toMatchObject({
    code: 'rate_limited',
  })
  emulator.admin.addFaults({ kind: 'garbage', body: '{}' })
  expect(await failure(clientOf().push(kernel('empty', '1')))).toMatchObject({
    code: 'answer_lost',
  })
})

it.each([[{ kind: 'key', username: 'ana', key: KEY }], [{ kind: 'token', token: TOKEN }]] as const)(
  'keeps its secret out of every error: %#',
  async (credentials) => {
    const secret = credentials.kind === 'key' ? credentials.key : credentials.token
    const sent = credentials.kind === 'key' ? btoa(`ana:${secret}`) : secret
    const told = `no: ${secret}, ${sent}`
    const faults: FaultInput[] = [
      { kind: 'status', status: 403, message: told },
      { kind: 'garbage', body: told },
      { kind: 'hang' },
      { kind: 'expired_token' },
    ]
    for (const fault of faults) {
      emulator.admin.addFaults(fault)
      const error = await failure(clientOf({ credentials, timeoutMs: 200 }).quota())
      const seen = `${JSON.stringify(error)} ${error instanceof Error ? error.message : ''}`
      expect(seen).not.toContain(secret)
      expect(seen).not.toContain(btoa(`ana:${secret}`))
    }
  },
)

it.each([
  ['https://api.kaggle.com', 'https://api.kaggle.com/v1/kernels.KernelsApiService/SaveKernel'],
  ['https://api.kaggle.com/', 'https://api.kaggle.com/v1/kernels.KernelsApiService/SaveKernel'],
  ['http://127.0.0.1:8', 'http://127.0.0.1:8/api/v1/kernels.KernelsApiService/SaveKernel'],
])('asks %s at %s', async (baseUrl, expected) => {
  const original = globalThis.fetch
  const asked: string[] = []
  globalThis.fetch = async (url) => {
    asked.push(String(url))
    return new Response('{"ref":"/code/ana/x"}')
  }
  try {
    await clientOf({ baseUrl }).push(kernel('addressed', '1'))
  } finally {
    globalThis.fetch = original
  }
  expect(asked).toEqual([expected])
})

it('does not take its credentials along to another address', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(302, { location: emulator.url }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const error = await failure(clientOf({ baseUrl: `http://127.0.0.1:${port}` }).quota())
  server.close()
  expect(error).toMatchObject({ name: 'AppError' })
  expect(emulator.admin.requests()).toEqual([])
})
