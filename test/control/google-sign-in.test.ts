import { describe, expect, it } from 'vitest'
import {
  googleSignIn,
  type LoginPoll,
  type LoginProvider,
} from '../../src/control/google-sign-in.ts'
import { addSeconds } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { signInRows } from '../../src/store/sign-in-rows.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase, start } from '../store/fixture.ts'

const key = Buffer.alloc(32, 7)

/** Google with a script: what the next questions are answered. */
async function signInWorld() {
  const fresh = await freshDatabase()
  const clock = settableClock(start)
  const polls: LoginPoll[] = []
  const state = { refreshes: 0, revoked: false }
  const access = () => ({
    token: `ya29.${state.refreshes}`,
    expiresAt: addSeconds(clock.now(), 3600),
  })
  const login: LoginProvider = {
    startDeviceLogin: async () => ({
      deviceCode: 'device-secret',
      userCode: 'ABCD-EFGH',
      verificationUrl: 'https://example.org/device',
      intervalSeconds: 5,
      expiresAt: addSeconds(clock.now(), 900),
    }),
    pollDeviceLogin: async () => polls.shift() ?? { kind: 'pending' },
    refresh: async () => {
      state.refreshes += 1
      if (state.revoked) {
        throw new AppError('unauthorized', 'over', { code: 'google_signed_out' })
      }
      return access()
    },
  }
  const rows = signInRows(fresh.db, key, () => clock.now())
  const granted = (): LoginPoll => ({
    kind: 'granted',
    refreshToken: '1//planted',
    access: access(),
  })
  return {
    db: fresh.db,
    clock,
    polls,
    state,
    granted,
    signIn: googleSignIn({ clientId: 'client', login, rows, clock }),
    async signOutEvents() {
      return (await fresh.db.all("select * from events where kind = 'google.signed_out'")).length
    },
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

describe('the sign-in at Google', () => {
  it('shows a person what to do and asks no oftener than it may', async () => {
    await using world = await signInWorld()
    expect(await world.signIn.status()).toEqual({ state: 'none' })
    const waiting = {
      state: 'waiting',
      userCode: 'ABCD-EFGH',
      verificationUrl: 'https://example.org/device',
    }
    expect(await world.signIn.begin()).toEqual(waiting)
    world.polls.push(world.granted())
    expect(await world.signIn.status()).toEqual(waiting)
    world.clock.advance(5)
    expect(await world.signIn.status()).toEqual({ state: 'good' })
  })

  it.each(['denied', 'expired'] as const)('says that it was %s', async (kind) => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push({ kind })
    world.clock.advance(5)
    expect(await world.signIn.status()).toEqual({ state: kind })
  })

  it('waits longer when it is told to slow down', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push({ kind: 'slow-down', intervalSeconds: 10 }, world.granted())
    world.clock.advance(5)
    await world.signIn.status()
    world.clock.advance(9)
    expect((await world.signIn.status()).state).toBe('waiting')
    world.clock.advance(1)
    expect((await world.signIn.status()).state).toBe('good')
  })

  it('keeps the refresh token sealed', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push(world.granted())
    world.clock.advance(5)
    await world.signIn.status()
    const rows = JSON.stringify(await world.db.all('select * from google_sign_ins'))
    expect(rows).not.toContain('planted')
  })

  it('renews an access token before it is over, once for all who ask', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push(world.granted())
    world.clock.advance(5)
    await world.signIn.status()
    await world.signIn.access()
    expect(world.state.refreshes).toBe(0)
    world.clock.advance(3400)
    await Promise.all([world.signIn.access(), world.signIn.access(), world.signIn.access()])
    expect(world.state.refreshes).toBe(1)
  })

  it('tells once that it is over, asks Google no more for a while, and goes on after a new login', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push(world.granted())
    world.clock.advance(5)
    await world.signIn.status()
    world.state.revoked = true
    world.clock.advance(4000)
    for (let ask = 0; ask < 20; ask += 1) {
      await expect(world.signIn.access()).rejects.toMatchObject({ code: 'google_signed_out' })
    }
    expect(world.state.refreshes).toBe(1)
    expect(await world.signOutEvents()).toBe(1)
    expect(await world.signIn.status()).toEqual({ state: 'revoked' })
    world.state.revoked = false
    await world.signIn.begin()
    world.polls.push(world.granted())
    world.clock.advance(5)
    expect(await world.signIn.status()).toEqual({ state: 'good' })
    expect((await world.signIn.access()).token).toMatch(/^ya29/)
  })
})
