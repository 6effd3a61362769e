import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FaultInput } from '../../../src/emulators/faults.ts'
import type { GoogleEmulator } from '../../../src/emulators/google/server.ts'
import { addSeconds, systemClock } from '../../../src/lib/clock.ts'
import { googleOAuth } from '../../../src/providers/google/oauth.ts'
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
  it('shows a code, is asked about in the rhythm of the service and brings a refresh token that works once', async () => {
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
    clock.advance(10)
    const granted = await oauth.pollDeviceLogin(login)
    if (granted.kind !== 'granted') throw new Error(granted.kind)
    expect((await oauth.refresh(granted.refreshToken)).token).not.toBe(granted.access.token)
    expect(await oauth.pollDeviceLogin(login)).toEqual({ kind: 'expired' })
  })

  it('ends as denied, or as expired', async () => {
    const oauth = oauthOf(google, clock)
    const denied = await oauth.startDeviceLogin()
    google.admin.deny()
    clock.advance(5)
    expect(await oauth.pollDeviceLogin(denied)).toEqual({ kind: 'denied' })
    const late = await oauth.startDeviceLogin()
    clock.advance(1800)
    expect(await oauth.pollDeviceLogin(late)).toEqual({ kind: 'expired' })
  })

  it('is refused to a client that Google does not know, with what to check', async () => {
    const oauth = oauthOf(google, clock)
    google.admin.addFaults({ rpc: 'device.code', kind: 'error_text', text: 'invalid_client' })
    expect(await failure(oauth.startDeviceLogin())).toMatchObject({
      code: 'google_client_refused',
      next: expect.stringContaining('TVs and limited input devices'),
    })
  })
})

describe('a sign-in that is given back', () => {
  it('is worth nothing from then on, and may be given back twice', async () => {
    const oauth = oauthOf(google, clock)
    const { refreshToken } = google.admin.grant({ clientId: CLIENT })
    await oauth.revoke(refreshToken)
    await oauth.revoke(refreshToken)
    expect(await failure(oauth.refresh(refreshToken))).toMatchObject({ code: 'google_signed_out' })
  })

  it('stays good while Google does not answer', async () => {
    const oauth = oauthOf(google, clock)
    const { refreshToken } = google.admin.grant({ clientId: CLIENT })
    google.admin.addFaults({ rpc: 'revoke', kind: 'status', status: 503 })
    expect(await failure(oauth.revoke(refreshToken))).toMatchObject({ kind: 'unavailable' })
    expect((await oauth.refresh(refreshToken)).token).toMatch(/./)
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
