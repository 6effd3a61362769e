import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FaultInput } from '../../../src/emulators/faults.ts'
import type { GoogleEmulator } from '../../../src/emulators/google/server.ts'
import { addSeconds, systemClock } from '../../../src/lib/clock.ts'
import {
  type AccessToken,
  accessTokens,
  googleOAuth,
  readGoogleApp,
} from '../../../src/providers/google/oauth.ts'
import { CLIENT, freshGoogle, SECRET } from '../../emulators/google-fixture.ts'
import { settableClock } from '../../settable-clock.ts'
import { failure, oauthOf } from './fixture.ts'

const START = '2026-11-21T10:00:00Z'
const clock = settableClock(START)
let google: GoogleEmulator
beforeAll(async () => {
  google = await freshGoogle({ clock })
})
afterAll(() => google[Symbol.asyncDispose]())
beforeEach(() => {
  google.reset()
  clock.set(START)
})

describe('a login by device code', () => {
  it('shows a code, waits in the rhythm of the service and brings a refresh token that works', async () => {
    const oauth = oauthOf(google, clock)
    const login = await oauth.startDeviceLogin()
    expect(login).toMatchObject({
      userCode: expect.stringMatching(/^\w{4}-\w{4}$/),
      verificationUrl: `${google.url}/device`,
      intervalSeconds: 5,
      expiresAt: addSeconds(clock.now(), 1800),
    })
    expect(await oauth.pollDeviceLogin(login)).toEqual({ kind: 'pending' })
    expect(await oauth.pollDeviceLogin(login)).toEqual({ kind: 'slow-down', intervalSeconds: 10 })
    google.admin.approve({ userCode: login.userCode })
    const ended = await oauth.waitForLogin({ ...login, intervalSeconds: 10 })
    if (ended.kind !== 'granted') throw new Error(ended.kind)
    expect((await oauth.refresh(ended.refreshToken)).token).not.toBe(ended.access.token)
    await oauth.revoke(ended.refreshToken)
    await oauth.revoke(ended.refreshToken)
    expect(await failure(oauth.refresh(ended.refreshToken))).toMatchObject({
      code: 'google_signed_out',
    })
  })

  it('slows down when told to, and still arrives', async () => {
    const oauth = oauthOf(google, clock)
    const login = await oauth.startDeviceLogin()
    const waiting = oauth.waitForLogin({ ...login, intervalSeconds: 1 })
    google.admin.approve()
    expect((await waiting).kind).toBe('granted')
    const polls = google.admin.requests().filter(({ rpc }) => rpc === 'token').length
    expect(polls).toBeLessThanOrEqual(4)
  })

  it('gets over an outage on the way, and gives up at once on a client that is refused', async () => {
    const oauth = oauthOf(google, clock)
    const login = await oauth.startDeviceLogin()
    google.admin.approve()
    google.admin.addFaults({ rpc: 'token', kind: 'status', status: 503, times: 2 })
    expect((await oauth.waitForLogin(login)).kind).toBe('granted')
    google.admin.addFaults({ rpc: 'token', kind: 'error_text', text: 'invalid_client' })
    const refused = failure(oauth.waitForLogin(await oauth.startDeviceLogin()))
    expect(await refused).toMatchObject({ code: 'google_client_refused' })
  })

  it('ends as denied, as expired, or when nobody wants it any more', async () => {
    const oauth = oauthOf(google, clock)
    const denied = await oauth.startDeviceLogin()
    google.admin.deny()
    expect(await oauth.waitForLogin(denied)).toEqual({ kind: 'denied' })
    expect(await oauth.waitForLogin(await oauth.startDeviceLogin())).toEqual({ kind: 'expired' })
    const left = AbortSignal.abort()
    const login = await oauth.startDeviceLogin()
    const asked = google.admin.requests().length
    expect(await oauth.waitForLogin(login, left)).toEqual({ kind: 'expired' })
    expect(google.admin.requests().length).toBe(asked)
  })
})

describe('a renewal', () => {
  it.each([
    [
      'a revoked sign-in',
      { kind: 'error_text', text: 'invalid_grant' },
      'unauthorized',
      'google_signed_out',
      'rodizio login google',
    ],
    [
      'a wrong client',
      { kind: 'error_text', text: 'invalid_client' },
      'unauthorized',
      'google_client_refused',
      'Google Cloud console',
    ],
    [
      'any other word',
      { kind: 'error_text', text: 'invalid_request' },
      'invalid',
      'google_refused',
      'OAuth client',
    ],
    [
      'too many calls',
      { kind: 'rate_limit', retryAfterSeconds: 7 },
      'unavailable',
      'rate_limited',
      'waits',
    ],
    [
      'a server error',
      { kind: 'status', status: 500 },
      'unavailable',
      'server_error',
      'tried again',
    ],
    ['nonsense', { kind: 'garbage' }, 'unavailable', 'bad_answer', 'tried again'],
    [
      'an answer cut short',
      { kind: 'cut', afterBytes: 20 },
      'unavailable',
      'connection_lost',
      'network',
    ],
    ['no answer', { kind: 'hang' }, 'unavailable', 'timeout', 'network'],
  ] as const)('met by %s fails in our words', async (_what, fault, kind, code, next) => {
    const { refreshToken } = google.admin.grant({ clientId: CLIENT })
    const app = { clientId: CLIENT, clientSecret: SECRET }
    const oauth = googleOAuth({ tokenUrl: google.tokenUrl, timeoutMs: 300, clock, ...app })
    google.admin.addFaults({ rpc: 'token', ...fault } satisfies FaultInput)
    const error = await failure(oauth.refresh(refreshToken))
    expect(error).toMatchObject({ kind, code, next: expect.stringContaining(next) })
    if (fault.kind === 'rate_limit') expect(error).toMatchObject({ retryAfterSeconds: 7 })
    const told = `${error instanceof Error ? [error.message, error.stack, String(error.cause)] : ''}${JSON.stringify(error)}`
    expect(told).not.toContain(refreshToken)
    expect(told).not.toContain(SECRET)
  })

  it('says that nobody is there', async () => {
    const app = { clientId: CLIENT, clientSecret: SECRET }
    const tokenUrl = 'http://127.0.0.1:9/token' // discard: nobody listens
    const oauth = googleOAuth({ tokenUrl, timeoutMs: 2000, clock: systemClock, ...app })
    expect(await failure(oauth.refresh('x'))).toMatchObject({ kind: 'unavailable' })
  })
})

describe('access tokens', () => {
  const counted = () => {
    let calls = 0
    const refresh = async (): Promise<AccessToken> => {
      calls += 1
      return { token: `t${calls}`, expiresAt: addSeconds(clock.now(), 3600) }
    }
    return { refresh, calls: () => calls }
  }

  it('are kept until they are too short for what is asked, and shared by all who ask', async () => {
    const source = counted()
    const tokens = accessTokens({ refresh: source.refresh, clock })
    const [one, two] = await Promise.all([tokens.get(), tokens.get()])
    expect([one.token, two.token]).toEqual(['t1', 't1'])
    clock.advance(600)
    expect((await tokens.get()).token).toBe('t1')
    expect((await tokens.get(3300)).token).toBe('t2')
    tokens.forget()
    expect((await tokens.get()).token).toBe('t3')
    clock.advance(3541)
    expect((await tokens.get()).token).toBe('t4')
    expect(source.calls()).toBe(4)
  })

  it('stand where the caller keeps them', async () => {
    const source = counted()
    let kept: AccessToken | undefined
    const cache = {
      read: () => kept,
      write: (token: AccessToken | undefined) => {
        kept = token
      },
    }
    await accessTokens({ refresh: source.refresh, clock, cache }).get()
    await accessTokens({ refresh: source.refresh, clock, cache }).get()
    expect(kept?.token).toBe('t1')
  })

  it('are asked for anew after a failure', async () => {
    let isDown = true
    const refresh = async (): Promise<AccessToken> => {
      if (isDown) throw new Error('down')
      return { token: 't', expiresAt: addSeconds(clock.now(), 3600) }
    }
    const tokens = accessTokens({ refresh, clock })
    await expect(tokens.get()).rejects.toThrow('down')
    isDown = false
    expect((await tokens.get()).token).toBe('t')
  })
})

describe("an application's file", () => {
  it.each(['installed', 'web'])('is read as the console gives it, under %s', (key) => {
    const text = JSON.stringify({ [key]: { client_id: CLIENT, client_secret: SECRET } })
    expect(readGoogleApp(text)).toEqual({ clientId: CLIENT, clientSecret: SECRET })
  })

  it('is refused as a service account’s key, with the reason and without the key', () => {
    const key = { type: 'service_account', client_email: 'a@b', private_key: '-----BEGIN' }
    expect(() => readGoogleApp(JSON.stringify(key))).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        code: 'google_service_account',
        message: expect.stringContaining('own no storage'),
        next: expect.stringContaining('rodizio login google'),
      }),
    )
  })

  it.each(['', 'nonsense', '{}', '{"installed":{"client_id":""}}'])('is refused as %j', (text) => {
    expect(() => readGoogleApp(text)).toThrow(
      expect.objectContaining({ code: 'google_client_file' }),
    )
  })
})
