import type { IncomingMessage, ServerResponse } from 'node:http'
import { iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { answerCall } from '../admin-calls.ts'
import { sendJson, sendRefusal } from '../answer.ts'
import { Fault } from '../faults.ts'
import type { createGround } from '../ground.ts'
import { readJson } from '../request-body.ts'
import { notModelled, ServiceError } from '../service-error.ts'
import type { SmtpEmulator } from '../smtp/server.ts'
import type { StateFile } from '../state-file.ts'
import { checkFault, type MailAdmin, mailCalls } from './admin.ts'
import { INBOX_HEADERS, inboxPage, PAGE_MAILS } from './inbox-page.ts'
import { readMail } from './read-mail.ts'
import type { State } from './state.ts'

interface Parts {
  readonly file: StateFile<State>
  readonly ground: ReturnType<typeof createGround>
  readonly smtp: SmtpEmulator
  readonly onClaim: (() => void) | undefined
}

/** The inbox of a mail server and its orders, over HTTP. */
export function createService({ file, ground, smtp, onClaim }: Parts) {
  const { faults, requests, now } = ground
  const admin: MailAdmin = {
    ...ground.orders,
    addFaults: (...added) => {
      const parsed = added.map((fault) => Fault.parse(fault))
      for (const fault of parsed) checkFault(fault)
      for (const fault of parsed) faults.add(fault)
    },
    greylist: (seconds) => smtp.greylist(seconds ?? undefined),
    inbox: () => smtp.mailbox.all().toReversed().map(readMail),
    reset: () => {
      faults.clear()
      requests.clear()
      smtp.mailbox.clear()
      smtp.greylist(undefined)
      file.state.clockOffsetSeconds = 0
      file.save()
    },
    state: () => ({ now: iso(now()), faults: faults.list(), mails: smtp.mailbox.all().length }),
    claim: () => onClaim?.(),
  }
  const calls = mailCalls(admin)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', headers } = request
    if (!ground.isOurName(headers.host)) throw new ServiceError(403, 'Unknown host')
    const url = URL.parse(request.url ?? '/', 'http://localhost')
    const name = /^\/_emulator\/([a-z-]+)$/.exec(url?.pathname ?? '')?.[1]
    if (!url || name === undefined) throw notModelled(`${method} ${url?.pathname ?? ''}`)
    const wantsPage =
      method === 'GET' && name === 'inbox' && (headers.accept ?? '').includes('text/html')
    takeBasic(request)
    if (wantsPage && headers['x-emulator-token'] === undefined) return askForName(response)
    ground.refuseStranger(request)
    if (wantsPage) return sendInbox(url, response)
    const body = await readJson(request, undefined)
    return sendJson(response, 200, await answerCall(calls, method, name, body))
  }

  const sendInbox = (url: URL, response: ServerResponse): void => {
    const before = Number(url.searchParams.get('before') ?? Number.POSITIVE_INFINITY)
    const older = smtp.mailbox
      .all()
      .filter(({ id }) => id < before)
      .toReversed()
    const shown = older.slice(0, PAGE_MAILS)
    const more = older.length > shown.length ? (shown.at(-1)?.id ?? null) : null
    response.writeHead(200, INBOX_HEADERS).end(inboxPage(shown.map(readMail), more))
  }

  return {
    admin,
    adminToken: ground.adminToken,
    handle: (request: IncomingMessage, response: ServerResponse): void => {
      answer(request, response).catch((error: unknown) => {
        request.resume() // what is still on its way does not hold up the answer
        const status = error instanceof ServiceError ? error.status : 500
        // A browser that mistyped is asked again.
        const headers = status === 401 && request.headers.authorization ? CHALLENGE : {}
        sendRefusal(response, status, { error: messageOf(error) }, headers)
      })
    },
    stop: () => smtp.close(),
  }
}

const CHALLENGE = { 'www-authenticate': 'Basic realm="adminToken of emulators.json as password"' }

/** A browser sends no headers of its own, but the password of a person: the token, whatever the name. */
function takeBasic(request: IncomingMessage): void {
  const given = /^Basic ([A-Za-z0-9+/=]+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (given === undefined) return
  const [, ...password] = Buffer.from(given, 'base64').toString('utf8').split(':')
  request.headers['x-emulator-token'] ??= password.join(':')
}

const askForName = (response: ServerResponse): void =>
  void response
    .writeHead(401, { ...CHALLENGE, 'content-type': 'text/plain; charset=utf-8' })
    .end('Any name will do; the password is adminToken in emulators.json of the state folder.\n')
