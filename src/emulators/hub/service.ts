import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { answerCall } from '../admin-calls.ts'
import {
  journeyOf,
  type Refusal,
  sendJson,
  sendObstacle,
  sendRefusal,
  type Travel,
} from '../answer.ts'
import type { Place } from '../emulator.ts'
import type { Fault } from '../faults.ts'
import { createGround } from '../ground.ts'
import { readJson } from '../request-body.ts'
import { notModelled, ServiceError } from '../service-error.ts'
import { receive } from '../transfer.ts'
import { type HubAdmin, hubCalls } from './admin.ts'
import { commitEntry, etagOf, modelInfo, refsOf, sendFile, treeEntry } from './answers.ts'
import { createDoorkeeper } from './doorkeeper.ts'
import { createLimits } from './limits.ts'
import { createModels } from './models.ts'
import { createObjects } from './objects.ts'
import {
  defaultSettings,
  type HubEmulatorOptions,
  type HubSettings,
  type HubUser,
} from './options.ts'
import { fileOf, openRepositories } from './repositories.ts'
import { isWrite, type Route, routeOf, type WriteName } from './routes.ts'
import { createSigned } from './signed.ts'
import type { StateFile } from './state.ts'
import { HubError } from './wire.ts'
import { Cut, createWriting, type Written } from './writing.ts'

/** Joins the parts and decides which of them answers a request. */
export function createService(
  options: HubEmulatorOptions,
  { file, folder, url }: Pick<Place<StateFile>, 'file' | 'folder' | 'url'>,
) {
  const settings: HubSettings = { ...defaultSettings, ...options }
  const ground = createGround(options, file)
  const { now, faults, requests } = ground
  const objects = createObjects(folder)
  const repositories = openRepositories(settings, file, objects)
  const models = createModels({ file, objects, settings, now, url })
  const limits = createLimits(settings, now)
  const doorkeeper = createDoorkeeper(file, settings)
  const port = () => Number(new URL(url).port)
  const signed = createSigned({ file, seconds: settings.signedSeconds, now, port })
  const writing = createWriting({
    models,
    objects,
    repositories,
    doorkeeper,
    signed,
    settings,
    url,
  })

  const admin: HubAdmin = {
    ...ground.orders,
    accept: ({ user, id }) => doorkeeper.accept(user, id),
    revoke: ({ token }) => doorkeeper.revoke(token),
    reset: () => {
      faults.clear()
      requests.clear()
      limits.clear()
      file.clear()
    },
    state: () => ({ now: iso(now()), faults: faults.list() }),
    claim: () => options.onClaim?.(),
  }
  const calls = hubCalls(admin)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/', headers } = request
    if (!ground.isOurName(headers.host)) throw new HubError(403, 'Unknown host')
    const route = routeOf(method, target)
    if (route?.name === 'admin') {
      ground.refuseStranger(request)
      const body = await readJson(request, undefined)
      return sendJson(response, 200, await answerCall(calls, method, route.subject, body))
    }
    requests.record(route?.name ?? '', method, target, headers)
    if (route === null) throw notModelled(`${method} ${target.split('?')[0]}`)
    if (settings.latencyMs > 0) await delay(settings.latencyMs)
    const fault = faults.take(route.name)
    if (fault && (await sendObstacle(fault, request, response, refuseByFault))) return
    if (isWrite(route)) return await change(route, request, response, fault)
    await serve(route, request, response, journeyOf(fault, settings.bytesPerSecond))
  }

  /** Does what changes something; a lost answer changes nothing about that. */
  const change = async (
    route: Route & { readonly name: WriteName },
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> => {
    const { name } = route
    let done: Written
    let limit: Record<string, string> = {}
    if (name === 'lfs-put' || name === 'lfs-complete') {
      const { pathname, searchParams } = new URL(request.url ?? '/', url)
      signed.check(pathname, searchParams)
      if (request.headers.authorization !== undefined)
        throw new HubError(400, 'Only one auth mechanism allowed')
      const cutAfterBytes = fault?.kind === 'cut' ? (fault.afterBytes ?? 0) : undefined
      done = await writing.take(route, request, cutAfterBytes)
    } else {
      const caller = doorkeeper.callerOf(request.headers.authorization)
      limit = limits.count(caller?.name ?? '', 'api')
      done = await writing.perform(name, route, request, caller)
    }
    if (fault?.kind === 'started_but_cut') return void response.destroy()
    const travel = journeyOf(fault, settings.bytesPerSecond)
    await sendJson(response, 200, done.body, travel, { ...limit, ...done.headers })
  }

  const serve = async (
    route: Route,
    request: IncomingMessage,
    response: ServerResponse,
    travel: Travel,
  ): Promise<void> => {
    const asked = { isHead: request.method === 'HEAD', range: request.headers.range }
    const { subject, revision, path } = route
    if (route.name === 'signed') {
      const { pathname } = new URL(request.url ?? '/', url)
      signed.check(pathname, route.query)
      const found = fileOf(repositories.find(subject, revision), path)
      return sendFile(response, found, asked, travel)
    }
    const caller = doorkeeper.callerOf(request.headers.authorization)
    const kind = route.name.startsWith('resolve') ? 'resolvers' : 'api'
    const limit = limits.count(caller?.name ?? '', kind)
    for (const [header, value] of Object.entries(limit)) response.setHeader(header, value)
    if (route.name === 'whoami') {
      if (!caller) throw new HubError(401, 'Invalid username or password.')
      return sendJson(response, 200, whoAmI(caller, iso(now())), travel)
    }
    const made = repositories.made(subject)
    if (made?.isPrivate) doorkeeper.showPrivate(made, caller)
    // Names and sizes of a gated repository's files are for everybody; only the files themselves are not.
    const repository = repositories.find(subject, route.name === 'refs' ? 'main' : revision)
    switch (route.name) {
      case 'info':
        return sendJson(response, 200, modelInfo(repository), travel)
      case 'refs':
        return sendJson(response, 200, refsOf(repository, made), travel)
      case 'commits': {
        const all = made?.commits ?? []
        const to = all.findIndex(({ oid }) => oid === repository.revision)
        return sendJson(
          response,
          200,
          all
            .slice(0, to + 1)
            .toReversed()
            .map(commitEntry),
          travel,
        )
      }
      case 'tree':
        return sendPage(route, repository.files.map(treeEntry), response, travel)
      case 'paths-info': {
        const wanted = new Set(await readPaths(request))
        const found = repository.files.filter(({ name }) => wanted.has(name)).map(treeEntry)
        return sendJson(response, 200, found, travel)
      }
      case 'resolve':
      case 'resolve-cache': {
        doorkeeper.admit(repository, caller)
        const found = fileOf(repository, path)
        const commit = { 'x-repo-commit': repository.revision }
        if (route.name === 'resolve-cache') return sendFile(response, found, asked, travel, commit)
        const large = found.largeOid !== null
        const location = large
          ? signed.address(repository.id, repository.revision, path)
          : `/api/resolve-cache/models/${repository.id}/${repository.revision}/${encodeURI(path)}`
        response
          .writeHead(large ? 302 : 307, {
            location,
            ...commit,
            ...(large
              ? { 'x-linked-size': found.bytes, 'x-linked-etag': etagOf(found) }
              : { etag: etagOf(found) }),
            'content-length': 0,
          })
          .end()
        return
      }
      default:
        throw notModelled(`the call ${route.name}`)
    }
  }

  const sendPage = async (
    { query, subject, revision }: Route,
    entries: readonly object[],
    response: ServerResponse,
    travel: Travel,
  ): Promise<void> => {
    const from = Number(query.get('cursor') ?? 0)
    const to = from + settings.pageFiles
    const next = new URLSearchParams(query)
    next.set('cursor', String(to))
    const link = `<${url}/api/models/${subject}/tree/${revision}?${next}>; rel="next"`
    const headers: Record<string, string> = to < entries.length ? { link } : {}
    await sendJson(response, 200, entries.slice(from, to), travel, headers)
  }

  return {
    admin,
    adminToken: ground.adminToken,
    handle: (request: IncomingMessage, response: ServerResponse): void => {
      answer(request, response).catch((error: unknown) => refuse(request, response, error))
    },
  }
}

async function refuseByFault(
  fault: Refusal,
  headers: Readonly<Record<string, string>>,
): Promise<never> {
  switch (fault.kind) {
    case 'rate_limit':
      throw new HubError(429, 'We had to rate limit you', { headers })
    case 'status':
      throw new HubError(fault.status, fault.message, { headers })
    case 'expired_token':
      throw new HubError(401, 'Invalid credentials in Authorization header')
    case 'error_text':
      throw new HubError(400, fault.text)
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (error instanceof Cut) return void response.destroy()
  request.resume() // what is still on its way does not hold up the answer
  const known =
    error instanceof HubError
      ? error
      : new HubError(error instanceof ServiceError ? error.status : 500, messageOf(error))
  sendRefusal(response, known.status, { error: known.message, ...known.body }, known.headers)
}

const whoAmI = ({ name, role = 'read' }: HubUser, createdAt: string) => ({
  type: 'user',
  id: `id-of-${name}`,
  name,
  fullname: name,
  isPro: false,
  orgs: [],
  auth: { type: 'access_token', accessToken: { displayName: 'rodizio', role, createdAt } },
})

/** The paths of a form or of JSON, as the official clients send them. */
async function readPaths(request: IncomingMessage): Promise<string[]> {
  const text = Buffer.concat(await Array.fromAsync(receive(request, undefined))).toString('utf8')
  if (!request.headers['content-type']?.includes('json')) {
    return new URLSearchParams(text).getAll('paths')
  }
  const body: unknown = JSON.parse(text)
  if (typeof body !== 'object' || body === null || !('paths' in body)) return []
  return Array.isArray(body.paths) ? body.paths.map(String) : [String(body.paths)]
}
