import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { baseDesk } from '../../src/control/base-desk.ts'
import { AppError } from '../../src/lib/errors.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { catalogue } from '../../src/notebooks/catalogue.ts'
import {
  anaToken,
  baseFiles,
  biaToken,
  gatedId,
  gatedRevision,
  largeBytes,
} from '../emulators/hub-fixture.ts'
import { baseWorld, gatedPlan } from './base-world.ts'

const left = ['README.md', 'consolidated.safetensors', 'original/params.json']
const fetched = Object.keys(baseFiles).filter((name) => !left.includes(name))

describe('the base in a work order', () => {
  it('names every file that is needed and no other, each with its hash', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    const order = await world.desk.order('ses_1', gatedPlan)
    expect(order).toMatchObject({ id: gatedId, revision: gatedRevision })
    expect(order?.refused).toBeUndefined()
    expect(order?.files.map(({ name }) => name).toSorted()).toEqual(fetched.toSorted())
    for (const { name, bytes, sha256 } of order?.files ?? [])
      expect([bytes, sha256]).toEqual([baseFiles[name]?.length, sha256Hex(baseFiles[name] ?? '')])
  })

  it('has large files at addresses of the hub that open without a token, and small ones in the store', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    const order = await world.desk.order('ses_1', gatedPlan)
    for (const { name, bytes, url } of order?.files ?? []) {
      const text =
        bytes >= largeBytes
          ? await (await fetch(url)).text()
          : readFileSync(join(world.root, url.replace('http://service/store/', '')), 'utf8')
      expect(text).toBe(baseFiles[name])
    }
    expect(JSON.stringify(order)).not.toContain(anaToken)
  })

  it('has fresh addresses each time, and is looked up once', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    const urls = async () =>
      (await world.desk.order('ses_1', gatedPlan))?.files.map(({ url }) => url) ?? []
    const first = (await urls()).find((url) => url.includes('00001-of')) ?? ''
    world.emulator.admin.advanceClock(3601)
    expect((await fetch(first)).status).toBe(403)
    const second = (await urls()).find((url) => url.includes('00001-of')) ?? ''
    expect((await fetch(second)).status).toBe(200)
    expect(world.requests('tree')).toHaveLength(1)
  })

  it('is null where a session fetches it by itself, and the hub is not asked', async () => {
    await using world = await baseWorld()
    for (const base of [catalogue.trl[0].id, catalogue.dry[0].id, '/models/mine'])
      expect(await world.desk.order('ses_1', { ...gatedPlan, base })).toBeNull()
    expect(world.emulator.admin.requests()).toEqual([])
  })

  it('is the sentence why there is none, where only a person can help', async () => {
    await using world = await baseWorld()
    await world.access.keep(biaToken)
    const order = await world.desk.order('ses_1', gatedPlan)
    expect(order?.files).toEqual([])
    expect(order?.refused).toContain(`accept it at ${world.emulator.url}/${gatedId}`)
  })

  it.each([
    ['is out', { kind: 'status', rpc: 'resolve', status: 503 }],
    ['has had enough', { kind: 'rate_limit', rpc: 'resolve' }],
    ['breaks off', { kind: 'cut', rpc: 'tree' }],
    ['talks nonsense', { kind: 'garbage', rpc: 'tree' }],
  ] as const)('is asked for again when the hub %s', async (_why, fault) => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    world.emulator.admin.addFaults(fault)
    const refused = world.desk.order('ses_1', gatedPlan)
    await expect(refused).rejects.toMatchObject({ kind: 'unavailable' })
    const order = await world.desk.order('ses_1', gatedPlan)
    expect(order?.files).toHaveLength(fetched.length)
  })

  it('believes no small file that came otherwise than it is listed, and keeps nothing of it', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    let damaged = true
    const hub = {
      ...world.hub,
      bytes: async (...asked: Parameters<typeof world.hub.bytes>) => {
        const content = await world.hub.bytes(...asked)
        if (damaged && asked[3] === 'tokenizer.json') content[0] = 0
        return content
      },
    }
    const desk = baseDesk({ ...world.ports, hub })
    const refused = desk.order('ses_1', gatedPlan)
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(/tokenizer\.json/),
    })
    damaged = false
    expect((await desk.order('ses_1', gatedPlan))?.files).toHaveLength(fetched.length)
  })

  it.each([
    ['no configuration', { 'model.safetensors': 'w' }, /no config\.json/],
    ['no weights', { 'config.json': '{}', 'pytorch_model.bin': 'w' }, /no weights in safetensors/],
  ])('is refused in a sentence for a repository with %s', async (_why, files, sentence) => {
    await using world = await baseWorld({}, files)
    await world.access.keep(anaToken)
    expect((await world.desk.order('ses_1', gatedPlan))?.refused).toMatch(sentence)
  })
})

describe('what keeps a run from its base', () => {
  it('is that no token is stored, and the hub is not asked', async () => {
    await using world = await baseWorld()
    expect(await world.desk.trouble(gatedPlan)).toMatch(/no token is stored.*rodizio login hub/)
    expect(world.emulator.admin.requests()).toEqual([])
  })

  it('is nothing with a token and an accepted licence, and not asked at each look', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    for (let look = 0; look < 5; look += 1) {
      expect(await world.desk.trouble(gatedPlan)).toBeNull()
      world.clock.advance(59)
    }
    expect(world.requests('tree')).toHaveLength(1)
    const before = world.requests('resolve').length
    world.clock.advance(300)
    expect(await world.desk.trouble(gatedPlan)).toBeNull()
    expect(world.requests('resolve')).toHaveLength(before + 1)
  })

  it('is the licence, until a minute after it is accepted', async () => {
    await using world = await baseWorld()
    await world.access.keep(biaToken)
    const sentence = `accept it at ${world.emulator.url}/${gatedId}`
    expect(await world.desk.trouble(gatedPlan)).toContain(sentence)
    world.emulator.admin.accept({ user: 'bia', id: gatedId })
    expect(await world.desk.trouble(gatedPlan)).toContain(sentence)
    world.clock.advance(61)
    expect(await world.desk.trouble(gatedPlan)).toBeNull()
  })

  it('is a token that was taken back, told as one event, until another one is given', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    expect(await world.desk.trouble(gatedPlan)).toBeNull()
    world.emulator.admin.revoke({ token: anaToken })
    // A session finds it out first: the run knows at the next look, although it was told well of it a moment ago.
    expect((await world.desk.order('ses_1', gatedPlan))?.refused).toMatch(/does not take the token/)
    for (let look = 0; look < 3; look += 1)
      expect(await world.desk.trouble(gatedPlan)).toMatch(/rodizio login hub/)
    expect((await world.access.status()).state).toBe('refused')
    const told = (await world.events()).filter(([kind]) => kind === 'hub.signed_out')
    expect(told).toHaveLength(1)
    world.emulator.admin.accept({ user: 'bia', id: gatedId })
    await world.access.keep(biaToken)
    expect(await world.desk.trouble(gatedPlan)).toBeNull()
  })

  it('is what a session met, although the hub was content a moment ago', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    let withdrawn = false
    const hub = {
      ...world.hub,
      address: async (...asked: Parameters<typeof world.hub.address>) => {
        if (withdrawn) throw new AppError('not-allowed', 'the licence was withdrawn')
        return world.hub.address(...asked)
      },
    }
    const desk = baseDesk({ ...world.ports, hub })
    expect(await desk.trouble(gatedPlan)).toBeNull()
    withdrawn = true
    expect((await desk.order('ses_1', gatedPlan))?.refused).toBe('the licence was withdrawn')
    expect(await desk.trouble(gatedPlan)).toBe('the licence was withdrawn')
  })

  it('is nothing after a restart either, and the small files stand as they stood', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    const before = await world.desk.order('ses_1', gatedPlan)
    let received = 0
    const artifacts = {
      ...world.ports.artifacts,
      receive: async () => {
        received += 1
      },
    }
    const after = await baseDesk({ ...world.ports, artifacts }).order('ses_1', gatedPlan)
    const small = (order: typeof before) =>
      order?.files
        .filter(({ bytes }) => bytes < largeBytes)
        .map(({ name, sha256 }) => [name, sha256])
    expect(small(after)).toEqual(small(before))
    expect(received).toBe(0)
  })

  it('is a hub that cannot be asked, for a minute', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    world.emulator.admin.addFaults({ kind: 'status', rpc: 'tree', status: 502 })
    expect(await world.desk.trouble(gatedPlan)).toMatch(/cannot be had now.*502/)
    world.clock.advance(61)
    expect(await world.desk.trouble(gatedPlan)).toBeNull()
  })

  it('is that it is being looked up, while the hub takes its time; a tick does not wait for that', async () => {
    await using world = await baseWorld()
    await world.access.keep(anaToken)
    world.emulator.admin.addFaults({ kind: 'hang', rpc: 'tree' })
    const clock = { ...world.ports.clock, sleep: async () => undefined }
    const desk = baseDesk({ ...world.ports, clock })
    expect(await desk.trouble(gatedPlan)).toMatch(/is being looked up/)
  })
})
