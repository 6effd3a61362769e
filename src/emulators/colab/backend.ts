import type { ServerResponse } from 'node:http'
import { newSecret } from '../../lib/random.ts'
import type { Travel } from '../answer.ts'
import { ServiceError } from '../service-error.ts'
import { deliver } from '../transfer.ts'
import type { Allowance, Refusal } from './allowance.ts'
import { type Accelerator, Accelerators, type ColabSettings } from './options.ts'
import { runtimePath } from './runtime-proxy.ts'
import type { Runtimes } from './runtimes.ts'
import type { Runtime } from './state.ts'

/** Stands before every JSON answer, so that it cannot be loaded as a script. */
const PREFIX = ")]}'\n"
/** How long a runtime's token is said to last. It is the same one all the time. */
const TOKEN_SECONDS = 3600
/** What an accelerator is said to cost in an hour; the real figures float. */
const UNITS_PER_HOUR = 1.2

/** The codes of an answer that gives no machine though it is a 200, as the VS Code extension names them. */
const OUTCOMES: Partial<Record<Refusal, number>> = {
  quota_denied: 1, // QUOTA_DENIED_REQUESTED_VARIANTS
  quota_exceeded: 2, // QUOTA_EXCEEDED_USAGE_TIME
  denylisted: 5,
}
const SUCCESS = 4
const STATUSES: Partial<Record<Refusal, number>> = {
  too_many: 412,
  no_capacity: 503,
  not_entitled: 400,
}

const VARIANTS: Readonly<Record<string, number>> = { DEFAULT: 0, GPU: 1, TPU: 2 }

/** `<uuid with underscores>`, filled up with dots to 44 characters. */
const NOTEBOOK_HASH = /^[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}\.{8}$/

export interface BackendCall {
  readonly method: string
  readonly user: string
  readonly query: URLSearchParams
  /** What `X-Goog-Colab-Token` says. */
  readonly token: string | undefined
}

export interface BackendOptions {
  readonly settings: ColabSettings
  readonly runtimes: Runtimes
  readonly allowance: Allowance
  readonly jupyterPython: string | undefined
  /** This emulator's own address. */
  readonly url: string
}

/** The calls below `/tun/m`: machines asked for, listed and given back, and what they cost. */
export function createBackend(options: BackendOptions) {
  const { settings, runtimes, allowance, jupyterPython, url } = options
  const actionToken = newSecret('xsrf')

  /** What is done to somebody's account is done only with a token that was fetched just before. */
  const checkToken = ({ token }: BackendCall): void => {
    if (token !== actionToken) throw new ServiceError(403, 'X-Goog-Colab-Token is missing or wrong')
  }

  const described = (runtime: Runtime) => ({
    accelerator: runtime.accelerator,
    endpoint: runtime.endpoint,
    variant: runtime.variant,
    machineShape: runtime.highMemory ? 1 : 0,
    runtimeProxyInfo: {
      token: runtime.proxyToken,
      tokenExpiresInSeconds: TOKEN_SECONDS,
      url: `${url}${runtimePath(runtime.endpoint)}`,
    },
  })

  const wishOf = ({ user, query }: BackendCall) => {
    const notebookHash = query.get('nbh') ?? ''
    if (!NOTEBOOK_HASH.test(notebookHash)) throw new ServiceError(400, 'nbh is missing or wrong')
    const named = query.get('accelerator') ?? 'NONE'
    const accelerator = Accelerators.find((one) => one === named)
    const variant = VARIANTS[query.get('variant') ?? 'DEFAULT']
    if (accelerator === undefined || variant === undefined)
      throw new ServiceError(400, 'There is no such variant or accelerator')
    return { user, notebookHash, accelerator, variant, highMemory: query.get('shape') === 'hm' }
  }

  const assign = async (call: BackendCall): Promise<unknown> => {
    const wish = wishOf(call)
    const existing = runtimes.wished(wish)
    if (existing) return described(existing)
    if (call.method === 'GET') return offer(wish.accelerator, call)
    checkToken(call)
    const refusal = allowance.refusalOf(wish.accelerator)
    if (refusal !== null) return refused(refusal, wish.accelerator, wish.variant)
    if (jupyterPython === undefined)
      throw new ServiceError(
        501,
        'This emulator has no Python with jupyter_server, and so no runtimes.',
      )
    const runtime = await runtimes.start(wish, jupyterPython)
    if (!runtime) throw new ServiceError(500, 'The Jupyter server of the runtime did not start')
    const { sessionCapSeconds, idleSeconds } = settings
    const fit = Math.min(sessionCapSeconds, idleSeconds)
    return { ...described(runtime), outcome: SUCCESS, fit, sub: 0, subTier: 0 }
  }

  const offer = (accelerator: Accelerator, { query }: BackendCall) => ({
    acc: accelerator,
    nbh: query.get('nbh'),
    p: false,
    token: actionToken,
    variant: query.get('variant') ?? 'DEFAULT',
  })

  const unassign = (call: BackendCall, endpoint: string): unknown => {
    const runtime = runtimes.ofUser(call.user).find((one) => one.endpoint === endpoint)
    if (!runtime) throw new ServiceError(404, 'There is no such assignment')
    if (call.method === 'GET') return { token: actionToken }
    checkToken(call)
    runtimes.end(runtime, 'unassigned')
    return {}
  }

  const balance = ({ user }: BackendCall) => {
    const held = runtimes.ofUser(user)
    return {
      currentBalance: settings.computeUnits,
      consumptionRateHourly: held.filter(({ variant }) => variant > 0).length * UNITS_PER_HOUR,
      assignmentsCount: held.length,
    }
  }

  return {
    /** Answers a call by its name (see the routes). Throws in the service's envelope. */
    answer: async (name: string, endpoint: string, call: BackendCall): Promise<unknown> => {
      switch (name) {
        case 'GetAssignment':
        case 'PostAssignment':
          return await assign(call)
        case 'ListAssignments':
          return { assignments: runtimes.ofUser(call.user).map(described) }
        case 'GetBalance':
          return balance(call)
        default:
          return unassign(call, endpoint)
      }
    },
  }
}

function refused(refusal: Refusal, accelerator: Accelerator, variant: number): unknown {
  const outcome = OUTCOMES[refusal]
  if (outcome !== undefined) return { accelerator, variant, outcome, sub: 0, subTier: 0 }
  throw new ServiceError(STATUSES[refusal] ?? 500, `No runtime: ${refusal}`)
}

/** Sends an answer in the backend's own form. */
export async function sendPrefixed(
  response: ServerResponse,
  value: unknown,
  travel: Travel,
): Promise<void> {
  const body = Buffer.from(PREFIX + JSON.stringify(value))
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  response.writeHead(200, { ...headers, 'content-length': body.length })
  await deliver(response, [body], travel(body.length))
}
