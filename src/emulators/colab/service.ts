import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { addSeconds, iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { newSecret, sameSecret } from '../../lib/random.ts'
import { answerCall } from '../admin-calls.ts'
import { sendJson, sendObstacle } from '../answer.ts'
import { createFaults, Fault } from '../faults.ts'
import { readEnding, sessionPaths } from '../notebook-process.ts'
import { createPreemptions } from '../preemptions.ts'
import { readJson } from '../request-body.ts'
import { createRequests } from '../requests.ts'
import { notModelled, ServiceError } from '../service-error.ts'
import { type ColabAdmin, colabCalls, type OpenedView, type RuntimeView } from './admin.ts'
import { createAllowance } from './allowance.ts'
import { createBackend, sendPrefixed } from './backend.ts'
import { COLAB_HOST, createFront } from './front.ts'
import { type ColabEmulatorOptions, type ColabSettings, defaultSettings } from './options.ts'
import { createPerson } from './person.ts'
import { routeOf } from './routes.ts'
import { joinSocket, passOn, runtimeTarget } from './runtime-proxy.ts'
import { createRuntimes } from './runtimes.ts'
import type { Opened, Runtime, StateFile } from './state.ts'

interface Ground {
  readonly file: StateFile
  readonly folder: string
  readonly url: string
  readonly pythonPath: string
  readonly jupyterPython: string | undefined
}

/** Joins the parts and decides which of them answers a request. */
export function createService(options: ColabEmulatorOptions, ground: Ground) {
  const { file, folder, url, pythonPath, jupyterPython } = ground
  const settings: ColabSettings = { ...defaultSettings, ...options }
  const { clock } = options
  const { bytesPerSecond } = settings
  const adminToken = options.adminToken ?? newSecret('emu')
  const now = (): Date => addSeconds(clock.now(), file.state.clockOffsetSeconds)
  const faults = createFaults()
  const requests = createRequests()
  const preemptions = createPreemptions(file)
  const allowance = createAllowance(file, settings, now)
  const runtimes = createRuntimes({ file, settings, clock, now })
  const backend = createBackend({ settings, runtimes, allowance, jupyterPython, url })
  const person = createPerson({
    ...options,
    file,
    settings,
    now,
    pythonPath,
    preemptions,
    allowance,
  })
  let claimedAt = clock.monotonicMs()

  const openedView = (opened: Opened): OpenedView => {
    const { slug, state, processStartedAt: _, limitSeconds: __, ...rest } = opened
    const dir = file.sessionDir(opened.id)
    const hasRun = opened.endedAt !== null && opened.pid !== null && state !== 'disconnected'
    const exit = hasRun ? (readEnding(dir)?.code ?? null) : null
    return { ...rest, name: slug, state, exit, logPath: sessionPaths(dir).log }
  }

  const admin: ColabAdmin = {
    addFaults: (...added) => {
      for (const fault of added) faults.add(Fault.parse(fault))
    },
    clearFaults: faults.clear,
    advanceClock: (seconds) => {
      file.state.clockOffsetSeconds += seconds
      file.save()
    },
    reset: () => {
      runtimes.endAll('reset')
      person.endAll('The emulator was reset.')
      faults.clear()
      allowance.clear()
      requests.clear()
      file.clear()
    },
    requests: requests.list,
    state: () => ({
      now: iso(now()),
      runtimes: file.state.runtimes.map(runtimeView),
      notebooks: file.state.sessions.map(openedView),
      gpuSeconds: allowance.spentSeconds(),
      refusals: allowance.ordered(),
      faults: faults.list(),
      clientEnvironment,
    }),
    claim: () => {
      claimedAt = clock.monotonicMs()
    },
    refuse: (refusal, times = 1) => allowance.order(refusal, times),
    clearRefusals: allowance.clear,
    disconnect: (endpoint) => {
      for (const runtime of runtimes.live())
        if (endpoint === undefined || runtime.endpoint === endpoint)
          runtimes.end(runtime, 'disconnected')
    },
    behave: (...manners) => person.behave(manners),
    giveLink: (link) => person.give(link).id,
    preempt: (order) => preemptions.order(order, now()),
  }
  const calls = colabCalls(admin)

  /** What is sent here runs as us: a web page whose name was bent to this machine must not get in. */
  const isOurName = (host: string | undefined): boolean => {
    const name = (host ?? '').replace(/:\d+$/, '')
    const known = ['localhost', '127.0.0.1', '[::1]', COLAB_HOST, options.host]
    return options.host === '0.0.0.0' || known.includes(name)
  }

  const userOf = async (authorization: string | undefined): Promise<string> => {
    const [, token] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    const ask = options.userOf ?? (() => 'somebody')
    const user = token === undefined ? null : await ask(token)
    if (user === null) throw new ServiceError(401, 'Request had invalid authentication credentials')
    return user
  }

  const answerAdmin = async (name: string, request: IncomingMessage, response: ServerResponse) => {
    const token = request.headers['x-emulator-token']
    if (typeof token !== 'string' || !sameSecret(token, adminToken))
      throw new ServiceError(401, 'x-emulator-token is missing or wrong')
    const body = await readJson(request, undefined)
    await sendJson(response, 200, answerCall(calls, request.method ?? 'GET', name, body))
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/', headers } = request
    if (!isOurName(headers.host)) throw new ServiceError(403, 'Unknown host')
    const inside = runtimeTarget(target)
    if (inside) return passOn(runtimes.at(inside.endpoint), inside.path, request, response)
    const address = URL.parse(target, 'http://localhost')
    const route = address && routeOf(method, address)
    if (route?.kind === 'admin') return await answerAdmin(route.name, request, response)
    requests.record(route?.name ?? '', method, target, headers)
    if (!route || !address) throw notModelled(`${method} ${target}`)
    if (settings.latencyMs > 0) await delay(settings.latencyMs)
    const fault = faults.take(route.name)
    if (fault && (await sendObstacle(fault, request, response))) return
    const token = headers['x-goog-colab-token']
    const answered = await backend.answer(route.name, route.endpoint, {
      method,
      user: await userOf(headers.authorization),
      query: address.searchParams,
      token: typeof token === 'string' ? token : undefined,
    })
    if (fault?.kind === 'started_but_cut') request.socket.destroy()
    else await sendPrefixed(response, answered, fault, bytesPerSecond)
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch((error: unknown) => refuse(response, error))
  }
  const front = createFront(folder, handle)
  const clientEnvironment = {
    HTTPS_PROXY: url,
    NO_PROXY: '127.0.0.1,localhost',
    REQUESTS_CA_BUNDLE: join(folder, 'front.pem'),
  }

  let watch: NodeJS.Timeout | undefined
  const joined = new Set<Duplex>()
  return {
    admin,
    adminToken,
    clientEnvironment,
    handle,
    tunnel: front.tunnel,
    upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const inside = isOurName(request.headers.host) ? runtimeTarget(request.url ?? '') : null
      if (!inside) {
        socket.destroy()
        return
      }
      joined.add(socket)
      socket.once('close', () => joined.delete(socket))
      joinSocket(runtimes.at(inside.endpoint), inside.path, request, socket, head)
    },
    stop: async (keepSessions: boolean): Promise<void> => {
      clearInterval(watch)
      person.stop()
      await runtimes.stop()
      front.close()
      for (const socket of joined) socket.destroy()
      if (keepSessions) return
      runtimes.endAll('stopped')
      person.endAll('The emulator was stopped.')
    },
    whenAbandoned: (leave: () => void): void => {
      const { claimSeconds } = options
      if (claimSeconds === undefined) return
      const look = () => {
        if (clock.monotonicMs() - claimedAt >= claimSeconds * 1000) leave()
      }
      watch = setInterval(look, Math.min(1000, claimSeconds * 100))
    },
  }
}

const runtimeView = (runtime: Runtime): RuntimeView => ({
  endpoint: runtime.endpoint,
  accelerator: runtime.accelerator,
  state: runtime.endedAt === null ? 'running' : 'ended',
  reason: runtime.reason,
  pid: runtime.pid,
  assignedAt: runtime.assignedAt,
  activeAt: runtime.activeAt,
  endedAt: runtime.endedAt,
})

/** Turns what was thrown into an error envelope; a caller that is gone gets nothing. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const status = error instanceof ServiceError ? error.status : 500
  const body = JSON.stringify({ error: { code: status, message: messageOf(error) } })
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(body)
}
