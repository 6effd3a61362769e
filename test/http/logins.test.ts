import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { googleSignIn } from '../../src/control/google-sign-in.ts'
import type { GoogleEmulator } from '../../src/emulators/google/server.ts'
import { loginRoutes } from '../../src/http/logins.ts'
import { signInRows } from '../../src/store/sign-in-rows.ts'
import { CLIENT, freshGoogle } from '../emulators/google-fixture.ts'
import { oauthOf } from '../providers/google/fixture.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase, start } from '../store/fixture.ts'

const clock = settableClock(start)
let google: GoogleEmulator
beforeAll(async () => {
  google = await freshGoogle({ clock })
})
afterAll(() => google[Symbol.asyncDispose]())

/** The routes on a real sign-in, a real database and the emulated Google. */
async function world() {
  const fresh = await freshDatabase()
  const rows = signInRows(fresh.db, Buffer.alloc(32, 7), () => clock.now())
  const login = oauthOf(google, clock)
  const app = loginRoutes({ google: googleSignIn({ clientId: CLIENT, login, rows, clock }) })
  return {
    db: fresh.db,
    ask: async (method: 'GET' | 'POST' | 'DELETE') =>
      (await app.request('/v1/logins/google', { method })).json(),
    /** How many refresh tokens are still good at Google; there is none afterwards. */
    goodTokens: () => google.admin.revoke(),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

describe('a sign-in at Google', () => {
  it('is begun, granted by a person, given back at Google and forgotten', async () => {
    await using service = await world()
    expect(await service.ask('POST')).toMatchObject({ state: 'waiting' })
    google.admin.approve()
    clock.advance(5)
    expect(await service.ask('GET')).toEqual({ state: 'good' })
    expect(await service.ask('DELETE')).toEqual({ state: 'none' })
    expect(service.goodTokens()).toBe(0)
    expect(await service.db.all('select * from google_sign_ins')).toEqual([])
    const [event] = await service.db.all("select * from events where kind = 'google.signed_out'")
    expect(event).toMatchObject({ data: '{"asked":true}' })
    expect(await service.ask('DELETE')).toEqual({ state: 'none' })
  })

  it('that is over at Google already is forgotten as well', async () => {
    await using service = await world()
    await service.ask('POST')
    google.admin.approve()
    clock.advance(5)
    await service.ask('GET')
    expect(service.goodTokens()).toBe(1)
    expect(await service.ask('DELETE')).toEqual({ state: 'none' })
    expect(await service.db.all('select * from google_sign_ins')).toEqual([])
  })

  it('cannot be ended where no client is configured', async () => {
    const app = loginRoutes({ google: undefined })
    app.onError((error, c) => c.json({ error: String(error) }, 400))
    const answer = await app.request('/v1/logins/google', { method: 'DELETE' })
    expect(await answer.json()).toEqual({ error: 'AppError: no Google client is configured' })
  })
})
