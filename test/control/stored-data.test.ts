import { expect, it } from 'vitest'
import { type StoredDataPorts, storedData } from '../../src/control/stored-data.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { sealedWorld } from './sealed-world.ts'

const body = Buffer.alloc(3 * 1024 * 1024, 'a conversation ')
const dataFile = {
  name: 'train.jsonl',
  path: 'data/ds_two/train.jsonl',
  rows: 9,
  bytes: body.length,
  sha256: sha256Hex(body),
}

/** The carrier over an emulated Drive; its clock stands still, so that nothing is waited for. */
async function carrierWorld() {
  const world = await sealedWorld()
  const asked: number[] = []
  /** Whether the source gives its next part; it gives all when left out. */
  const gate = { pass: Promise.resolve() }
  const carrier = (changes: Partial<StoredDataPorts> = {}) => {
    const { store, bring } = world.started()
    return storedData({
      artifacts: store,
      bring,
      dataFiles: async () => [dataFile],
      async *readData(_version, _file, { from, to }) {
        asked.push(from)
        for (let at = from; at < to; at += 512 * 1024) {
          yield body.subarray(at, Math.min(to, at + 512 * 1024))
          if (at >= body.length / 2) await gate.pass
        }
      },
      clock: world.clock,
      ...changes,
    })
  }
  const copies = () =>
    world.emulator.admin.state().files.filter(({ bytes }) => bytes === body.length)
  /** Asks until it is there, or says something that is not that it is on the way. */
  const settled = async (data: ReturnType<typeof carrier>) => {
    for (;;) {
      const why = await data.missing('ds_two')
      if (why === null || !why.includes('on the way')) return why
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return Object.assign(world, { asked, gate, carrier, copies, settled })
}

/** A promise with its ends in hand. */
const held = () => Promise.withResolvers<void>()

it('brings what is not there, says how far it is, and is asked no more once it is', async () => {
  await using world = await carrierWorld()
  const wait = held()
  world.gate.pass = wait.promise
  const data = world.carrier()
  expect(await data.missing('ds_two')).toBe('its data is on the way to the store')
  let told: string | null = null
  while (!/ (4|5|6)\d %$/.test(told ?? '')) {
    told = await data.missing('ds_two')
    expect(told).toMatch(/^its data is on the way to the store: \d+ %$/)
    await new Promise((resolve) => setImmediate(resolve))
  }
  wait.resolve()
  expect(await world.settled(data)).toBeNull()
  expect(world.copies()).toMatchObject([{ sha256: dataFile.sha256 }])
  world.emulator.admin.addFaults({ kind: 'status', status: 503, times: 50 })
  expect(await data.missing('ds_two')).toBeNull()
})

it('carries once for two that ask at the same time', async () => {
  await using world = await carrierWorld()
  let begun = 0
  const dataFiles = async () => {
    begun += 1
    return [dataFile]
  }
  const data = world.carrier({ dataFiles })
  await Promise.all([data.missing('ds_two'), data.missing('ds_two')])
  expect(await world.settled(data)).toBeNull()
  expect(begun).toBe(1)
  expect(world.asked).toEqual([0])
  expect(world.copies()).toHaveLength(1)
})

it('goes on after a cut from where it was', async () => {
  await using world = await carrierWorld()
  world.emulator.admin.addFaults({ rpc: 'upload.chunk', kind: 'cut', afterBytes: 300_000 })
  expect(await world.settled(world.carrier())).toBeNull()
  expect(world.asked).toEqual([0, 256 * 1024])
  expect(world.copies()).toMatchObject([{ sha256: dataFile.sha256 }])
})

it('tells a failure, leaves the store alone for a while, and tries again', async () => {
  await using world = await carrierWorld()
  let isBroken = true
  const data = world.carrier({
    dataFiles: async () => {
      if (isBroken) throw new Error('the disk is gone')
      return [dataFile]
    },
  })
  const failed = 'its data could not be brought to the store: the disk is gone'
  expect(await world.settled(data)).toBe(failed)
  isBroken = false
  // The first wait of two seconds has moved the clock already.
  world.clock.advance(25)
  expect(await data.missing('ds_two')).toBe(failed)
  world.clock.advance(10)
  expect(await world.settled(data)).toBeNull()
})

it('begun before a restart, it is one file in the end', async () => {
  await using world = await carrierWorld()
  const wait = held()
  world.gate.pass = wait.promise
  const before = world.carrier()
  await before.missing('ds_two')
  while (!/ (4|5|6)\d %$/.test((await before.missing('ds_two')) ?? '')) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  world.gate.pass = Promise.resolve()
  expect(await world.settled(world.carrier())).toBeNull()
  // What the earlier process had on the line arrives after all.
  wait.resolve()
  await world.settled(before)
  expect(world.copies()).toMatchObject([{ sha256: dataFile.sha256 }])
  expect(await world.started().store.list('data/ds_two')).toEqual(['train.jsonl'])
  expect(await world.started().store.verify(dataFile.path, dataFile)).toBe(true)
})
