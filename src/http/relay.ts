import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { SessionDesk } from '../control/session-desk.ts'
import { AppError } from '../lib/errors.ts'
import { sameSecret, sha256Hex } from '../lib/random.ts'
import { Sha256 } from '../notebooks/adapter.ts'
import type { Relay } from '../serving/relay.ts'
import { relayLimits } from '../serving/relay-limits.ts'
import {
  onlyHeaders,
  passedOn,
  pathForNode,
  type RelayAnswer,
  type RelayRequest,
} from '../serving/relay-request.ts'
import { bearer } from './auth.ts'
import { bodyCap } from './body-cap.ts'
import { openAiProblem } from './openai-problem.ts'

/** What of a serving policy is asked before a caller is let in. */
export interface Served {
  readonly policyId: string
  /** Of the key to its nodes, as it is now. */
  readonly keySha256: string
  /** Whether its nodes are never reached through this service. */
  readonly isElsewhere: boolean
  /** Its sessions that have not ended, by id. */
  readonly live: ReadonlySet<string>
}

export interface RelayPorts {
  readonly relay: Relay
  readonly desk: Pick<SessionDesk, 'live'>
  /** A policy by its name or id; undefined where there is none. */
  readonly servedUnder: (name: string) => Promise<Served | undefined>
  readonly unexpected: (error: unknown) => void
}

const Poll = z.object({
  ready: z.boolean(),
  keySha256: Sha256,
  most: z.int().min(1).max(100).default(relayLimits.most),
  waitSeconds: z.number().min(0).max(60).default(25),
})

type Env = { Bindings: HttpBindings }

/** What sessions call to take callers' requests and to answer them, as docs/relay.md has it. */
export function relayProtocol({ relay, desk }: RelayPorts): Hono<Env> {
  const app = new Hono<Env>()
  const holder = async (c: Context<Env>) => {
    const { session, run } = await desk.live(bearer(c.req.header('authorization')))
    if (session.serves) return { session, run }
    throw new AppError('invalid', 'this session trains: nobody asks it anything', {
      code: 'not_serving',
    })
  }
  app.use('/v1/relay/take', bodyCap())
  app.post('/v1/relay/take', async (c) => {
    const { session, run } = await holder(c)
    const said = Poll.safeParse(await c.req.json().catch(() => undefined))
    if (!said.success) {
      const [issue] = said.error.issues
      throw new AppError('invalid', `${issue?.path.join('.') || 'the body'}: ${issue?.message}`)
    }
    const { waitSeconds, ...words } = said.data
    const taker = { sessionId: session.id, policyId: run.id, generation: session.generation }
    const signal = leaving(c)
    const requests = await relay.take(taker, { ...words, waitMs: waitSeconds * 1000 }, signal)
    if (requests.length === 0) return c.body(null, 204)
    // Another may have taken its place while it waited: what it was handed is not for it then.
    await holder(c).catch((error: unknown) => {
      relay.giveBack(session.id, requests)
      throw error
    })
    return c.json({ requests: requests.map(onWire) })
  })
  app.post('/v1/relay/answers/:id', async (c) => {
    const { session } = await holder(c)
    const upload = c.env.incoming.iterator({ destroyOnReturn: false })
    try {
      await relay.answer(session.id, c.req.param('id'), upload)
    } catch (error) {
      c.header('connection', 'close') // what is still sent is read by nobody
      throw error
    }
    return c.body(null, 204)
  })
  return app
}

const onWire = ({ body, ...request }: RelayRequest) => ({
  ...request,
  body: body && Buffer.from(body).toString('base64'),
})

/** Where callers ask a policy's node, whichever it is; its bearer key opens it, and no other token does. */
export function relayCallers(ports: RelayPorts): Hono<Env> {
  const app = new Hono<Env>()
  const ask = async (c: Context<Env>, path: string) => {
    try {
      return await passOn(ports, c, path)
    } catch (error) {
      return openAiProblem(c, error, ports.unexpected)
    }
  }
  app.all('/v1/nodes/:name/openai/*', (c) => {
    const path = new URL(c.req.url).pathname
    return ask(c, path.slice(path.indexOf('/openai/') + '/openai'.length))
  })
  app.all('/v1/nodes/:name/health', (c) => ask(c, '/health'))
  return app
}

async function passOn(ports: RelayPorts, c: Context<Env>, path: string): Promise<Response> {
  const { relay } = ports
  const caller = await admitted(ports, c)
  const method = c.req.method
  if (method !== 'GET' && method !== 'POST') {
    throw new AppError('invalid', `${method} is passed on to no node`, {
      code: 'method_not_allowed',
    })
  }
  const forNode = pathForNode(path, new URL(c.req.url).search)
  if (forNode === undefined) {
    throw new AppError('not-found', 'only paths below /v1/ are passed on to a node', {
      code: 'path_unknown',
    })
  }
  relay.admit(caller.policyId, caller.keySha256)
  const body = method === 'POST' ? await bodyOf(c) : null
  const headers = onlyHeaders(passedOn, (name) => c.req.header(name))
  const request = { method, path: forNode, headers, body } as const
  await sendOn(c, await relay.ask(caller, request, leaving(c)))
  return RESPONSE_ALREADY_SENT
}

/** Whose node is asked, by its policy's key as it is now, or as it was when the node was begun. */
async function admitted({ relay, servedUnder }: RelayPorts, c: Context<Env>) {
  const key = bearer(c.req.header('authorization'))
  const served = key === '' ? undefined : await servedUnder(c.req.param('name') ?? '')
  const keySha256 = sha256Hex(key)
  const policyId = served?.policyId ?? ''
  if (served) relay.onlyThese(policyId, served.live)
  const knows =
    served && (sameSecret(served.keySha256, keySha256) || relay.knowsKey(policyId, keySha256))
  if (knows && !served.isElsewhere) return { policyId, keySha256 }
  if (knows) {
    throw new AppError('unavailable', 'the nodes of this policy are not reached here', {
      code: 'no_node',
      next: 'rodizio serve show tells where each of them answers',
      retryAfterSeconds: 60,
    })
  }
  throw new AppError('unauthorized', 'no serving policy of this name has this bearer key', {
    code: 'invalid_api_key',
    next: 'Send the key that rodizio serve add has shown',
  })
}

/** @throws AppError `invalid` (`body_too_large`, `encoding_unknown`, `body_cut`) */
async function bodyOf(c: Context<Env>): Promise<Uint8Array> {
  const tooLarge = () =>
    new AppError('invalid', `the body has more than ${relayLimits.requestBytes} bytes`, {
      code: 'body_too_large',
    })
  if ((c.req.header('content-encoding') ?? 'identity') !== 'identity') {
    throw new AppError('invalid', 'the body is packed, which no node reads', {
      code: 'encoding_unknown',
      next: 'Send it without Content-Encoding',
    })
  }
  if (Number(c.req.header('content-length') ?? 0) > relayLimits.requestBytes) throw tooLarge()
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of c.env.incoming.iterator({ destroyOnReturn: false })) {
      parts.push(part)
      size += part.length
      if (size > relayLimits.requestBytes) throw tooLarge()
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('invalid', 'the body broke off', { code: 'body_cut', cause: error })
  }
  return Buffer.concat(parts)
}

/** Writes an answer as it comes, no faster than its caller takes it; one that breaks off breaks the connection, too. */
async function sendOn(c: Context<Env>, answer: RelayAnswer): Promise<void> {
  const { outgoing } = c.env
  outgoing.writeHead(answer.status, { ...answer.headers, 'x-content-type-options': 'nosniff' })
  outgoing.flushHeaders()
  try {
    for await (const part of answer.body) {
      if (outgoing.destroyed) break
      if (outgoing.write(part)) continue
      await takesMore(outgoing)
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    outgoing.destroy()
  }
  if (!outgoing.destroyed) outgoing.end()
}

/** Resolves when the caller has taken what was written, or has left. */
const takesMore = (outgoing: HttpBindings['outgoing']): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    outgoing.on('drain', done)
    outgoing.on('close', done)
  })

/** Fires when the other side's connection is gone before it has its whole answer. */
function leaving(c: Context<Env>): AbortSignal {
  const gone = new AbortController()
  const { outgoing } = c.env
  const look = () => {
    if (!outgoing.writableFinished) gone.abort()
  }
  if (outgoing.destroyed) look()
  else outgoing.once('close', look)
  return gone.signal
}
