import type { IncomingMessage, ServerResponse } from 'node:http'
import { iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { journeyOf, type Refusal, sendObstacle, sendRefusal } from '../answer.ts'
import { createGround } from '../ground.ts'
import { answerOrder, orderOf } from '../order-desk.ts'
import { ServiceError } from '../service-error.ts'
import type { StateFile } from '../state-file.ts'
import { createAccounts } from './account.ts'
import { readLimits, type TunnelAdmin, tunnelCalls } from './admin.ts'
import { type Condition, type EdgeAnswer, edgeAnswer, type TunnelKind } from './conditions.ts'
import { createEndpoints } from './endpoints.ts'
import { forward } from './forward.ts'
import { defaultSettings, type TunnelEmulatorOptions, type TunnelSettings } from './options.ts'
import { createQuickTunnels } from './quick-tunnels.ts'
import { emptyState, type State } from './state.ts'

/** The edges of ngrok and of Cloudflare's quick tunnels, on one port: by host name, or by the first part of the path. */
export function createService(options: TunnelEmulatorOptions, file: StateFile<State>) {
  const settings: TunnelSettings = { ...defaultSettings, ...options }
  const ground = createGround(options, file)
  const { now, faults, requests } = ground
  const accounts = createAccounts(file, settings, now)
  const endpoints = createEndpoints(file, settings)
  const quickTunnels = createQuickTunnels(file, endpoints)

  const admin: TunnelAdmin = {
    ...ground.orders,
    open: endpoints.open,
    condition: endpoints.condition,
    close: endpoints.close,
    cut: ({ name }) => quickTunnels.cut(name),
    limits: (order) => {
      Object.assign(file.state, readLimits(order))
      file.save()
    },
    endpoints: () => file.state.endpoints,
    spentBy: accounts.spentBy,
    reset: () => {
      faults.clear()
      requests.clear()
      accounts.clear()
      quickTunnels.clear()
      file.state = { ...emptyState(), port: file.state.port }
      file.save()
    },
    state: () => ({ now: iso(now()), faults: faults.list(), spent: file.state.spent }),
    claim: () => options.onClaim?.(),
  }
  const calls = tunnelCalls(admin)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/', headers } = request
    const isOurs = ground.isOurName(headers.host)
    const order = isOurs ? orderOf(target) : null
    if (order !== null) return answerOrder(order, ground, calls, request, response)
    if (isOurs && (await quickTunnels.answer(method, target, request, response))) return
    const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
    const found = endpoints.seek(host, target, isOurs)
    requests.record(
      'request',
      method,
      found ? `${found.endpoint.name} ${found.path}` : target,
      headers,
    )
    if (!found) {
      const kind: TunnelKind = host.endsWith('.trycloudflare.com') ? 'cloudflared' : 'ngrok'
      return sendEdge(response, edgeAnswer(kind, 'gone', 0))
    }
    const { endpoint, path } = found
    const say = (condition: Condition) =>
      sendEdge(response, edgeAnswer(endpoint.kind, condition, endpoint.retryAfterSeconds))
    const fault = faults.take('request')
    if (fault && (await sendObstacle(fault, request, response, refuseByFault(response)))) return
    if (endpoint.condition !== 'up') return say(endpoint.condition)
    if (endpoint.kind === 'ngrok') {
      const spent = accounts.take(endpoint.account)
      if (spent) return say(spent)
      if (isBrowser(request)) return say('warning')
    }
    const came = await forward(
      endpoint.upstream,
      path,
      request,
      response,
      journeyOf(fault, undefined),
    )
    if (came === 'passed' || response.headersSent) return
    // Cloudflare tells both alike.
    say(endpoint.kind === 'cloudflared' ? 'server-refused' : came)
  }

  return {
    admin,
    adminToken: ground.adminToken,
    handle: (request: IncomingMessage, response: ServerResponse): void => {
      answer(request, response).catch((error: unknown) => {
        request.resume() // what is still on its way does not hold up the answer
        const status = error instanceof ServiceError ? error.status : 500
        sendRefusal(response, status, { error: messageOf(error) })
      })
    },
  }
}

/** Who sees ngrok's page that warns: what calls itself a browser and does not say that it has read it. */
const isBrowser = ({ headers }: IncomingMessage): boolean =>
  /mozilla/i.test(headers['user-agent'] ?? '') &&
  headers['ngrok-skip-browser-warning'] === undefined

function sendEdge(response: ServerResponse, answer: EdgeAnswer | undefined): void {
  const { status, headers, body } = answer ?? { status: 500, headers: {}, body: '' }
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

/** A trouble that is neither the edge's nor the server's. */
const refuseByFault =
  (response: ServerResponse) =>
  async (fault: Refusal, headers: Readonly<Record<string, string>>): Promise<void> => {
    const status = fault.kind === 'rate_limit' ? 429 : fault.kind === 'status' ? fault.status : 400
    response.writeHead(status, { ...headers, 'content-type': 'text/plain' }).end('')
  }
