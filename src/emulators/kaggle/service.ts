import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { answerCall } from '../admin-calls.ts'
import { journeyOf, sendJson, sendObstacle, sendRefusal } from '../answer.ts'
import { createClaims } from '../claims.ts'
import type { Place } from '../emulator.ts'
import type { Fault } from '../faults.ts'
import { flatRefusal } from '../flat-refusals.ts'
import { createGround } from '../ground.ts'
import { sessionPaths } from '../notebook-process.ts'
import { createPreemptions } from '../preemptions.ts'
import { readJson, readObject } from '../request-body.ts'
import type { Recording } from '../requests.ts'
import { notModelled, ServiceError } from '../service-error.ts'
import { type KaggleAdmin, kaggleCalls } from './admin.ts'
import { createDoorkeeper } from './auth.ts'
import { createBlobs } from './blobs.ts'
import { createDatasets } from './datasets.ts'
import { createKernels } from './kernels.ts'
import { modelsOf } from './models-of.ts'
import { defaultSettings, type KaggleEmulatorOptions, type KaggleSettings } from './options.ts'
import { createOutput } from './output.ts'
import { outputsOf } from './outputs-of.ts'
import { gpuSeconds } from './quota.ts'
import { nameOf, type Route, routeOf } from './routes.ts'
import { createSessions } from './sessions.ts'
import type { Session, StateFile } from './state.ts'
import { type Call, textField } from './wire.ts'

interface KagglePlace extends Pick<Place<StateFile>, 'file' | 'url'> {
  readonly pythonPath: string
}

/** Joins the parts and decides which of them answers a request. */
export function createService(
  options: KaggleEmulatorOptions,
  { file, url: address, pythonPath }: KagglePlace,
) {
  const settings: KaggleSettings = { ...defaultSettings, ...options }
  const ground = createGround(options, file)
  const { now, faults, requests } = ground
  const claims = createClaims(options.clock, options.claimSeconds)
  const url = (): string => address
  const { bytesPerSecond } = settings
  const preemptions = createPreemptions(file)
  const doorkeeper = createDoorkeeper(settings.users)
  const datasets = createDatasets({ file, settings, now, url })
  const sessions = createSessions({
    file,
    settings,
    now,
    pythonPath,
    pythonFor: options.pythonFor,
    runnerPath: options.runnerPath,
    programs: options.programs,
    preemptions,
    mountsOf: (kernel) => [
      ...datasets.mountsOf(kernel),
      ...outputsOf(kernel, file),
      ...modelsOf(kernel, settings.baseModels),
    ],
  })
  const kernels = createKernels({ file, settings, sessions, now, url })
  const output = createOutput({ file, kernels, sessions, url })
  const blobs = createBlobs({ file, url, bytesPerSecond })

  const view = (session: Session) => ({
    owner: session.owner,
    slug: session.slug,
    version: session.version,
    gpu: session.gpu,
    state: session.state,
    failureMessage: session.failureMessage,
    pid: session.pid,
    queuedAt: session.queuedAt,
    startedAt: session.startedAt,
    endedAt: session.endedAt,
    gpuSeconds: gpuSeconds(session, new Date(0), now()),
    limitSeconds: session.limitSeconds,
    logPath: sessionPaths(file.sessionDir(session.id)).log,
  })

  const admin: KaggleAdmin = {
    ...ground.orders,
    preempt: (order) => preemptions.order(order, now()),
    reset: () => {
      sessions.endAll('The emulator was reset.')
      faults.clear()
      requests.clear()
      file.clear()
    },
    state: () => ({
      now: iso(now()),
      faults: faults.list(),
      sessions: file.state.sessions.map(view),
    }),
    claim: claims.claim,
  }

  const adminCalls = kaggleCalls(admin)

  const calls = new Map<string, (call: Call) => Record<string, unknown>>(
    Object.entries({
      SaveKernel: kernels.save,
      GetKernel: kernels.get,
      DeleteKernel: kernels.remove,
      GetKernelSessionStatus: kernels.status,
      ListKernelSessionOutput: output.list,
      GetAcceleratorQuotaStatistics: kernels.quota,
      StartBlobUpload: blobs.start,
      CreateDataset: datasets.create,
      CreateDatasetVersion: datasets.createVersion,
      GetDatasetStatus: datasets.status,
      GetDataset: datasets.get,
      ListDatasetFiles: datasets.listFiles,
    }),
  )

  const introspect = (fields: Call['fields']): Record<string, unknown> => {
    const username = doorkeeper.userOfToken(textField({ fields }, 'token'))
    if (username === null) return { active: false }
    return { active: true, username, userId: 1, clientId: '', scope: '' }
  }

  const answerAdmin = async (name: string, request: IncomingMessage, response: ServerResponse) => {
    ground.refuseStranger(request)
    const body = await readJson(request, undefined)
    await sendJson(response, 200, await answerCall(adminCalls, request.method ?? 'GET', name, body))
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/' } = request
    if (!ground.isOurName(request.headers.host)) throw new ServiceError(403, 'Unknown host')
    const route = routeOf(method, target)
    if (route?.kind === 'admin') return await answerAdmin(route.name, request, response)
    const name = route === null ? '' : nameOf(route)
    const recording = requests.record(name, method, target, request.headers)
    if (route === null) throw notModelled(`${method} ${target}`)
    if (settings.latencyMs > 0) await delay(settings.latencyMs)
    const fault = faults.take(name)
    if (fault && (await sendObstacle(fault, request, response, flatRefusal(response)))) return
    await serve(route, { request, response, fault, recording })
  }

  const serve = async (
    route: Exclude<Route, { kind: 'admin' }>,
    { request, response, fault, recording }: Exchange,
  ): Promise<void> => {
    const travel = journeyOf(fault, bytesPerSecond)
    if (route.kind === 'blob') {
      const cutAfter = fault?.kind === 'cut' ? (fault.afterBytes ?? 1) : undefined
      return await blobs.put(route.token, request, response, cutAfter)
    }
    if (route.kind === 'output-file') return await output.sendFile(route.key, response, travel(0))

    const body = await readObject(request, bytesPerSecond)
    recording.body(body)
    const fields = { ...route.fields, ...body }
    if (route.kind === 'call' && route.rpc === 'IntrospectToken')
      return await sendJson(response, 200, introspect(fields), travel)
    const call: Call = { user: doorkeeper.userOf(request.headers.authorization), fields }
    if (route.kind === 'logs') return await output.stream(call, response, travel(0))
    const perform = calls.get(route.rpc)
    if (!perform) throw notModelled(`the call ${route.rpc}`)
    const result = perform(call)
    if (fault?.kind === 'started_but_cut') request.socket.destroy()
    else await sendJson(response, 200, result, travel)
  }

  return {
    admin,
    adminToken: ground.adminToken,
    handle: (request: IncomingMessage, response: ServerResponse): void => {
      answer(request, response).catch((error: unknown) => refuse(response, error))
    },
    stop: (keepSessions: boolean): void => {
      claims.stop()
      sessions.stop()
      if (!keepSessions) sessions.endAll('The emulator was stopped.')
    },
    whenAbandoned: claims.whenAbandoned,
  }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly fault: Fault | undefined
  readonly recording: Recording
}

/** Turns what was thrown into the service's error envelope. */
function refuse(response: ServerResponse, error: unknown): void {
  const code = error instanceof ServiceError ? error.status : 500
  sendRefusal(response, code, { code, message: messageOf(error) })
}
