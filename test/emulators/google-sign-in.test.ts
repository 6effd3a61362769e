import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type GoogleEmulator, startGoogleEmulator } from '../../src/emulators/google/server.ts'
import { settableClock } from '../settable-clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { ask, CLIENT, freshGoogle, SECRET } from './google-fixture.ts'

const SCOPE = 'https://www.googleapis.com/auth/drive.file'
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const client = { client_id: CLIENT, client_secret: SECRET }
const wordOf = ({ status, body }: { status: number; body: unknown }) =>
  `${status} ${(body as { error?: string }).error ?? 'granted'}`

const begin = async (google: GoogleEmulator, scope = SCOPE) => {
  const answer = await ask(`${google.url}/device/code`, { form: { client_id: CLIENT, scope } })
  return answer.body as { device_code: string; user_code: string; interval: number }
}
const poll = (google: GoogleEmulator, deviceCode: string, more = {}) =>
  ask(google.tokenUrl, {
    form: { ...client, grant_type: DEVICE_GRANT, device_code: deviceCode, ...more },
  })
const refresh = (google: GoogleEmulator, refreshToken: string, more = {}) =>
  ask(google.tokenUrl, {
    form: { ...client, grant_type: 'refresh_token', refresh_token: refreshToken, ...more },
  })

describe('a device login', () => {
  it('is pending, slowed down, then granted once; its tokens work', async () => {
    const clock = settableClock('2026-11-21T10:00:00Z')
    await using google = await freshGoogle({ clock })
    const login = await begin(google)
    expect(login).toMatchObject({ interval: 5, user_code: expect.stringMatching(/^\w{4}-\w{4}$/) })
    expect(wordOf(await poll(google, login.device_code))).toBe('428 authorization_pending')
    clock.advance(2)
    expect(wordOf(await poll(google, login.device_code))).toBe('403 slow_down')
    clock.advance(6)
    expect(wordOf(await poll(google, login.device_code))).toBe('403 slow_down')
    clock.advance(15)
    expect(wordOf(await poll(google, login.device_code))).toBe('428 authorization_pending')
    expect(google.admin.approve({ userCode: login.user_code })).toBe(1)
    clock.advance(15)
    const granted = await poll(google, login.device_code)
    expect(granted.body).toMatchObject({ scope: SCOPE, token_type: 'Bearer', expires_in: 3599 })
    clock.advance(15)
    expect(wordOf(await poll(google, login.device_code))).toBe('400 invalid_grant')
    const { refresh_token: token } = granted.body as { refresh_token: string }
    expect(wordOf(await refresh(google, token))).toBe('200 granted')
  })

  it('ends when a person says no, after half an hour, or approves itself when so set up', async () => {
    const clock = settableClock('2026-11-21T10:00:00Z')
    await using google = await freshGoogle({ clock, approveAfterSeconds: 60 })
    const denied = await begin(google)
    google.admin.deny({ userCode: denied.user_code })
    expect(wordOf(await poll(google, denied.device_code))).toBe('403 access_denied')
    const login = await begin(google)
    clock.advance(59)
    expect(wordOf(await poll(google, login.device_code))).toBe('428 authorization_pending')
    clock.advance(5)
    expect(wordOf(await poll(google, login.device_code))).toBe('200 granted')
    const late = await begin(google)
    clock.advance(1800)
    expect(wordOf(await poll(google, late.device_code))).toBe('400 expired_token')
  })

  it('is refused for a scope that such devices do not get, and to another client', async () => {
    await using google = await freshGoogle()
    const scope = 'https://www.googleapis.com/auth/drive'
    expect(await begin(google, scope)).toMatchObject({ error: 'invalid_scope' })
    const login = await begin(google)
    google.admin.approve()
    const other = { client_id: 'other', client_secret: 'secret' }
    expect(wordOf(await poll(google, login.device_code, other))).toBe('400 invalid_grant')
  })
})

describe('a refresh token', () => {
  it('is worth nothing to another client, with a wrong secret, or once revoked', async () => {
    await using google = await freshGoogle()
    const { refreshToken } = google.admin.grant({ clientId: CLIENT })
    expect(wordOf(await refresh(google, refreshToken))).toBe('200 granted')
    const other = { client_id: 'other', client_secret: 'its own' }
    expect(wordOf(await refresh(google, refreshToken, other))).toBe('400 invalid_grant')
    const wrong = { client_secret: 'guessed' }
    expect(wordOf(await refresh(google, refreshToken, wrong))).toBe('401 invalid_client')
    expect(wordOf(await refresh(google, 'guessed'))).toBe('400 invalid_grant')
    expect(wordOf(await refresh(google, refreshToken, { grant_type: 'password' }))).toBe(
      '400 unsupported_grant_type',
    )
    expect(google.admin.revoke({ clientId: 'other' })).toBe(0)
    expect(google.admin.revoke()).toBe(1)
    expect(wordOf(await refresh(google, refreshToken))).toBe('400 invalid_grant')
    const again = google.admin.grant({ clientId: CLIENT }).refreshToken
    await ask(`${google.url}/revoke`, { form: { token: again } })
    expect(wordOf(await refresh(google, again))).toBe('400 invalid_grant')
  })

  it('comes from a listed client only, where clients are listed', async () => {
    await using google = await freshGoogle({ clients: { [CLIENT]: SECRET } })
    const { refreshToken } = google.admin.grant({ clientId: CLIENT })
    expect(wordOf(await refresh(google, refreshToken))).toBe('200 granted')
    expect(wordOf(await refresh(google, refreshToken, { client_id: 'toString' }))).toBe(
      '401 invalid_client',
    )
  })

  it('outlives a restart, and is nowhere on disk as it is', async () => {
    using folder = temporaryFolder()
    const options = { stateDir: folder.path, clock: settableClock('2026-11-21T10:00:00Z') }
    const first = await startGoogleEmulator(options)
    const { refreshToken, accessToken } = first.admin.grant({ clientId: CLIENT })
    await refresh(first, refreshToken)
    await first.close()
    const state = readFileSync(join(folder.path, 'google/state.json'), 'utf8')
    for (const secret of [refreshToken, accessToken, SECRET]) expect(state).not.toContain(secret)
    await using second = await startGoogleEmulator(options)
    expect(wordOf(await refresh(second, refreshToken))).toBe('200 granted')
  })
})
