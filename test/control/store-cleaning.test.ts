import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { storeCleaning } from '../../src/control/store-cleaning.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { folderInventory } from '../../src/store/folder-inventory.ts'
import { readOwners } from '../../src/store/owner-rows.ts'
import { body, deskWorld, file, secretOf, stream } from './desk-world.ts'
import { beat, fill, put, report, sealedWorld } from './sealed-world.ts'

const DAY = 24 * 3600

/** The session protocol over a folder, its files as old as they are made to be. */
async function folderWorld() {
  const world = await deskWorld()
  const { db, root, clock } = world
  const told: object[] = []
  const cleaning = storeCleaning({
    inventories: [folderInventory(root)],
    owners: () => readOwners(db),
    told: async (gone) => void told.push(gone),
    now: () => clock.now(),
  })
  const paths = () =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
      .toSorted()
  const put = (key: string, text: string) => {
    mkdirSync(dirname(join(root, key)), { recursive: true })
    writeFileSync(join(root, key), text)
  }
  /** What is there is older than a day from here on. */
  const age = () => {
    const at = new Date(clock.now().getTime() - (DAY + 60) * 1000)
    for (const path of paths()) utimesSync(join(root, path), at, at)
  }
  const fresh = (key: string) => utimesSync(join(root, key), clock.now(), clock.now())
  return { ...world, cleaning, told, paths, put, age, fresh }
}

it('what died uploads, checkpoints let go and damaged ones have left in a folder goes', async () => {
  await using world = await folderWorld()
  const { cleaning, uploads, urls, checkpoints, look } = world
  const first = await world.enrolled()
  await world.commit(first, 10)
  await world.commit(first, 20)
  const half = await uploads.open(first.token, 'checkpoint', 30, [file])
  await urls.receive(secretOf(half.files[0]?.url ?? ''), stream(body))
  await world.lose(first.id)
  const [damaged] = await look.checkpoints('run_one')
  if (damaged) await checkpoints.markDamaged(damaged)
  world.put('runs/run_one/checkpoints/20-g1/weights.bin.part-0123456789ab', 'half of it')
  const second = await world.enrolled()
  const live = await uploads.open(second.token, 'checkpoint', 40, [file])
  await urls.receive(secretOf(live.files[0]?.url ?? ''), stream(body))
  world.put('runs/run_one/checkpoints/40-g2/other.bin.part-0123456789ab', 'half of it')
  world.put('bases/0123/tokenizer.json', '{}')
  expect(await cleaning.look()).toEqual([]) // all of it is young
  world.age()
  const found = await cleaning.look()
  expect(found).toEqual([
    {
      folder: 'runs/run_one/checkpoints/10-g1',
      why: 'no checkpoint owns it',
      files: 2,
      bytes: expect.any(Number),
    },
    {
      folder: 'runs/run_one/checkpoints/20-g1',
      why: 'its upload never ended',
      files: 1,
      bytes: 10,
    },
    { folder: 'runs/run_one/checkpoints/30-g1', why: 'no checkpoint owns it', files: 1, bytes: 24 },
  ])
  expect(world.paths()).toHaveLength(9)
  expect(await cleaning.clean()).toEqual({ gone: found, why: null })
  expect(world.paths()).toEqual([
    'bases/0123/tokenizer.json',
    'runs/run_one/checkpoints/20-g1/manifest.json',
    'runs/run_one/checkpoints/20-g1/weights.bin',
    'runs/run_one/checkpoints/40-g2/other.bin.part-0123456789ab',
    'runs/run_one/checkpoints/40-g2/weights.bin',
  ])
  expect(readdirSync(join(world.root, 'runs/run_one/checkpoints')).toSorted()).toEqual([
    '20-g1',
    '40-g2',
  ])
  expect(world.told).toEqual([{ files: 4, bytes: expect.any(Number) }])
  expect(await cleaning.clean()).toEqual({ gone: [], why: null })
  expect(world.told).toHaveLength(1)
  await world.commit(second, 40) // the live one goes on
  expect(
    await checkpoints.wholeFiles((await checkpoints.committed('run_one'))[0] as never),
  ).toHaveLength(2)
})

it('a file that is written anew between the look and the removal stays', async () => {
  await using world = await folderWorld()
  const session = await world.enrolled()
  await world.commit(session, 10)
  await world.lose(session.id)
  await world.db.run("update checkpoints set state = 'pruned'")
  world.age()
  const inventory = folderInventory(world.root)
  const found = []
  for await (const one of inventory.files()) found.push(one)
  world.fresh('runs/run_one/checkpoints/10-g1/weights.bin')
  for (const one of found) await inventory.remove(one)
  expect(world.paths()).toEqual(['runs/run_one/checkpoints/10-g1/weights.bin'])
})

it('what nothing leads to on Drive goes, and nothing of another service or of a live session', async () => {
  await using world = await sealedWorld()
  await world.tick()
  const order = await world.order()
  await fill(order, 0, 8)
  await fill(order, 1, 16)
  await world.say(beat(16, { filled: [0, 1] }), { ...report('limit', 16), filled: [0, 1] })
  await world.follow()
  const { store, bring, inventory } = world.now()
  await world.now().desk.sweep()
  const bytes = Buffer.from('as it was before')
  const expected = { bytes: bytes.length, sha256: sha256Hex(bytes) }
  const from = async function* () {
    yield bytes
  }
  // A stranger's run, known to the index; one that was removed here; a file whose place another one took.
  await bring('runs/stranger/checkpoints/8-g1/weights.bin', from, expected)
  await bring('runs/removed/checkpoints/8-g1/weights.bin', from, expected)
  await bring('runs/run_one/checkpoints/8-g1/weights.bin.old', from, expected)
  await world.db.run(
    `insert into removals values ('rem_1', 'run', 'removed', 'removed', $1, $1)`,
    world.clock.now().toISOString(),
  )
  await world.db.run("delete from drive_files where key like 'runs/stranger/%' or key like '%.old'")
  await world.db.run("update checkpoints set state = 'pruned' where step = 8")
  // A second session is live, and has begun to send.
  world.clock.advance(3 * DAY)
  await world.tick()
  const live = await world.order(2)
  await put(live.slots[0]?.urls[1] ?? '', Buffer.from('half a slot'))
  const told: object[] = []
  const cleaning = storeCleaning({
    inventories: [inventory],
    owners: () => readOwners(world.db),
    told: async (gone) => void told.push(gone),
    now: () => world.clock.now(),
  })
  const found = await cleaning.look()
  expect(found.map(({ folder, why, files }) => [folder, why, files])).toEqual([
    ['runs/removed/checkpoints/8-g1', 'its run was removed', 1],
    ['runs/run_one/checkpoints/8-g1', 'no checkpoint owns it', 4],
  ])
  const before = world.emulator.admin.state().files.filter(({ bytes: size }) => size !== null)
  expect((await cleaning.clean()).why).toBeNull()
  const after = world.emulator.admin.state().files.filter(({ bytes: size }) => size !== null)
  expect(before.length - after.length).toBe(5)
  const [kept] = await world.now().checkpoints.committed('run_one')
  expect(kept?.step).toBe(16)
  expect(kept && (await world.now().checkpoints.wholeFiles(kept))).toHaveLength(3)
  expect(await store.verify('runs/removed/checkpoints/8-g1/weights.bin', expected)).toBe(false)
  await fill(live, 1, 24)
  await world.say(beat(24, { filled: [1] }))
  await world.follow()
  expect(await world.committed()).toContain(24)
})

it('what another Google client made is left alone, and a store out of reach is told', async () => {
  await using world = await sealedWorld()
  await world.tick()
  await fill(await world.order(), 0, 8)
  await world.say(beat(8, { filled: [0] }), { ...report('limit', 8), filled: [0] })
  await world.follow()
  await world.db.run("update checkpoints set state = 'pruned'")
  world.clock.advance(2 * DAY)
  const { inventory } = world.now()
  const cleaning = storeCleaning({
    inventories: [
      {
        files: inventory.files,
        remove: async () => {
          throw new Error('out of reach')
        },
      },
    ],
    owners: () => readOwners(world.db),
    told: async () => expect.unreachable(),
    now: () => world.clock.now(),
  })
  expect((await cleaning.look()).map(({ files }) => files)).toEqual([3])
  expect(await cleaning.clean()).toEqual({ gone: [], why: 'out of reach' })
  world.google.clientId = 'another'
  world.restart()
  const found = []
  for await (const one of world.now().inventory.files()) found.push(one)
  expect(found).toEqual([])
})
