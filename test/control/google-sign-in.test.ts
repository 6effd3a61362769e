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
  const polls: (LoginPoll | Error)[] = []
  const state = { refreshes: 0, revoked: false, unreachable: false, givenBack: [] as string[] }
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
    pollDeviceLogin: async () => {
      const next = polls.shift() ?? { kind: 'pending' }
      if (next instanceof Error) throw next
      return next
    },
    refresh: async () => {
      state.refreshes += 1
      if (state.revoked) {
        throw new AppError('unauthorized', 'over', { code: 'google_signed_out' })
      }
      return access()
    },
    revoke: async (refreshToken) => {
      state.givenBack.push(refreshToken)
      if (state.unreachable) throw new AppError('unavailable', 'no answer')
      state.revoked = true
    },
  }
  const rows = signInRows(fresh.db, key, () => clock.now())
  const granted = (): LoginPoll => ({
    kind: 'granted',
    refreshToken: '1//planted',
    access: access(),
  })
  const signIn = googleSignIn({ clientId: 'client', login, rows, clock })
  return {
    db: fresh.db,
    clock,
    polls,
    state,
    granted,
    rows,
    login,
    signIn,
    /** Signs in, five seconds later. */
    async enter() {
      await signIn.begin()
      polls.push(granted())
      clock.advance(5)
      return signIn.status()
    },
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

  it('is waited for through an outage, more calmly, until its code is too old', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    const down = new AppError('unavailable', 'down')
    world.polls.push(down, world.granted())
    world.clock.advance(5)
    expect((await world.signIn.status()).state).toBe('waiting')
    world.clock.advance(9)
    expect((await world.signIn.status()).state).toBe('waiting')
    world.clock.advance(1)
    expect((await world.signIn.status()).state).toBe('good')
    await world.signIn.begin()
    world.clock.advance(900)
    world.polls.push(down)
    expect((await world.signIn.status()).state).toBe('expired')
  })

  it('is not waited for any longer when Google refuses the client', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push(new AppError('unauthorized', 'no', { code: 'google_client_refused' }))
    world.clock.advance(5)
    await expect(world.signIn.status()).rejects.toMatchObject({ code: 'google_client_refused' })
    expect(await world.signIn.status()).toEqual({ state: 'none' })
  })

  it('asks Google once for two who look at the same time', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    world.polls.push(world.granted(), { kind: 'expired' })
    world.clock.advance(5)
    const both = await Promise.all([world.signIn.status(), world.signIn.status()])
    expect(both).toEqual([{ state: 'good' }, { state: 'good' }])
  })

  it('stays good through another login that comes to nothing', async () => {
    await using world = await signInWorld()
    await world.enter()
    await world.signIn.begin()
    expect(await world.signIn.isGood()).toBe(true)
    world.polls.push({ kind: 'denied' })
    world.clock.advance(5)
    expect(await world.signIn.status()).toEqual({ state: 'denied' })
    expect(await world.signIn.isGood()).toBe(true)
  })

  it('gives a token that is good for as long as was asked', async () => {
    await using world = await signInWorld()
    await world.enter()
    world.clock.advance(1900)
    await world.signIn.access(1600)
    expect(world.state.refreshes).toBe(0)
    await world.signIn.access(1800)
    expect(world.state.refreshes).toBe(1)
    world.signIn.forget()
    await world.signIn.access()
    expect(world.state.refreshes).toBe(2)
  })
})

describe('signing out of Google', () => {
  it('gives the sign-in back there, then forgets it here, as one event', async () => {
    await using world = await signInWorld()
    await world.enter()
    expect(await world.signIn.end()).toEqual({ state: 'none' })
    expect(world.state.givenBack).toEqual(['1//planted'])
    expect(await world.db.all('select * from google_sign_ins')).toEqual([])
    expect(await world.signOutEvents()).toBe(1)
    await expect(world.signIn.access()).rejects.toMatchObject({ code: 'google_signed_out' })
    expect(world.state.refreshes).toBe(0)
    expect(await world.signIn.end()).toEqual({ state: 'none' })
    expect(world.state.givenBack).toHaveLength(1)
    expect(await world.signOutEvents()).toBe(1)
    world.state.revoked = false
    expect(await world.enter()).toEqual({ state: 'good' })
  })

  it('forgets nothing while Google does not answer', async () => {
    await using world = await signInWorld()
    await world.enter()
    world.state.unreachable = true
    await expect(world.signIn.end()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await world.signIn.status()).toEqual({ state: 'good' })
    world.state.unreachable = false
    expect(await world.signIn.end()).toEqual({ state: 'none' })
  })

  it('is made good by a second call after a death between the two', async () => {
    await using world = await signInWorld()
    await world.enter()
    const { login, rows, clock } = world
    const dying = { ...rows, remove: () => Promise.reject(new Error('killed')) }
    const before = googleSignIn({ clientId: 'client', login, rows: dying, clock })
    await expect(before.end()).rejects.toThrow('killed')
    const after = googleSignIn({ clientId: 'client', login, rows, clock })
    expect(await after.status()).toEqual({ state: 'good' })
    await expect(after.access()).rejects.toMatchObject({ code: 'google_signed_out' })
    expect(await after.status()).toEqual({ state: 'revoked' })
    expect(await after.end()).toEqual({ state: 'none' })
    expect(await world.db.all('select * from google_sign_ins')).toEqual([])
  })

  it('drops a login that was waiting', async () => {
    await using world = await signInWorld()
    await world.signIn.begin()
    await world.signIn.end()
    world.polls.push(world.granted())
    world.clock.advance(5)
    expect(await world.signIn.status()).toEqual({ state: 'none' })
  })

  it('is not undone by a renewal that was under way, nor does one harm the sign-in that follows', async () => {
    await using world = await signInWorld()
    const { rows, clock, login } = world
    const slow = Promise.withResolvers<Awaited<ReturnType<LoginProvider['refresh']>>>()
    const signIn = googleSignIn({
      clientId: 'client',
      login: { ...login, refresh: () => slow.promise },
      rows,
      clock,
    })
    await rows.write('client', '1//older')
    const under = signIn.access()
    await signIn.end()
    await signIn.begin()
    world.polls.push(world.granted())
    clock.advance(5)
    expect(await signIn.status()).toEqual({ state: 'good' })
    slow.reject(new AppError('unauthorized', 'over', { code: 'google_signed_out' }))
    await expect(under).rejects.toMatchObject({ code: 'google_signed_out' })
    expect(await signIn.status()).toEqual({ state: 'good' })
    expect((await signIn.access()).token).toMatch(/^ya29/)
  })
})
