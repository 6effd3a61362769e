import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { SignedUpload } from '../../src/artifacts/publication.ts'
import { publishing } from '../../src/control/publishing.ts'
import { type PublicationPorts, sessionPublications } from '../../src/http/publications.ts'
import { AppError } from '../../src/lib/errors.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { readRun } from '../../src/store/run-rows.ts'
import type { TinyAdapter } from '../artifacts/tiny-lora.ts'
import { endSession, planSession } from '../store/by-hand.ts'
import { accountOf, endOf, HOUR, plannedOf, seed } from '../store/fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { atEachCall, Died, dying } from './dying.ts'
import { houseAdapter, publishWorld, writer } from './publish-world.ts'

type World = Awaited<ReturnType<typeof publishWorld>>
const target = 'hub:ana/house'

async function adapterAt(world: World, which = 1) {
  const found = await world.rows.find(which)
  if (!found) throw new Error('no adapter')
  return found
}
/** Publishes to the end, carrying what has to be carried. */
async function toTheEnd(world: World, adapter: TinyAdapter, which = 1) {
  for (let tries = 1; ; tries += 1) {
    const { publication, uploads } = await world.desk.publish(await adapterAt(world, which), target)
    if (publication.state === 'done' || tries > 5) return publication
    await world.carry([...uploads], adapter)
  }
}
const refs = async (world: World) =>
  JSON.parse((await world.get('/api/models/ana/house/refs')).text) as {
    tags: { name: string; targetCommit: string }[]
  }
const titles = async (world: World) =>
  (
    JSON.parse((await world.get('/api/models/ana/house/commits/main')).text) as { title: string }[]
  ).map(({ title }) => title)

describe('a publication to the Hub', () => {
  it('makes a private repository of the whole adapter at a tag, its bytes carried by others', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    const made = houseAdapter(1)
    await world.leave(made)
    const first = await world.desk.publish(await adapterAt(world), target)
    expect(first.publication).toMatchObject({ state: 'pending', code: 'bytes_missing' })
    expect(first.uploads.map(({ name }) => name).toSorted()).toEqual([
      'adapter_model.safetensors',
      'tokenizer.json',
    ])
    await world.carry([...first.uploads], made)
    const { publication } = await world.desk.publish(await adapterAt(world), target)
    expect(publication).toMatchObject({
      state: 'done',
      place: `${world.emulator.url}/ana/house/tree/v1`,
    })
    const info = JSON.parse((await world.get('/api/models/ana/house/revision/v1')).text)
    expect(info.private).toBe(true)
    expect(info.siblings.map(({ rfilename }: { rfilename: string }) => rfilename)).toEqual([
      '.gitattributes',
      '.rodizio/README.md',
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
      'manifest.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    expect((await world.get('/ana/house/resolve/v1/manifest.json')).text).toBe(made.manifest)
    const card = (await world.get('/ana/house/resolve/v1/README.md')).text
    expect(card).toContain('library_name: peft\n')
    expect(card).toContain('rodizio pull --to /srv/adapter --from hub:ana/house@v1')
    // No byte of a large file has gone through the service.
    expect(world.requests('lfs-put')).toHaveLength(2)
    expect(await world.events()).toContainEqual(
      expect.objectContaining({ kind: 'adapter.published', version: 'v1', target }),
    )
  })

  it('is done once, whenever the service dies, and however often', async () => {
    const calls = await atEachCall(async (at) => {
      await using world = await publishWorld()
      await world.access.keep(writer)
      const made = houseAdapter(1)
      await world.leave(made)
      let isKilled = false
      for (const when of ['before', 'after'] as const) {
        const mortal = dying(at, when)
        const ports = {
          ...world.ports,
          hub: mortal.over(world.ports.hub),
          rows: mortal.over(world.ports.rows),
        }
        const desk = publishing(ports)
        try {
          const step = await desk.publish(await adapterAt(world), target)
          await world.carry([...step.uploads], made)
          await desk.publish(await adapterAt(world), target)
        } catch (error) {
          if (!(error instanceof Died)) throw error
          isKilled = true
        }
        await mortal.buried()
      }
      expect((await toTheEnd(world, made)).state).toBe('done')
      expect(await titles(world)).toEqual([
        expect.stringMatching(/^v1 of house \(manifest [0-9a-f]{16}\)$/),
        'initial commit',
      ])
      expect((await refs(world)).tags.map(({ name }) => name)).toEqual(['v1'])
      const published = (await world.events()).filter(({ kind }) => kind === 'adapter.published')
      expect(published).toHaveLength(1)
      return isKilled
    })
    expect(calls).toBeGreaterThan(14)
  }, 60_000)

  it.each(['create', 'commit', 'tag', 'lfs-put'])(
    'goes on when the answer to %s is lost',
    async (rpc) => {
      await using world = await publishWorld()
      await world.access.keep(writer)
      const made = houseAdapter(1)
      await world.leave(made)
      world.emulator.admin.addFaults({ rpc, kind: 'started_but_cut' })
      expect((await toTheEnd(world, made)).state).toBe('done')
      expect(await titles(world)).toHaveLength(2)
      expect(world.emulator.admin.state().faults).toEqual([])
    },
  )

  it('follows one version with the next, whose files take the place of those before', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    const [one, two] = [
      houseAdapter(1, { 'added_tokens.json': Buffer.from('{}') }),
      houseAdapter(2),
    ]
    await world.leave(one)
    await toTheEnd(world, one)
    const headers = { authorization: `Bearer ${writer}`, 'content-type': 'application/x-ndjson' }
    const lines = [
      { key: 'header', value: { summary: 'by hand' } },
      { key: 'file', value: { path: 'NOTES.md', content: 'mine' } },
    ]
    const body = lines.map((line) => JSON.stringify(line)).join('\n')
    const url = `${world.emulator.url}/api/models/ana/house/commit/main`
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200)
    await world.leave(two)
    await toTheEnd(world, two, 2)
    const at = async (name: string) => (await world.get(`/ana/house/resolve/${name}`)).status
    expect(await at('v1/added_tokens.json')).toBe(200)
    expect(await at('v2/added_tokens.json')).toBe(404)
    expect(await at('v2/NOTES.md')).toBe(200)
    expect((await refs(world)).tags.map(({ name }) => name)).toEqual(['v1', 'v2'])
    // Said again it changes nothing.
    const before = world.requests('commit').length
    expect((await world.desk.publish(await adapterAt(world), target)).publication.state).toBe(
      'done',
    )
    expect(world.requests('commit')).toHaveLength(before)
  })

  it('goes on after a commit of somebody else that came in between, and keeps it', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    const made = houseAdapter(1)
    await world.leave(made)
    const { uploads } = await world.desk.publish(await adapterAt(world), target)
    await world.carry([...uploads], made)
    const { hub } = world.ports
    let between = 2
    const missing: typeof hub.missing = async (token, id, objects) => {
      const found = await hub.missing(token, id, objects)
      if (between > 0) {
        between -= 1
        const parent = (await hub.refs(token, id))?.main ?? ''
        const small = [{ path: `notes-${between}.txt`, content: Buffer.from('mine') }]
        await hub.commit(token, id, {
          title: 'mine',
          description: '',
          parent,
          small,
          large: [],
          gone: [],
        })
      }
      return found
    }
    const desk = publishing({ ...world.ports, hub: { ...hub, missing } })
    expect((await desk.publish(await adapterAt(world), target)).publication.state).toBe('done')
    expect(await titles(world)).toEqual([
      expect.stringContaining('v1 of house'),
      'mine',
      'mine',
      'initial commit',
    ])
    expect((await world.get('/ana/house/resolve/v1/notes-0.txt')).text).toBe('mine')
  })

  it('is written down again with a rollback to what was never published', async () => {
    await using world = await publishWorld()
    await world.leave(houseAdapter(1))
    await world.leave(houseAdapter(2))
    await world.desk.setPublishTo('house', target)
    await world.rows.rollBack('house', null, 'ana', 'better')
    expect(await world.publications.of(1)).toMatchObject([{ target, state: 'pending' }])
  })

  it('leaves a tag alone that is somebody else’s', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    await world.ports.hub.create(writer, 'ana/house')
    const { main = '' } = (await world.ports.hub.refs(writer, 'ana/house')) ?? {}
    await world.ports.hub.tag(writer, 'ana/house', main, 'v1')
    await world.leave(houseAdapter(1))
    const { publication } = await world.desk.publish(await adapterAt(world), target)
    expect(publication).toMatchObject({ state: 'blocked', code: 'hub_tag_taken' })
    expect(world.requests('commit')).toEqual([])
  })

  it('is not made of a damaged store', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    const made = houseAdapter(1)
    await world.leave(made)
    const { uploads } = await world.desk.publish(await adapterAt(world), target)
    await world.carry([...uploads], made)
    const file = join(world.root, 'runs/run_house/artifacts/candidate-g1/adapter_config.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('LORA', 'lora'))
    const { publication } = await world.desk.publish(await adapterAt(world), target)
    expect(publication).toMatchObject({ state: 'blocked', code: 'hash_mismatch' })
    expect(world.requests('commit')).toEqual([])
  })
})

describe('what stands in the way', () => {
  it.each([
    ['no token', null, [], 'blocked', 'hub_token_missing', 'rodizio login hub'],
    [
      'a token that only reads',
      'hf_reader',
      [],
      'blocked',
      'hub_token_narrow',
      'rodizio login hub',
    ],
    ['a fine-grained one', 'hf_narrow', [], 'blocked', 'hub_token_narrow', 'Give it that right'],
    [
      'a token that is over',
      writer,
      [{ rpc: 'refs', kind: 'expired_token' }],
      'blocked',
      'hub_token_over',
      'rodizio login hub',
    ],
    [
      'a full storage',
      writer,
      [{ rpc: 'lfs-batch', kind: 'status', status: 403, message: 'storage limit reached' }],
      'blocked',
      'hub_full',
      'Remove what is not needed',
    ],
    [
      'too much at once',
      writer,
      [{ rpc: 'commit', kind: 'status', status: 413 }],
      'blocked',
      'hub_full',
      'publish elsewhere',
    ],
    [
      'a limit',
      writer,
      [{ rpc: 'preupload', kind: 'rate_limit', retryAfterSeconds: 200 }],
      'pending',
      'rate_limited',
      'tried again',
    ],
    [
      'trouble of the hub',
      writer,
      [{ rpc: 'lfs-batch', kind: 'status', status: 502 }],
      'pending',
      'hub_refused',
      'tried again',
    ],
    [
      'an answer that is none',
      writer,
      [{ rpc: 'refs', kind: 'garbage' }],
      'pending',
      'bad_answer',
      'tried again',
    ],
  ] as const)('%s is said, with the next step', async (_what, token, faults, state, code, next) => {
    await using world = await publishWorld()
    if (token !== null) await world.access.keep(token)
    const made = houseAdapter(1)
    await world.leave(made)
    if (code === 'hub_full' && faults[0]?.rpc === 'commit') {
      const { uploads } = await world.desk.publish(await adapterAt(world), target)
      await world.carry([...uploads], made)
    }
    world.emulator.admin.addFaults(...faults)
    const { publication } = await world.desk.publish(await adapterAt(world), target)
    expect(publication).toMatchObject({ state, code, next: expect.stringContaining(next) })
    expect(JSON.stringify(publication)).not.toContain('hf_')
    const alerts = await world.db.all("select facts from alerts where kind = 'action-needed'")
    const told = alerts.filter(({ facts }) => String(facts).includes('keeps v1 from hub:ana/house'))
    expect(told).toHaveLength(state === 'blocked' ? 1 : 0)
    if (code === 'rate_limited') {
      const waited = (publication.lookAt.getTime() - world.clock.now().getTime()) / 1000
      expect(waited).toBeGreaterThanOrEqual(200)
      const asked = world.emulator.admin.requests().length
      await world.desk.look()
      expect(world.emulator.admin.requests()).toHaveLength(asked)
    }
  })

  it('that nobody foresaw is told, and keeps no other waiting', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    const made = houseAdapter(1)
    await world.leave(made)
    const adapter = await adapterAt(world)
    await world.publications.ask(adapter, 'hub:ana/broken')
    await world.publications.ask(adapter, target)
    const sorted: typeof world.ports.hub.sorted = async (token, id, files) => {
      if (id === 'ana/broken') throw new TypeError('a bug of ours')
      return await world.ports.hub.sorted(token, id, files)
    }
    const desk = publishing({ ...world.ports, hub: { ...world.ports.hub, sorted } })
    await expect(desk.look()).rejects.toThrow('a bug of ours')
    const codes = (await world.publications.of(1)).map(({ code }) => code)
    expect(codes.toSorted()).toEqual(['internal', 'no_carrier'])
    await desk.look()
  })

  it('is told once, and goes on by itself when it is mended', async () => {
    await using world = await publishWorld()
    await world.publications.setPublishTo('house', target)
    const made = houseAdapter(1)
    await world.leave(made)
    await world.desk.look()
    world.clock.advance(3601)
    await world.desk.look()
    const blocked = async () =>
      (await world.events()).filter(({ kind }) => kind === 'adapter.publish_blocked').length
    expect(await blocked()).toBe(1)
    await world.access.keep(writer)
    world.clock.advance(3601)
    await world.desk.look()
    const [open] = await world.publications.of(1)
    expect(open).toMatchObject({ state: 'blocked', code: 'no_carrier' })
    // That nobody is left to carry it is other news.
    expect(await blocked()).toBe(2)
    const { uploads } = await world.desk.step(open?.id ?? '')
    await world.carry([...uploads], made)
    world.clock.advance(3601)
    await world.desk.look()
    expect((await world.publications.of(1))[0]?.state).toBe('done')
  })
})

describe('a line that is published', () => {
  it('has each promotion written down with it, what it serves already too, and no rehearsal', async () => {
    await using world = await publishWorld()
    await world.leave(houseAdapter(1))
    await world.desk.setPublishTo('house', target)
    await world.leave(houseAdapter(2))
    await world.leave(houseAdapter(3), 'dry')
    const of = async (which: number) =>
      (await world.publications.of(which)).map((one) => one.target)
    expect([await of(1), await of(2), await of(3)]).toEqual([[target], [target], []])
    await world.desk.setPublishTo('house', null)
    await world.leave(houseAdapter(4))
    expect(await of(3)).toEqual([])
    await expect(world.desk.setPublishTo('house', 'hub:one-word')).rejects.toMatchObject({
      code: 'target_invalid',
    })
    const dry = { ...(await adapterAt(world)), label: 'dry' }
    await expect(world.desk.publish(dry, target)).rejects.toMatchObject({ code: 'rehearsal' })
    await expect(world.desk.publish(await adapterAt(world), undefined)).rejects.toMatchObject({
      code: 'target_missing',
    })
  })
})

describe('the session that has left an adapter', () => {
  it('is told where its bytes go, by its own token, until nothing is missing', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    await world.publications.setPublishTo('house', target)
    const made = houseAdapter(1)
    await world.leave(made)
    const admitted = { session: { generation: 1 }, run: { id: 'run_house' } }
    const live = async (token: string) => {
      if (token === 'rzs_mine') return admitted
      throw new AppError('unauthorized', 'dead', { code: 'token_unknown' })
    }
    const ports = { desk: { live }, publishing: world.desk } as unknown as PublicationPorts
    const app = sessionPublications(ports).onError(
      (error) => new Response(error.message, { status: 401 }),
    )
    const ask = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` }
      return await app.request('/v1/session/publications', { method: 'POST', headers })
    }
    const first = (await (await ask('rzs_mine')).json()) as { uploads: SignedUpload[] }
    expect(first).toMatchObject({ published: [], uploads: [{}, {}] })
    expect(JSON.stringify(first)).not.toContain('hf_')
    await world.carry(first.uploads, made)
    expect(await (await ask('rzs_mine')).json()).toEqual({ published: [target], uploads: [] })
    expect(await (await ask('rzs_mine')).json()).toEqual({ published: [], uploads: [] })
    expect((await ask('rzs_other')).status).toBe(401)
  })
})

describe('an adapter whose session still goes on', () => {
  it('waits for it without a word, and is told of when that is over', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    await world.publications.setPublishTo('house', target)
    await world.leave(houseAdapter(1))
    await seed(world.db, [accountOf('ana')], [])
    const run = await readRun(world.db, 'run_house')
    if (!run) throw new Error('no run')
    const store = rotationStore(world.db, () => world.clock.now())
    await planSession(store, plannedOf(run, accountOf('ana'), world.clock.now(), HOUR))
    await world.desk.look()
    expect(await world.publications.of(1)).toMatchObject([{ state: 'pending' }])
    await endSession(store, 'ses_house_1', endOf('lost'))
    world.clock.advance(3601)
    await world.desk.look()
    expect(await world.publications.of(1)).toMatchObject([
      { code: 'no_carrier', next: 'It is carried by: rodizio adapters publish v1' },
    ])
  })
})

describe('what goes to the Hub', () => {
  it('is counted once by the month, and told of when little is left of it', async () => {
    await using world = await publishWorld()
    await world.access.keep(writer)
    const made = houseAdapter(1)
    await world.leave(made)
    const counted = async () => Number((await world.db.first('select * from hub_uploads'))?.bytes)
    const large = ['adapter_model.safetensors', 'tokenizer.json'] as const
    const bytes = large.reduce((sum, name) => sum + (made.files.get(name)?.length ?? 0), 0)
    await toTheEnd(world, made)
    expect(await counted()).toBe(bytes)
    await toTheEnd(world, made)
    expect(await counted()).toBe(bytes)
    const low = async () =>
      (await world.db.all("select facts from alerts where kind = 'quota-low'")).length
    expect(await low()).toBe(0)
    await world.db.run("update hub_uploads set bytes = '4499000000'")
    for (const [which, mark] of [2, 3].entries()) {
      const next = houseAdapter(mark)
      await world.leave(next)
      await toTheEnd(world, next, which + 2)
    }
    expect(await low()).toBe(1)
  })
})

describe('a folder', () => {
  it('gets the version whole or not at all, once', async () => {
    await using world = await publishWorld()
    using place = temporaryFolder()
    const made = houseAdapter(1)
    await world.leave(made)
    const path = join(place.path, 'published')
    mkdirSync(join(path, '.publishing-v1'), { recursive: true })
    writeFileSync(join(path, '.publishing-v1', 'left'), 'by one that died')
    const { publication } = await world.desk.publish(await adapterAt(world), `folder:${path}`)
    expect(publication).toMatchObject({ state: 'done', place: join(path, 'v1') })
    expect(readdirSync(path)).toEqual(['v1'])
    expect(readdirSync(join(path, 'v1')).toSorted()).toEqual(
      ['CARD.md', 'manifest.json', ...made.files.keys()].toSorted(),
    )
    for (const [name, bytes] of made.files)
      expect(readFileSync(join(path, 'v1', name)).equals(bytes)).toBe(true)
    const put = async () =>
      world.ports.put.folder(await publishableOf(world, made), { kind: 'folder', path })
    expect(await put()).toBe(join(path, 'v1'))
    writeFileSync(join(path, 'v1', 'manifest.json'), 'something else')
    await expect(put()).rejects.toMatchObject({ code: 'folder_taken' })
  })

  it('has nothing of a version whose bytes are not whole', async () => {
    await using world = await publishWorld()
    using place = temporaryFolder()
    await world.leave(houseAdapter(1))
    const file = join(world.root, 'runs/run_house/artifacts/candidate-g1/tokenizer.json')
    writeFileSync(file, Buffer.alloc(1_200_000, 'other'))
    const to = `folder:${place.path}`
    const { publication } = await world.desk.publish(await adapterAt(world), to)
    expect(publication).toMatchObject({ state: 'blocked', code: 'hash_mismatch' })
    expect(readdirSync(place.path)).not.toContain('v1')
  })

  it('that is the service’s own, or that cannot be written, is refused', async () => {
    await using world = await publishWorld()
    await world.leave(houseAdapter(1))
    const own = await world.desk.publish(await adapterAt(world), `folder:${world.folder}/store`)
    expect(own.publication).toMatchObject({ state: 'blocked', code: 'target_invalid' })
    const nowhere = await world.desk.publish(
      await adapterAt(world),
      `folder:${import.meta.filename}/below-a-file`,
    )
    expect(nowhere.publication).toMatchObject({ state: 'blocked', code: 'folder_refused' })
  })
})

async function publishableOf(world: World, made: TinyAdapter) {
  const adapter = await adapterAt(world)
  const { prefix, manifest } = await world.ports.book.whole(adapter.manifestSha256)
  return { adapter, prefix, manifest, manifestText: made.manifest, card: () => '# card\n' }
}
