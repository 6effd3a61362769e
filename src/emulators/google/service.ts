import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { iso } from '../../lib/clock.ts'
import { sha256Hex } from '../../lib/random.ts'
import { answerCall } from '../admin-calls.ts'
import { journeyOf, sendObstacle } from '../answer.ts'
import type { Place } from '../emulator.ts'
import { createGround } from '../ground.ts'
import { type GoogleAdmin, googleCalls } from './admin.ts'
import { readForm, readJson, readObject, refuse, refuseByFault, sendJson } from './answer.ts'
import { flipByte } from './content.ts'
import { createFiles } from './files.ts'
import { createListing } from './listing.ts'
import { createMedia, type Exchange, GOOGLE_HOST } from './media.ts'
import { defaultSettings, type GoogleEmulatorOptions, type GoogleSettings } from './options.ts'
import { type Route, routeOf } from './routes.ts'
import { createSignIn } from './sign-in.ts'
import type { StateFile } from './state.ts'
import { createUploads } from './uploads.ts'
import { type Caller, GoogleError, notFound, notModelled } from './wire.ts'

/** Joins the parts and decides which of them answers a request. */
export function createService(
  options: GoogleEmulatorOptions,
  { file, url }: Pick<Place<StateFile>, 'file' | 'url'>,
) {
  const settings: GoogleSettings = { ...defaultSettings, ...options }
  const ground = createGround(options, file)
  const { now, faults, requests } = ground
  const files = createFiles({ file, settings, now })
  const listing = createListing({ file, settings, files, now })
  const uploads = createUploads({ file, settings, files, now })
  const media = createMedia({ file, settings, files, uploads, url })
  const signIn = createSignIn({ file, settings, now, url: () => url })

  const admin: GoogleAdmin = {
    ...ground.orders,
    grant: signIn.grant,
    approve: ({ userCode, user } = {}) => signIn.decide('granted', userCode, user),
    deny: ({ userCode } = {}) => signIn.decide('denied', userCode),
    revoke: ({ clientId } = {}) => signIn.revokeGrants(clientId),
    expire: (what) => void (what === 'uploads' ? uploads.expire() : signIn.expireAccess()),
    flip: async ({ fileId, at = 0 }) => {
      const content = file.state.files.find(({ id }) => id === fileId)?.content
      if (!content || at >= content.bytes) throw notFound(fileId)
      await flipByte(file, content, at)
    },
    share: ({ fileId, with: reader }) => {
      if (!file.state.files.some(({ id }) => id === fileId)) throw notFound(fileId)
      file.state.shares = [...(file.state.shares ?? []), { fileId, with: reader }]
      file.save()
    },
    quota: ({ limitBytes, otherUsageBytes }) => {
      if (limitBytes !== undefined) file.state.quotaBytes = limitBytes
      if (otherUsageBytes !== undefined) file.state.otherUsageBytes = otherUsageBytes
      file.save()
    },
    reset: () => {
      faults.clear()
      requests.clear()
      file.clear()
    },
    state: () => ({
      now: iso(now()),
      faults: faults.list(),
      files: file.state.files.map((found) => ({
        id: found.id,
        name: found.name,
        owner: found.owner,
        clientId: found.clientId,
        parents: found.parents,
        isTrashed: files.isTrashed(found),
        bytes: found.content?.bytes ?? null,
        sha256: found.content?.sha256 ?? null,
      })),
      uploads: file.state.uploads.map((upload) => ({
        name: String(upload.metadata.name ?? ''),
        clientId: upload.clientId,
        receivedBytes: uploads.receivedBytes(upload),
        totalBytes: upload.totalBytes,
        state:
          upload.doneAs !== null
            ? 'done'
            : new Date(upload.expiresAt) <= now()
              ? 'expired'
              : 'open',
      })),
      devices: signIn.devices().map(({ userCode, clientId, scope, decision }) => ({
        userCode,
        clientId,
        scope,
        decision,
      })),
      quota: {
        limitBytes: files.limit(),
        otherUsageBytes: file.state.otherUsageBytes ?? settings.otherUsageBytes,
      },
    }),
    claim: () => options.onClaim?.(),
  }

  const calls = googleCalls(admin)

  const answerAdmin = async ({ route, request, response }: Exchange): Promise<void> => {
    ground.refuseStranger(request)
    const body = await readJson(request)
    const method = request.method ?? 'GET'
    await sendJson(response, 200, await answerCall(calls, method, route.subject, body))
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/', headers } = request
    if (!ground.isOurName(headers.host, (name) => GOOGLE_HOST.test(name)))
      throw new GoogleError(403, 'forbidden', 'Unknown host')
    const route = routeOf(method, target, headers)
    const quiet = { body: () => undefined }
    const exchange = {
      request,
      response,
      fault: undefined,
      travel: journeyOf(undefined, undefined),
    }
    if (route?.name === 'admin') return answerAdmin({ ...exchange, route, recording: quiet })
    const recording = requests.record(route?.name ?? '', method, target, headers)
    if (route === null) throw notModelled(`${method} ${target.split('?')[0]}`)
    if (settings.latencyMs > 0) await delay(settings.latencyMs)
    const fault = faults.take(route.name)
    if (fault && (await sendObstacle(fault, request, response, refuseByFault))) return
    const travel = journeyOf(fault, settings.bytesPerSecond)
    await serve({ request, response, route, fault, travel, recording })
  }

  const serve = async (exchange: Exchange): Promise<void> => {
    const { name } = exchange.route
    switch (name) {
      case 'token':
      case 'device.code':
      case 'revoke':
        return await serveSignIn(exchange, name)
      case 'device.page':
        exchange.response
          .writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
          .end(
            'Emulated Google: POST /_emulator/approve stands for the person who enters the code.\n',
          )
        return
      case 'upload.chunk':
      case 'upload.status':
        return await media.chunk(exchange)
      case 'upload.cancel':
        uploads.cancel(exchange.route.subject)
        exchange.response.writeHead(499, { 'content-length': 0 }).end() // as the live service has it
        return
    }
    const { authorization, 'x-goog-api-key': key } = exchange.request.headers
    const caller = signIn.callerOf(authorization, key)
    if (name === 'upload.start') return await media.start(exchange, caller)
    if (name === 'upload.simple') return await media.simple(exchange, caller)
    if (name === 'files.download') return await media.download(exchange, caller)
    await serveMetadata(exchange, caller)
  }

  const serveSignIn = async (
    exchange: Exchange,
    name: 'token' | 'device.code' | 'revoke',
  ): Promise<void> => {
    const { request, response, route, fault, travel, recording } = exchange
    const form = await readForm(request, route.query)
    recording.body(withoutSecrets(form))
    const value =
      name === 'token'
        ? signIn.token(form, request.headers.authorization)
        : name === 'revoke'
          ? signIn.revokeToken(form)
          : signIn.deviceCode(form)
    if (fault?.kind === 'started_but_cut') response.destroy()
    else await sendJson(response, 200, value, travel, { 'cache-control': 'no-store' })
  }

  const serveMetadata = async (exchange: Exchange, caller: Caller): Promise<void> => {
    const { request, response, route, fault, travel, recording } = exchange
    const asked = Object.fromEntries(route.query)
    const body = await readObject(request, settings.bytesPerSecond)
    recording.body(body)
    const value = perform(route, asked, body, caller)
    if (fault?.kind === 'started_but_cut') response.destroy()
    else if (value === null) response.writeHead(204).end()
    else await sendJson(response, 200, value, travel)
  }

  const perform = (
    { name, subject }: Route,
    asked: Readonly<Record<string, string | undefined>>,
    body: Record<string, unknown>,
    caller: Caller,
  ): Record<string, unknown> | null => {
    switch (name) {
      case 'about.get':
        return listing.about(asked, caller)
      case 'changes.getStartPageToken':
        return listing.startPageToken()
      case 'changes.list':
        return listing.listChanges(asked, caller)
      case 'files.generateIds':
        return files.generateIds(asked.count)
      case 'files.list':
        return listing.list(asked, caller)
      case 'files.get':
        return files.shown(files.find(subject, caller), caller, asked.fields)
      case 'files.create':
        return files.shown(files.create(body, caller, null), caller, asked.fields)
      case 'files.copy': {
        const made = files.copy(files.find(subject, caller), body, caller)
        return files.shown(made, caller, asked.fields)
      }
      case 'files.update': {
        const found = files.findToChange(subject, caller)
        files.update(found, body, caller, asked)
        return files.shown(found, caller, asked.fields)
      }
      case 'files.delete':
        files.remove(files.findToChange(subject, caller))
        return null
      case 'files.emptyTrash':
        files.emptyTrash(caller)
        return null
      default:
        throw notModelled(`the call ${name}`)
    }
  }

  return {
    admin,
    adminToken: ground.adminToken,
    handle: (request: IncomingMessage, response: ServerResponse): void => {
      answer(request, response).catch((error: unknown) => refuse(request, response, error))
    },
  }
}

const SECRETS = ['client_secret', 'refresh_token', 'device_code', 'assertion', 'token']

/** Of a secret a mark stays, by which two of them can be told apart. */
const withoutSecrets = (form: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(form).map(([name, value]) => [
      name,
      SECRETS.includes(name) ? `#${sha256Hex(value).slice(0, 8)}` : value,
    ]),
  )
