import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStorage } from '../../src/app/storage.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { generationAfterRestore } from '../../src/rotation/engine/restored.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { sessionGate } from '../../src/store/session-gate.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { backupWorld, passphrase, root, valueIn } from './backup-world.ts'
import { markLaunching, markStarted, planSession } from './by-hand.ts'
import { accountOf, HOUR, plannedOf, runOf, seed } from './fixture.ts'

/** A run with a session of four hours on a Kaggle account, enrolled, with an address to send to, at the moment of the backup. */
async function lostWorld() {
  const world = await backupWorld()
  const now = () => world.clock.now()
  const db = openSqlite(join(world.data, 'rodizio.db'))
  const account = accountOf('ana')
  const run = runOf('one')
  await seed(db, [account], [run])
  const store = rotationStore(db, now)
  const gate = sessionGate(db, now)
  const planned = plannedOf(run, account, now(), 4 * HOUR)
  await planSession(store, planned)
  await markLaunching(store, planned.id, sha256Hex('ticket'))
  await markStarted(store, planned.id, planned.name)
  await gate.enrol({ ticket: sha256Hex('ticket'), nonce: 'nonce', token: sha256Hex('token') })
  await gate.issue([
    {
      tokenHash: 'url',
      sessionId: planned.id,
      direction: 'upload',
      path: 'store/x',
      bytes: 1,
      sha256: 'x',
    },
  ])
  const { name } = await world.make(passphrase)
  await db.close()
  return { ...world, world, planned, run, name, into: world.inPlace('again') }
}

describe('a generation after a restore', () => {
  it('is beyond all that the lost time can have given out, and what an earlier restore has', () => {
    const backup = 12
    const first = generationAfterRestore(backup, new Date('2026-11-22T12:00:00Z'))
    expect(first).toBeGreaterThan(backup + 100_000)
    // From the same backup an hour later, after ten sessions a minute: never one of those again.
    const second = generationAfterRestore(backup, new Date('2026-11-22T13:00:00Z'))
    expect(second).toBeGreaterThanOrEqual(first + 600)
    // With a clock that is years behind it still goes up.
    expect(generationAfterRestore(first, new Date('2020-01-01T00:00:00Z'))).toBe(first + 1000)
  })
})

describe('a restore', () => {
  it('ends the sessions that were open, shuts out what they hold, and lets their run go on', async () => {
    const { world, planned, run, name, into, clock } = await lostWorld()
    await using _world = world
    clock.advance(3 * 3600)
    const done = await world.restore(name, into, passphrase)
    expect(done).toMatchObject({ endedSessions: 1, runs: 1, aside: null })
    const storage = await openStorage(into, root, () => clock.now(), false)
    const { gate, rotation, look } = storage
    const held = { id: planned.id, generation: planned.generation }
    const answer = await gate.heartbeat(held, { step: 9, phase: 'train', history: [] })
    expect(answer.order).toBe('fenced')
    await expect(
      gate.enrol({ ticket: sha256Hex('ticket'), nonce: 'nonce', token: 'new' }),
    ).rejects.toMatchObject({ code: 'session_ended' })
    expect(await gate.transfer('url')).toMatchObject({ spent: true, current: false })
    const after = await look.run(run.name)
    expect(after?.state).toBe('training')
    expect(after?.generation).toBeGreaterThan(1_000_000)
    expect(after?.failures).toBe(run.failures)
    // The next session is of a generation that nobody had.
    const account = accountOf('ana')
    const next = plannedOf(after ?? run, account, clock.now(), HOUR)
    expect(await planSession(rotation, next)).toBe(true)
    const events = await look.events(0, 200)
    expect(events.map(({ kind }) => kind)).toContain('service.restored')
    const [line] = await storage.audit.newest(1, null)
    expect(line).toMatchObject({ who: 'restore', what: `restored ${name}` })
    expect((await storage.audit.verify()).kind).toBe('whole')
    await storage.close()
  })

  it('charges a session that nobody can say has stopped as it was booked', async () => {
    const { world, planned, name, into, clock } = await lostWorld()
    await using _world = world
    clock.advance(600)
    await world.restore(name, into, passphrase)
    const sum = (kinds: string) =>
      valueIn(
        join(into, 'rodizio.db'),
        `select sum(gpu_seconds) from ledger_entries where session_id = '${planned.id}' and kind in (${kinds})`,
      )
    expect(sum("'reserve', 'release'")).toBe(0)
    expect(sum("'settle'")).toBe(4 * HOUR)
  })

  it('never gives a version of an adapter out again that the lost time may have given out', async () => {
    const { world, name, into, clock } = await lostWorld()
    await using _world = world
    clock.advance(24 * 3600)
    await world.restore(name, into, passphrase)
    expect(valueIn(join(into, 'rodizio.db'), 'select adapters_from from restores')).toBe(154)
  })

  it('brings the secrets back with the key, and names what has to be entered anew without', async () => {
    const { world, name, into } = await lostWorld()
    await using _world = world
    const db = openSqlite(join(world.data, 'rodizio.db'))
    await db.run("insert into credentials values ('ana', 'v1.x.y.z', '2026')")
    await db.close()
    await world.restore(name, into, passphrase)
    const read = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8')
    expect(read(into, 'secret.key')).toBe(read(world.data, 'secret.key'))
    expect(read(into, 'token').trim()).toBe(world.token)
    const plain = await world.make(null)
    const other = world.inPlace('plain')
    const done = await world.restore(plain.name, other)
    expect(done.sealed).toEqual(['account ana'])
    expect(existsSync(join(other, 'secret.key'))).toBe(false)
    expect(existsSync(join(other, 'token'))).toBe(false)
  })

  it('does not send again what was on its way, keeps it at hand under its id, and tells of itself', async () => {
    const { world, into, clock } = await lostWorld()
    await using _world = world
    const at = clock.now().toISOString()
    const db = openSqlite(join(world.data, 'rodizio.db'))
    await db.run(
      `insert into envelopes (id, channel, number, kind, subject, body, headers, message_id, refs, recipients,
         created_at, state, tried_from, attempts, next_at)
       values ('env_1', 'mail', 1, 'alert', 's', 'b', '{}', '<1@x>', '[]', '[]', $1, 'waiting', $1, 0, $1)`,
      at,
    )
    await db.run(
      "insert into alerts values ('old', 'node-down', 'n', $1, $1, null, '{}', 'waiting')",
      at,
    )
    await db.close()
    const { name } = await world.make(passphrase)
    clock.advance(60)
    expect(await world.restore(name, into, passphrase)).toMatchObject({ parkedMessages: 1 })
    const one = (sql: string) => valueIn(join(into, 'rodizio.db'), sql)
    expect(one("select state || message_id from envelopes where id = 'env_1'")).toBe('parked<1@x>')
    expect(one("select state from alerts where id = 'old'")).toBe('silenced')
    expect(one("select state from alerts where kind = 'service-restored'")).toBe('waiting')
    expect(one("select state from alerts where kind = 'session-lost'")).toBe('waiting')
  })
})

describe('the folder of a restore', () => {
  it('is refused when it holds anything, and left as it was', async () => {
    const { world, name, into } = await lostWorld()
    await using _world = world
    mkdirSync(into)
    writeFileSync(join(into, 'letters.txt'), 'dear')
    await expect(world.restore(name, into, passphrase)).rejects.toMatchObject({
      code: 'folder_not_empty',
    })
    expect(readdirSync(into)).toEqual(['letters.txt'])
  })

  it('is never one that a service works on, not even with --force', async () => {
    const { world, name } = await lostWorld()
    await using _world = world
    await expect(world.restore(name, world.data, passphrase, true)).rejects.toMatchObject({
      code: 'folder_taken',
    })
    expect(existsSync(join(world.data, 'restoring.json'))).toBe(false)
  })

  it('keeps what stood there with --force, the store and other files where they are', async () => {
    const { world, name, into } = await lostWorld()
    await using _world = world
    mkdirSync(join(into, 'store'), { recursive: true })
    writeFileSync(join(into, 'rodizio.db'), 'older')
    writeFileSync(join(into, 'store', 'weights'), 'w')
    writeFileSync(join(into, 'service.log'), 'log')
    const { aside } = await world.restore(name, into, passphrase, true)
    expect(readFileSync(join(aside ?? '', 'rodizio.db'), 'utf8')).toBe('older')
    expect(readFileSync(join(into, 'store', 'weights'), 'utf8')).toBe('w')
    expect(readFileSync(join(into, 'service.log'), 'utf8')).toBe('log')
    expect(valueIn(join(into, 'rodizio.db'), 'select count(*) from restores')).toBe(1)
  })

  it('keeps its own key and token where the backup has none, and gives them up for those it has', async () => {
    const { world, name, into } = await lostWorld()
    await using _world = world
    const { name: plain } = await world.make(null)
    mkdirSync(into)
    writeFileSync(join(into, 'secret.key'), 'of this folder')
    expect(await world.restore(plain, into, null, true)).toMatchObject({ hasKey: true })
    const key = () => readFileSync(join(into, 'secret.key'), 'utf8')
    expect(key()).toBe('of this folder')
    const { aside } = await world.restore(name, into, passphrase, true)
    expect(key()).toBe(readFileSync(join(world.data, 'secret.key'), 'utf8'))
    expect(readFileSync(join(aside ?? '', 'secret.key'), 'utf8')).toBe('of this folder')
  })

  it('is not there when the backup is not whole', async () => {
    const { world, name, into } = await lostWorld()
    await using _world = world
    rmSync(join(world.folder, name, 'database.gz.sealed'))
    await expect(world.restore(name, into, passphrase)).rejects.toMatchObject({
      code: 'backup_damaged',
    })
    expect(existsSync(into)).toBe(false)
  })

  it('is not there when its database was damaged before it was copied', async () => {
    const { world, into } = await lostWorld()
    await using _world = world
    const db = openSqlite(join(world.data, 'rodizio.db'))
    await world.storage.audit.add({ who: 'admin', what: 'POST /v1/runs', outcome: 200 })
    await db.run("update audit_log set who = 'nobody'")
    await db.close()
    const { name } = await world.make()
    await expect(world.restore(name, into)).rejects.toMatchObject({
      code: 'backup_database_damaged',
    })
    expect(existsSync(into)).toBe(false)
  })

  it('is refused by a service while a restore is half done, until it was begun anew and ended', async () => {
    const { world, name, into, clock } = await lostWorld()
    await using _world = world
    mkdirSync(into)
    const marker = { backup: name, aside: 'before-restore-1', found: [] }
    writeFileSync(join(into, 'restoring.json'), JSON.stringify(marker))
    writeFileSync(join(into, 'rodizio.db'), 'half')
    const open = () => openStorage(into, root, () => clock.now(), false)
    await expect(open()).rejects.toMatchObject({ code: 'restore_unfinished' })
    await world.restore(name, into, passphrase)
    await (await open()).close()
    expect(existsSync(join(into, 'before-restore-1'))).toBe(false)
  })

  it('is not made with a clock that stands before the backup', async () => {
    const { world, name, into, clock } = await lostWorld()
    await using _world = world
    clock.set('2026-11-20T00:00:00Z')
    await expect(world.restore(name, into, passphrase)).rejects.toMatchObject({
      code: 'clock_turned_back',
    })
    expect(existsSync(into)).toBe(false)
  })
})
