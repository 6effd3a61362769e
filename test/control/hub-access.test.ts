import { describe, expect, it } from 'vitest'
import { hubAccess } from '../../src/control/hub-access.ts'
import { hubTokenRows } from '../../src/store/hub-token-rows.ts'
import { anaToken, biaToken } from '../emulators/hub-fixture.ts'
import { freshDatabase, start } from '../store/fixture.ts'
import { baseWorld, key } from './base-world.ts'

describe('the token for the hub', () => {
  it('is proved, kept sealed, and shown to nobody', async () => {
    await using world = await baseWorld()
    expect((await world.access.status()).state).toBe('none')
    const status = await world.access.keep(anaToken)
    expect(status).toEqual({ state: 'good', hub: world.emulator.url, user: 'ana', role: 'read' })
    expect((await world.access.token())?.token).toBe(anaToken)
    expect(world.database()).toContain(world.emulator.url) // it is looked at in the right place
    expect(world.database()).not.toContain(anaToken)
    expect(JSON.stringify(await world.events())).not.toContain(anaToken)
    expect(await world.events()).toEqual([
      ['hub.signed_in', { hub: world.emulator.url, user: 'ana' }],
    ])
  })

  it('is not kept when the hub does not know it, and the one before stays', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    const refused = world.access.keep('hf_unknown')
    await expect(refused).rejects.toMatchObject({ kind: 'unauthorized', code: 'hub_token_over' })
    expect((await world.access.token())?.token).toBe(anaToken)
  })

  it.each(['', 'ghp_something', 'hf_with space', 'hf_line\nbreak'])(
    'is refused unsent when it cannot be one: %j',
    async (token) => {
      await using world = await baseWorld()
      const refused = world.access.keep(token)
      await expect(refused).rejects.toMatchObject({ code: 'not_a_token' })
      expect(world.emulator.admin.requests()).toEqual([])
    },
  )

  it('is forgotten when asked, once', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    expect((await world.access.forget()).state).toBe('none')
    await world.access.forget()
    expect(await world.access.token()).toBeUndefined()
    const told = (await world.events()).filter(([kind]) => kind === 'hub.signed_out')
    expect(told).toEqual([['hub.signed_out', { hub: world.emulator.url, asked: true }]])
  })

  it('is one of its own for each hub', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    const whoIs = async () => ({ name: 'x', role: 'read' })
    const elsewhere = hubAccess({ hubUrl: 'https://hub.example', rows: world.rows, whoIs })
    expect(await elsewhere.token()).toBeUndefined()
  })

  it('stays good when an older one is refused late', async () => {
    await using fresh = await freshDatabase()
    const rows = hubTokenRows(fresh.db, key, () => new Date(start))
    const [user, role] = ['ana', 'read']
    await rows.write('h', { token: anaToken, user, role })
    await rows.write('h', { token: biaToken, user, role })
    await rows.markRefused('h', anaToken)
    expect((await rows.read('h'))?.state).toBe('good')
    await rows.markRefused('h', biaToken)
    expect((await rows.read('h'))?.state).toBe('refused')
  })
})
