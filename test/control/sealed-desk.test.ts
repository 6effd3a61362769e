import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { HOUR } from '../store/fixture.ts'
import { beat, data, fill, manifestText, put, report, sealedWorld } from './sealed-world.ts'

/** A world whose first session was sent off, with the order that went along. */
async function launched(...given: Parameters<typeof sealedWorld>) {
  const world = await sealedWorld(...given)
  await world.tick()
  return Object.assign(world, { first: await world.order() })
}

describe('a sealed order', () => {
  it.each([
    ['a short session has two', 600, 900, 2],
    ['one for each interval, and one for the end', 4 * 900, 900, 5],
    ['as many as may be opened at most', 9 * HOUR, 900, 24],
  ])('opens slots by the session: %s', async (_why, sessionSeconds, saveSeconds, checkpoints) => {
    await using world = await launched({ sessionSeconds, saveSeconds })
    expect(world.first.slots.map(({ kind }) => kind)).toEqual([
      ...Array.from({ length: checkpoints }, () => 'checkpoint'),
      'artifact',
    ])
    expect(world.first.slots.every(({ urls }) => urls.length === 7)).toBe(true)
    expect(new Set(world.first.slots.flatMap(({ urls }) => urls)).size).toBe(7 * (checkpoints + 1))
  })

  it('grants less than the cap, and carries no way to this service', async () => {
    await using world = await launched()
    expect(world.first.secondsLeft).toBeLessThan(1800)
    expect(world.first.secondsLeft).toBeGreaterThan(1600)
    const text = JSON.stringify(world.first)
    expect(text).not.toMatch(/rzt_|rzs_|\/v1\/|sessionToken|refresh/)
    for (const [address] of text.matchAll(/https?:\/\/[^/"]+/g)) {
      expect(address).toBe(world.emulator.url)
    }
    expect(await world.db.first('select 1 from transfers')).toBeUndefined()
  })

  it('reaches its data and its resume point with what it carries, for an hour', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    await world.say({ ...report('limit', 8), filled: [0] })
    world.clock.advance(60)
    await world.tick()
    const order = await world.order(2)
    expect(order.resume).toMatchObject({ step: 8 })
    const file = order.data.files[0]
    const read = async ({ url, headers }: { url: string; headers: Record<string, string> }) =>
      Buffer.from(await (await fetch(url, { headers })).arrayBuffer())
    expect(file && (await read(file))).toEqual(data)
    for (const kept of order.resume?.files ?? []) {
      expect(sha256Hex(await read(kept))).toBe(kept.sha256)
    }
    world.clock.advance(3600)
    expect((await fetch(file?.url ?? '', { headers: file?.headers ?? {} })).status).toBe(401)
  })
})

describe('what its log says', () => {
  it('is its heartbeat: begun, its step, its losses, its own deadline', async () => {
    await using world = await launched()
    world.clock.advance(7200) // in a queue
    await world.say(beat(3, { secondsLeft: 1700 }), beat(4, { secondsLeft: 1690 }))
    const heard = await world.follow()
    expect(heard).toMatchObject({ state: 'running', toStep: 4, enrolledAt: world.clock.now() })
    expect(heard.deadlineAt?.getTime()).toBe(world.clock.now().getTime() + 1_690_000)
    const rows = await world.db.all('select step, loss from metrics order by step')
    expect(rows.map(({ step }) => step)).toEqual([3, 4])
    expect((await world.run()).step).toBe(4)
  })

  it('is heard once, though it is read again and again and after a restart', async () => {
    await using world = await launched()
    await world.say(beat(1), beat(2))
    await world.follow()
    const first = (await world.session()).heardAt
    world.clock.advance(30)
    await world.follow()
    expect((await world.session()).heardAt).toEqual(first)
    world.restart()
    await world.follow()
    const rows = await world.db.all('select step from metrics')
    const begun = await world.db.all("select 1 from events where kind = 'session.enrolled'")
    expect([rows.length, begun.length]).toEqual([2, 1])
  })

  it('takes slots in once, in whatever order lines come', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    await fill(world.first, 1, 16)
    await world.say(
      { kind: 'slot', n: 7, filled: [0, 1] },
      { kind: 'slot', n: 5, filled: [0] },
      { ...beat(9), n: 6, filled: [0] },
    )
    await world.follow()
    expect(await world.committed()).toEqual([8, 16])
    world.restart()
    await world.follow()
    const told = await world.db.all("select 1 from events where kind = 'checkpoint.committed'")
    expect(told).toHaveLength(2)
    expect(world.troubles).toEqual([])
  })

  it.each([
    ['a line that is cut', '{"n": 1, "kind": "beat", "st'],
    ['wrong types', '{"n": "1", "kind": "beat", "step": "x", "secondsLeft": [], "filled": {}}'],
    ['a negative step', '{"n": 1, "kind": "beat", "step": -4, "secondsLeft": 9, "filled": []}'],
    ['a kind nobody knows', '{"n": 1, "kind": "shout", "filled": []}'],
    ['no object', '[[[[1]]]]'],
    ['endless brackets', '['.repeat(60_000)],
    ['more than any store has', '{"n": 1, "kind": "full", "bytes": 1e300, "filled": []}'],
    [
      'figures beyond all',
      '{"n": 1, "kind": "beat", "step": 1e999, "secondsLeft": 9, "filled": []}',
    ],
  ])('counts for nothing when it is %s, and what follows counts', async (_why, line) => {
    await using world = await launched()
    const { name } = await world.session()
    world.kaggle.logs.set(name, `RODIZIO_SEALED ${line}\n`)
    expect((await world.follow()).enrolledAt).toBeNull()
    expect(world.missing).toEqual([])
    await world.say(beat(3))
    expect((await world.follow()).toStep).toBe(3)
  })

  it.each([-5, -1e300, 1e300])(
    'a time of %d s left moves no deadline out of the cap',
    async (secondsLeft) => {
      await using world = await launched()
      await world.say(beat(1, { secondsLeft }))
      const { deadlineAt } = await world.follow()
      expect(deadlineAt?.getTime()).toBe(world.clock.now().getTime() + 1_800_000)
    },
  )

  it('may name slots that do not exist, or that nothing came to', async () => {
    await using world = await launched()
    await world.say({ kind: 'slot', filled: [0, 1, 77, 199] })
    await world.follow()
    expect(await world.committed()).toEqual([])
    expect(world.troubles).toEqual([])
  })
})

describe('its last word', () => {
  it('takes in before it what it stored, told of or not', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    await fill(world.first, 1, 16)
    await world.say({ ...report('limit', 16), filled: [0] })
    expect(await world.follow()).toMatchObject({ outcome: 'limit', lastCheckpointStep: 16 })
    expect(await world.committed()).toEqual([8, 16])
  })

  it('is finished with an artifact, and a mere stop without one', async () => {
    await using world = await launched()
    await fill(world.first, 0, 100)
    await world.say({ ...report('finished', 100), filled: [0] })
    expect(await world.follow()).toMatchObject({ outcome: 'limit' })
    world.clock.advance(60)
    await world.tick()
    const second = await world.order(2)
    expect(second.resume?.step).toBe(100)
    await fill(second, 2, 100)
    await world.say({ ...report('finished', 100), filled: [2] })
    expect(await world.follow()).toMatchObject({ outcome: 'finished' })
    expect((await world.run()).state).toBe('completed')
  })

  it('said twice, ends it once', async () => {
    await using world = await launched()
    await world.say(report('limit', 0), report('limit', 0))
    await world.follow()
    world.restart()
    await world.follow()
    const ends = await world.db.all("select 1 from events where kind = 'session.ended'")
    expect(ends).toHaveLength(1)
  })
})

describe('a manifest that lies', () => {
  const lies: [string, object][] = [
    ['another run', { run: 'run_two' }],
    ['another session', { session: 'ses_other' }],
    ['another generation', { generation: 9 }],
    ['another plan', { plan: { engine: 'dry', targetSteps: 100, seed: 8 } }],
    ['another kind', { kind: 'artifact' }],
    ['a step beyond the last', { step: 101 }],
    ['no files', { files: [] }],
    [
      'a name that leaves its folder',
      { files: [{ name: '../x', bytes: 1, sha256: '0'.repeat(64) }] },
    ],
  ]
  it.each(lies)('about %s is refused, and what stands is not touched', async (_what, changes) => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    await world.say({ kind: 'slot', filled: [0] })
    await world.follow()
    const before = world.stored().filter(({ path }) => path.startsWith('checkpoints/'))
    await fill(world.first, 1, 8, { text: manifestText(world.first, 8, changes) })
    await world.say({ kind: 'slot', filled: [0, 1] })
    await world.follow()
    await world.follow()
    expect(world.troubles).toHaveLength(1)
    expect(await world.committed()).toEqual([8])
    expect(world.stored().filter(({ path }) => path.startsWith('checkpoints/'))).toEqual(before)
    const [checkpoint] = await world.now().checkpoints.committed('run_one')
    expect(checkpoint && (await world.now().checkpoints.wholeFiles(checkpoint))).toHaveLength(3)
  })

  const files = (count: number, sha256 = sha256Hex('a')) =>
    Array.from({ length: count }, (_, at) => ({ name: `f${at}`, bytes: 1, sha256 }))
  it.each([
    ['is no JSON', () => '{'],
    ['is empty', () => ''],
    ['is larger than any', () => ' '.repeat(1_100_000)],
    ['has more files than the slot', (order) => manifestText(order, 8, { files: files(9) })],
    ['has other hashes', (order) => manifestText(order, 8, { files: files(2, '0'.repeat(64)) })],
    [
      'names a file twice',
      (order) => manifestText(order, 8, { files: [files(1), files(1)].flat() }),
    ],
  ] as [string, Parameters<typeof lieOf>[1]][])(
    'that %s makes no checkpoint, nor trouble twice',
    async (_what, lie) => {
      await using world = await launched()
      const text = lieOf(world.first, lie)
      await fill(world.first, 0, 8, { text })
      await world.say({ kind: 'slot', filled: [0] })
      await world.follow()
      await world.follow()
      expect(await world.committed()).toEqual([])
      expect(world.troubles).toHaveLength(1)
      expect(world.stored().filter(({ path }) => path.startsWith('checkpoints'))).toEqual([])
      await fill(world.first, 1, 16)
      await world.say({ kind: 'slot', filled: [0, 1] })
      await world.follow()
      expect(await world.committed()).toEqual([16])
    },
  )

  it('a step that came twice stands as it came first', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    const other = manifestText(world.first, 8, { metrics: { loss: 9 } })
    await fill(world.first, 1, 8, { text: other })
    await world.say({ kind: 'slot', filled: [0, 1] })
    await world.follow()
    const [checkpoint, ...more] = await world.now().checkpoints.committed('run_one')
    expect(more).toEqual([])
    expect(checkpoint?.manifestSha256).toBe(sha256Hex(manifestText(world.first, 8)))
    expect(checkpoint && (await world.now().checkpoints.wholeFiles(checkpoint))).toHaveLength(3)
  })

  it('the very same that came twice is one, and the other goes with the session', async () => {
    await using world = await launched()
    for (const slot of [0, 1]) await fill(world.first, slot, 8)
    await world.say({ ...report('limit', 8), filled: [0, 1] })
    await world.follow()
    await world.now().desk.sweep()
    expect(await world.committed()).toEqual([8])
    expect(world.stored().filter(({ bytes }) => bytes !== null)).toHaveLength(3)
    expect(world.troubles).toEqual([])
  })

  it('a file that is not there yet is waited for', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8, { skip: 'state.json' })
    await world.say({ kind: 'slot', filled: [0] })
    await world.follow()
    expect(await world.committed()).toEqual([])
    expect(world.troubles).toHaveLength(1)
    await put(world.first.slots[0]?.urls[2] ?? '', Buffer.from('state of step 8'))
    await world.follow()
    expect(await world.committed()).toEqual([8])
  })
})

const lieOf = (
  order: Parameters<typeof manifestText>[0],
  lie: (order: Parameters<typeof manifestText>[0]) => string,
): string => lie(order)

describe('a store that is full', () => {
  it('loses older checkpoints first, then says how much had no room', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    await fill(world.first, 1, 16)
    await world.say({ kind: 'slot', filled: [0, 1] })
    await world.follow()
    await world.say({ kind: 'full', bytes: 5000, filled: [0, 1] })
    await world.follow()
    expect(await world.committed()).toEqual([16])
    expect(world.missing).toEqual([])
    await world.say({ kind: 'full', bytes: 6000, filled: [0, 1] })
    await world.follow()
    await world.follow()
    expect(await world.committed()).toEqual([16])
    expect(world.missing).toEqual([6000])
  })

  it('is none any more once something was stored, though the line is read again', async () => {
    await using world = await launched()
    await fill(world.first, 0, 8)
    await fill(world.first, 1, 16)
    await world.say({ kind: 'full', bytes: 5000, filled: [] }, { kind: 'slot', filled: [0, 1] })
    await world.follow()
    world.restart()
    await world.follow()
    expect(await world.committed()).toEqual([8, 16])
    expect(world.missing).toEqual([])
  })
})

describe('a store that is away', () => {
  it.each([
    [
      'does not answer',
      (world) => world.emulator.admin.addFaults({ kind: 'status', status: 503, times: 50 }),
    ],
    [
      'refuses without a reason',
      (world) => world.emulator.admin.addFaults({ kind: 'status', status: 400, times: 50 }),
    ],
    [
      'is signed out',
      (world) => {
        world.google.isSignedOut = true
      },
    ],
    [
      'shows another client nothing',
      (world) => {
        world.google.clientId = 'another'
        world.restart()
      },
    ],
  ] as [string, (world: Awaited<ReturnType<typeof launched>>) => void][])(
    'because it %s is asked again, and nothing is lost',
    async (_why, goAway) => {
      await using world = await launched()
      await fill(world.first, 0, 8)
      await world.say(beat(8, { filled: [0] }), { ...report('limit', 8), filled: [0] })
      goAway(world)
      for (let look = 0; look < 3; look += 1) {
        world.clock.advance(20)
        await world.tick()
        await world.now().desk.sweep()
      }
      expect(await world.session()).toMatchObject({ endedAt: null, enrolledAt: expect.any(Date) })
      world.emulator.admin.clearFaults()
      Object.assign(world.google, { isSignedOut: false, clientId: 'mine' })
      world.restart()
      world.clock.advance(20)
      await world.tick()
      expect(await world.session(1)).toMatchObject({ outcome: 'limit', lastCheckpointStep: 8 })
      expect(await world.committed()).toEqual([8])
    },
  )
})
