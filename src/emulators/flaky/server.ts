import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { sendRefusal } from '../answer.ts'
import { type Emulator, startEmulator } from '../emulator.ts'
import { createGround } from '../ground.ts'
import { answerOrder, orderOf } from '../order-desk.ts'
import { notModelled, ServiceError } from '../service-error.ts'
import { openStateFile, rememberedByAll } from '../state-file.ts'
import { type FlakyAdmin, flakyCalls } from './admin.ts'
import { answer } from './answers.ts'
import { Behaviour } from './behaviour.ts'
import type { FlakyEmulatorOptions } from './options.ts'
import { openTarget } from './target.ts'

/** `url` is that of the orders. */
export interface FlakyEmulator extends Emulator<FlakyAdmin> {
  /** `http://host:port` of the target. */
  readonly targetUrl: string
  /** `https://name:port`, by the name in its certificate, which is to be resolved to its host. */
  readonly secureUrl: string
}

const State = z.object({
  ...rememberedByAll,
  behaviour: Behaviour,
  httpPort: z.number().nullable(),
  httpsPort: z.number().nullable(),
})

const openState = (folder: string) =>
  openStateFile<z.infer<typeof State>>(folder, State, () => ({
    format: 1,
    port: null,
    clockOffsetSeconds: 0,
    behaviour: { kind: 'well' },
    httpPort: null,
    httpsPort: null,
  }))

/**
 * Starts a target of looks that is well, or has one trouble at a time: over HTTP, over TLS, or below both.
 * Throws `conflict` when another one has the folder or a port.
 */
export async function startFlakyEmulator(options: FlakyEmulatorOptions): Promise<FlakyEmulator> {
  const { host = '127.0.0.1', name = 'flaky.emulated.example', run = 'run_emulated' } = options
  const started = await startEmulator('flaky', options, openState, async ({ file }) => {
    const ground = createGround(options, file)
    let connections = 0
    let bodyBytes = 0
    const target = await openTarget({
      host,
      port: options.targetPort ?? 0,
      name,
      lastPorts: { http: file.state.httpPort, https: file.state.httpsPort },
      behaviour: () => file.state.behaviour,
      onConnection: () => {
        connections += 1
      },
      handle: (request, response) => {
        ground.requests.record('request', request.method ?? '', request.url ?? '', request.headers)
        const sent = (bytes: number) => {
          bodyBytes += bytes
        }
        answer(file.state.behaviour, request, response, { run, sent })
      },
    })
    const { httpPort, httpsPort } = target
    Object.assign(file.state, { httpPort, httpsPort })
    file.save()
    const behave: FlakyAdmin['behave'] = (behaviour) => {
      file.state.behaviour = Behaviour.parse(behaviour)
      file.save()
    }
    const admin: FlakyAdmin = {
      ...ground.orders,
      addFaults: () => {
        throw new ServiceError(400, 'It has behaviours in place of faults: POST behaviour')
      },
      behave,
      trusted: () => target.trusted,
      reset: () => {
        ground.requests.clear()
        connections = 0
        bodyBytes = 0
        file.state.clockOffsetSeconds = 0
        behave({ kind: 'well' })
      },
      state: () => ({
        ...{ now: iso(ground.now()), faults: [], behaviour: file.state.behaviour },
        ...{ connections, bodyBytes },
      }),
      claim: () => options.onClaim?.(),
    }
    const calls = flakyCalls(admin)
    const desk = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      if (!ground.isOurName(request.headers.host)) throw new ServiceError(403, 'Unknown host')
      const order = orderOf(request.url ?? '/')
      if (order === null) throw notModelled(`${request.method} beside /_emulator/`)
      await answerOrder(order, ground, calls, request, response)
    }
    return {
      admin,
      adminToken: ground.adminToken,
      handle: (request: IncomingMessage, response: ServerResponse): void => {
        desk(request, response).catch((error: unknown) => {
          request.resume() // what is still on its way does not hold up the answer
          const status = error instanceof ServiceError ? error.status : 500
          sendRefusal(response, status, { error: messageOf(error) })
        })
      },
      stop: target.close,
      httpPort,
      httpsPort,
    }
  })
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host
  return {
    ...started.emulator,
    targetUrl: `http://${shown}:${started.service.httpPort}`,
    secureUrl: `https://${name}:${started.service.httpsPort}`,
  }
}
