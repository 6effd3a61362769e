import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { expect, it } from 'vitest'
import { type ColabEmulator, startColabEmulator } from '../../src/emulators/colab/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { processStartedAt } from '../../src/lib/processes.ts'
import { admin, assign, assignPath, call, colabIn, freshColab } from './colab-fixture.ts'
import { temporaryFolder, until } from './kaggle-fixture.ts'

const HOUR = 3600

/** Where an emulator keeps its books: beside the certificate that its clients are to trust. */
const folderOf = ({ clientEnvironment }: ColabEmulator): string =>
  dirname(clientEnvironment.REQUESTS_CA_BUNDLE ?? '')

it('gives a machine for a token fetched before, lists it, and takes it back', async () => {
  await using emulator = await freshColab({ computeUnits: 7.5 })
  const offered = await call(emulator, 'GET', assignPath())
  expect(offered.text).toMatch(/^\)\]\}'\n\{/)
  expect(offered.value).toMatchObject({ acc: 'T4', variant: 'GPU', token: expect.any(String) })
  const { value: given } = await assign(emulator)
  expect(given).toMatchObject({ outcome: 4, accelerator: 'T4', variant: 1, machineShape: 0 })
  const listed = await call(emulator, 'GET', '/tun/m/assignments?authuser=0')
  expect(listed.value).toMatchObject({ assignments: [{ endpoint: given.endpoint }] })
  const balance = await call(emulator, 'GET', '/tun/m/ccu-info')
  expect(balance.value).toMatchObject({ currentBalance: 7.5, assignmentsCount: 1 })

  const [runtime] = emulator.admin.state().runtimes
  const path = `/tun/m/unassign/${given.endpoint}`
  const { token } = (await call(emulator, 'GET', path)).value as { token: string }
  expect((await call(emulator, 'POST', path)).status).toBe(403)
  expect((await call(emulator, 'POST', path, { 'x-goog-colab-token': token })).value).toEqual({})
  expect((await call(emulator, 'GET', path)).status).toBe(404)
  expect(emulator.admin.state().runtimes).toMatchObject([{ state: 'ended', reason: 'unassigned' }])
  await until('its death', () => processStartedAt(runtime?.pid ?? 0) === null)
})

it('gives one machine to one notebook, and refuses another GPU beside it', async () => {
  await using emulator = await freshColab()
  const { value: first } = await assign(emulator, 1)
  const again = await call(emulator, 'GET', assignPath(1))
  expect(again.value).toMatchObject({ endpoint: first.endpoint })
  expect((await assign(emulator, 2)).status).toBe(412)
  expect((await assign(emulator, 3, 'NONE')).value).toMatchObject({ variant: 0, outcome: 4 })
})

it.each([
  ['quota_denied', 200, 1],
  ['quota_exceeded', 200, 2],
  ['denylisted', 200, 5],
  ['too_many', 412, undefined],
  ['no_capacity', 503, undefined],
  ['not_entitled', 400, undefined],
] as const)('refuses on demand: %s', async (refusal, status, outcome) => {
  await using emulator = await freshColab()
  expect((await admin(emulator, 'POST', 'refusals', { refusal })).status).toBe(200)
  const refused = await assign(emulator)
  expect(refused.status).toBe(status)
  expect(refused.value?.outcome).toBe(outcome)
  expect(refused.value?.endpoint).toBeUndefined()
  expect(emulator.admin.state().runtimes).toEqual([])
  expect((await assign(emulator)).value.outcome).toBe(4)
})

it('refuses a GPU when the hours of the day are used up, and gives one a day later', async () => {
  await using emulator = await freshColab({ gpuHoursPerDay: 4, idleSeconds: 100 * HOUR })
  const { value: first } = await assign(emulator)
  emulator.admin.advanceClock(4 * HOUR)
  emulator.admin.disconnect(first.endpoint)
  expect((await assign(emulator, 2)).value.outcome).toBe(2)
  emulator.admin.advanceClock(24 * HOUR)
  expect((await assign(emulator, 3)).value.outcome).toBe(4)
})

it.each([
  ['no sign-in', assignPath(), { authorization: '' }, 401, /authentication/],
  ['a name that is none', '/tun/m/assign?nbh=x', {}, 400, /nbh/],
  ['no such accelerator', assignPath().replace('=T4', '=T5'), {}, 400, /accelerator/],
  ['what is not modelled', '/tun/m/keep-alive', {}, 501, /does not model GET \/tun\/m\/keep/],
] as const)('answers %s with a sentence', async (_why, path, headers, status, sentence) => {
  await using emulator = await freshColab()
  const answer = await call(emulator, 'GET', path, headers)
  expect(answer.status).toBe(status)
  expect(answer.text).toMatch(sentence)
})

it('says that it has no runtimes when it has no Jupyter', async () => {
  using folder = temporaryFolder()
  const options = { stateDir: folder.path, runnerPath: '/nowhere', clock: systemClock }
  await using emulator = await startColabEmulator(options)
  const refused = await assign(emulator)
  expect(refused.status).toBe(501)
  expect(refused.text).toMatch(/no Python with jupyter_server/)
})

it('knows whose token it is when it is told', async () => {
  const userOf = (token: string) => (token.startsWith('ya29.') ? token.slice(5) : null)
  await using emulator = await freshColab({ userOf })
  const { value: given } = await assign(emulator)
  const asAna = { authorization: 'Bearer ya29.ana' }
  const path = `/tun/m/unassign/${given.endpoint}`
  expect((await call(emulator, 'GET', path, asAna)).status).toBe(404)
  expect((await call(emulator, 'GET', '/tun/m/assignments', asAna)).value).toEqual({
    assignments: [],
  })
  const asNobody = { authorization: 'Bearer nobody' }
  expect((await call(emulator, 'GET', '/tun/m/assignments', asNobody)).status).toBe(401)
})

it('lets nobody to a runtime without its token, and no client to its Jupyter', async () => {
  await using emulator = await freshColab()
  const { runtimeProxyInfo, endpoint } = (await assign(emulator)).value
  const { url, token } = runtimeProxyInfo
  expect((await fetch(`${url}/api/kernels`)).status).toBe(401)
  const response = await fetch(
    `${url}/api/contents/a?x=1&authuser=0&colab-runtime-proxy-token=${token}`,
    {
      method: 'PUT',
      body: 'olá',
      headers: { origin: 'http://elsewhere', 'x-kept': 'yes' },
    },
  )
  const echoed = (await response.json()) as { headers: Record<string, string> }
  expect(echoed).toMatchObject({ method: 'PUT', path: '/api/contents/a?x=1', body: 'olá' })
  expect(echoed.headers).toMatchObject({ 'x-kept': 'yes' })
  expect(echoed.headers).not.toHaveProperty('origin')
  expect(JSON.stringify(echoed)).not.toContain(token)
  emulator.admin.disconnect(endpoint)
  const headers = { 'x-colab-runtime-proxy-token': token }
  expect((await fetch(`${url}/api/kernels`, { headers })).status).toBe(404)
})

it.runIf(process.platform === 'linux')(
  'ends what a machine started in a session of its own',
  async () => {
    await using emulator = await freshColab()
    const { endpoint } = (await assign(emulator)).value
    const file = join(folderOf(emulator), 'runtimes', '1', 'root', 'content', 'kernel.pid')
    const kernel = Number(readFileSync(file, 'utf8'))
    expect(processStartedAt(kernel)).not.toBeNull()
    emulator.admin.disconnect(endpoint)
    await until('its death', () => processStartedAt(kernel) === null)
  },
)

it('joins a websocket with the runtime, for those with its token alone', async () => {
  await using emulator = await freshColab()
  const { url, token } = (await assign(emulator)).value.runtimeProxyInfo
  const open = (headers: Record<string, string>) =>
    new Promise<string>((resolve, reject) => {
      const asked = request(`${url}/api/kernels/k/channels`, {
        headers: { upgrade: 'websocket', connection: 'upgrade', ...headers },
      })
      asked.once('response', (response) => resolve(String(response.statusCode)))
      asked.once('error', reject)
      asked.once('upgrade', (_response, socket) => {
        socket.once('data', (data) => {
          resolve(data.toString())
          socket.destroy()
        })
        socket.write('olá')
      })
      asked.end()
    })
  expect(await open({})).toBe('401')
  expect(await open({ authorization: `Bearer ${token}` })).toBe('olá')
})

it('takes an idle machine back, never a busy one, and every one after twelve hours', async () => {
  await using emulator = await freshColab({ maxGpuRuntimes: 2 })
  await assign(emulator, 1)
  await assign(emulator, 2)
  const [idle, busy] = emulator.admin.state().runtimes
  writeFileSync(join(folderOf(emulator), 'runtimes', '2', 'root', 'content', 'state'), 'busy')
  emulator.admin.advanceClock(95 * 60)
  const reasonOf = (endpoint: string | undefined) =>
    emulator.admin.state().runtimes.find((one) => one.endpoint === endpoint)?.reason
  await until('the idle one to go', () => reasonOf(idle?.endpoint) === 'idle')
  expect(reasonOf(busy?.endpoint)).toBeNull()
  emulator.admin.advanceClock(11 * HOUR)
  await until('the limit', () => reasonOf(busy?.endpoint) === 'limit')
  await until('its death', () => processStartedAt(busy?.pid ?? 0) === null)
})

it('finds living machines after a restart, and takes dead ones for lost', async () => {
  using folder = temporaryFolder()
  const first = await colabIn(folder.path, { maxGpuRuntimes: 2 })
  const { runtimeProxyInfo, endpoint } = (await assign(first, 1)).value
  await assign(first, 2)
  const [, second] = first.admin.state().runtimes
  await first.close({ keepSessions: true })
  process.kill(-(second?.pid ?? 0), 'SIGKILL')
  await until('its death', () => processStartedAt(second?.pid ?? 0) === null)

  await using next = await colabIn(folder.path)
  expect(next.url).toBe(first.url)
  expect(next.admin.state().runtimes).toMatchObject([
    { endpoint, state: 'running' },
    { state: 'ended', reason: 'lost' },
  ])
  const headers = { 'x-colab-runtime-proxy-token': runtimeProxyInfo.token }
  // A pooled connection to the first emulator may still be thought to be good.
  const ask = () => fetch(`${runtimeProxyInfo.url}/api/kernels`, { headers }).catch(() => null)
  expect((await until('an answer', ask)).status).toBe(200)
  next.reset()
  expect(next.admin.state().runtimes).toEqual([])
})

it('records requests without what would let somebody in, and makes faults on demand', async () => {
  await using emulator = await freshColab()
  const faults = [{ kind: 'status', status: 502, rpc: 'ListAssignments' }]
  await admin(emulator, 'POST', 'faults', faults)
  expect((await call(emulator, 'GET', '/tun/m/assignments')).status).toBe(502)
  expect((await call(emulator, 'GET', '/tun/m/assignments')).status).toBe(200)
  emulator.admin.addFaults({ kind: 'started_but_cut', rpc: 'PostAssignment' })
  await expect(assign(emulator)).rejects.toThrow(/fetch failed/)
  expect(emulator.admin.state().runtimes).toMatchObject([{ state: 'running' }])
  const recorded = JSON.stringify((await admin(emulator, 'GET', 'requests')).body)
  expect(recorded).toContain('PostAssignment')
  expect(recorded).not.toContain('ya29')
  const headers = { 'x-emulator-token': 'wrong' }
  expect((await fetch(`${emulator.url}/_emulator/state`, { headers })).status).toBe(401)
})

it('is reached as Colab itself through a tunnel, and lets no other host be reached', async () => {
  await using emulator = await freshColab()
  const tunnel = async (host: string) => {
    const socket = connect(emulator.port, '127.0.0.1')
    socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nhost: ${host}:443\r\n\r\n`)
    const head = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    return { socket, head: head.toString() }
  }
  const elsewhere = await tunnel('example.org')
  expect(elsewhere.head).toMatch(/^HTTP\/1\.1 403/)
  elsewhere.socket.destroy()

  const host = 'colab.research.google.com'
  const { socket, head } = await tunnel(host)
  expect(head).toMatch(/^HTTP\/1\.1 200/)
  const ca = readFileSync(emulator.clientEnvironment.REQUESTS_CA_BUNDLE ?? '')
  const secure = connectTls({ socket, ca, servername: host })
  const lines = ['GET /tun/m/ccu-info HTTP/1.1', `host: ${host}`, 'authorization: Bearer x', '', '']
  secure.write(lines.join('\r\n'))
  const answer = await new Promise<string>((resolve) => {
    secure.once('data', (data) => resolve(data.toString()))
  })
  expect(answer).toMatch(/^HTTP\/1\.1 200[\s\S]*"currentBalance":0/)
  secure.destroy()
})

it('ends itself and its machines when nobody claims it', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const emulator = await freshColab({ claimSeconds: 1.5, onAbandoned: resolve })
  await assign(emulator)
  const [runtime] = emulator.admin.state().runtimes
  await promise
  await until('the death of its machine', () => processStartedAt(runtime?.pid ?? 0) === null)
  await emulator[Symbol.asyncDispose]()
})
