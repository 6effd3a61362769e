import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { answerCall } from '../admin-calls.ts'
import { journeyOf, sendJson, sendObstacle, sendRefusal } from '../answer.ts'
import { createClaims } from '../claims.ts'
import type { Place } from '../emulator.ts'
import { flatRefusal } from '../flat-refusals.ts'
import { createGround } from '../ground.ts'
import { readEnding, sessionPaths } from '../notebook-process.ts'
import { createPreemptions } from '../preemptions.ts'
import { readJson } from '../request-body.ts'
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

interface ColabPlace extends Pick<Place<StateFile>, 'file' | 'folder' | 'url'> {
  readonly pythonPath: string
  readonly jupyterPython: string | undefined
}

/** Joins the parts and decides which of them answers a request. */
export function createService(options: ColabEmulatorOptions, place: ColabPlace) {
  const { file, folder, url, pythonPath, jupyterPython } = place
  const settings: ColabSettings = { ...defaultSettings, ...options }
  const { clock } = options
  const { bytesPerSecond } = settings
  const ground = createGround(options, file)
  const { now, faults, requests } = ground
  const claims = createClaims(clock, options.claimSeconds)
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

  const openedView = (opened: Opened): OpenedView => {
    const { slug, state, processStartedAt: _, limitSeconds: __, ...rest } = opened
    const dir = file.sessionDir(opened.id)
    const hasRun = opened.endedAt !== null && opened.pid !== null && state !== 'disconnected'
    const exit = hasRun ? (readEnding(dir)?.code ?? null) : null
    return { ...rest, name: slug, state, exit, logPath: sessionPaths(dir).log }
  }

  const admin: ColabAdmin = {
    ...ground.orders,
    reset: () => {
      runtimes.endAll('reset')
      person.endAll('The emulator was reset.')
      faults.clear()
      allowance.clear()
      requests.clear()
      file.clear()
    },
    state: () => ({
      now: iso(now()),
      runtimes: file.state.runtimes.map(runtimeView),
      notebooks: file.state.sessions.map(openedView),
      gpuSeconds: allowance.spentSeconds(),
      refusals: allowance.ordered(),
      faults: faults.list(),
      clientEnvironment,
    }),
    claim: claims.claim,
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

  const isOurName = (host: string | undefined): boolean =>
    ground.isOurName(host, (name) => name === COLAB_HOST)

  const userOf = async (authorization: string | undefined): Promise<string> => {
    const [, token] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    const ask = options.userOf ?? (() => 'somebody')
    const user = token === undefined ? null : await ask(token)
    if (user === null) throw new ServiceError(401, 'Request had invalid authentication credentials')
    return user
  }

  const answerAdmin = async (name: string, request: IncomingMessage, response: ServerResponse) => {
    ground.refuseStranger(request)
    const body = await readJson(request, undefined)
    await sendJson(response, 200, await answerCall(calls, request.method ?? 'GET', name, body))
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
    if (fault && (await sendObstacle(fault, request, response, flatRefusal(response)))) return
    const token = headers['x-goog-colab-token']
    const answered = await backend.answer(route.name, route.endpoint, {
      method,
      user: await userOf(headers.authorization),
      query: address.searchParams,
      token: typeof token === 'string' ? token : undefined,
    })
    if (fault?.kind === 'started_but_cut') request.socket.destroy()
    else await sendPrefixed(response, answered, journeyOf(fault, bytesPerSecond))
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

  const joined = new Set<Duplex>()
  return {
    admin,
    adminToken: ground.adminToken,
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
      claims.stop()
      person.stop()
      await runtimes.stop()
      front.close()
      for (const socket of joined) socket.destroy()
      if (keepSessions) return
      runtimes.endAll('stopped')
      person.endAll('The emulator was stopped.')
    },
    whenAbandoned: claims.whenAbandoned,
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

/** Turns what was thrown into an error envelope. */
function refuse(response: ServerResponse, error: unknown): void {
  const code = error instanceof ServiceError ? error.status : 500
  sendRefusal(response, code, { error: { code, message: messageOf(error) } })
}
