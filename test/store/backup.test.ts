import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import Sqlite from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { backupFolder } from '../../src/store/backup-folder.ts'
import { newestForm } from '../../src/store/migrate.ts'
import {
  checkUnpacked,
  openBackup,
  unpackBackup,
  verifyBackup,
} from '../../src/store/read-backup.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { mayMount, smallDisk } from '../small-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { backupWorld, migrations, passphrase, valueIn } from './backup-world.ts'

const verifyIn = async (folder: string, name: string, secret: string | null) =>
  verifyBackup(await openBackup(backupFolder(folder), name, secret, newestForm(migrations)))

describe('a copy of the database', () => {
  it('holds what was committed before it began, whole, while writers go on and are not held up', async () => {
    using folder = temporaryFolder()
    const db = openSqlite(join(folder.path, 'a.db'))
    await db.run('create table books (id integer primary key, amount integer not null, text text)')
    const blob = 'x'.repeat(3000)
    const put = (id: number) =>
      db.transaction(async (tx) => {
        // The two halves of a booking: never one without the other.
        await tx.run('insert into books values ($1, 7, $2)', 2 * id, blob)
        await Promise.resolve()
        await tx.run('insert into books values ($1, -7, $2)', 2 * id + 1, blob)
      })
    for (let id = 0; id < 2000; id += 1) await put(id)
    let writing = true
    let id = 2000
    let slowestMs = 0
    const writer = (async () => {
      while (writing) {
        const began = performance.now()
        await put(id)
        slowestMs = Math.max(slowestMs, performance.now() - began)
        id += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    // Begun with a transaction open: SQLite says of that moment that nothing is left to copy.
    const open = db.transaction(async (tx) => {
      await tx.run('insert into books values (1000000, 7, $1)', blob)
      await delay(50)
      await tx.run('insert into books values (1000001, -7, $1)', blob)
    })
    await db.copyTo(join(folder.path, 'copy.db'))
    const during = id - 2000
    writing = false
    await Promise.all([writer, open])
    await db.close()
    const copy = join(folder.path, 'copy.db')
    expect(valueIn(copy, 'pragma integrity_check')).toBe('ok')
    expect(valueIn(copy, 'select count(*) from books where id < 4000')).toBe(4000)
    expect(valueIn(copy, 'select sum(amount) from books')).toBe(0)
    expect(during).toBeGreaterThan(10)
    expect(slowestMs).toBeLessThan(1000)
  })
})

describe('a backup', () => {
  it('is whole with and without a key, and read to its last byte', async () => {
    await using world = await backupWorld()
    for (const secret of [null, passphrase]) {
      const { name } = await world.make(secret)
      await verifyBackup(await world.open(name, secret))
      expect(await world.kept.names()).toContain(name)
    }
  })

  it('has no secret in clear: without a key they are not in it, with one they are sealed', async () => {
    await using world = await backupWorld()
    const secrets = [readFileSync(join(world.data, 'secret.key'), 'utf8').trim(), world.token]
    writeFileSync(join(world.data, 'config.env'), 'RODIZIO_SMTP_URL=smtps://a:hunter2@b\n')
    const plain = await world.make(null)
    const sealed = await world.make(passphrase)
    const textOf = (name: string) =>
      readdirSync(join(world.folder, name))
        .map((file) => {
          const bytes = readFileSync(join(world.folder, name, file))
          return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1')
        })
        .join('\n')
    for (const secret of [...secrets, 'hunter2']) {
      expect(textOf(plain.name)).not.toContain(secret)
      expect(textOf(sealed.name)).not.toContain(secret)
    }
    expect(textOf(plain.name)).toContain('resposta 7') // else nothing was looked at
    expect(textOf(sealed.name)).not.toContain('resposta 7')
    expect(plain.leftOut.join(' ')).toContain('secret.key')
    expect(sealed.files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['rodizio.db', 'secret.key', 'token', 'config.env']),
    )
  })

  it.each([
    ['without a key', null],
    ['encrypted', passphrase],
  ])('is refused with a byte changed, a file cut, or one missing: %s', async (_how, secret) => {
    await using world = await backupWorld()
    const { name } = await world.make(secret)
    const all = readdirSync(join(world.folder, name))
    // To make the key takes a quarter of a second each time.
    const files = secret === null ? all : all.filter((file) => /^(manifest|database)/.test(file))
    for (const file of files) {
      const size = statSync(join(world.folder, name, file)).size
      const few = [0, Math.floor(size / 2), size - 1]
      const places = secret === null ? [...few, 1, 9, Math.floor(size / 3), size - 9] : few
      for (const at of new Set(places.filter((place) => place >= 0 && place < size))) {
        const folder = await world.copyOf(name)
        const path = join(folder, name, file)
        const bytes = readFileSync(path)
        bytes[at] = (bytes[at] ?? 0) ^ 1
        writeFileSync(path, bytes)
        await expect(verifyIn(folder, name, secret), `${file} at ${at}`).rejects.toMatchObject({
          kind: 'invalid',
        })
        rmSync(folder, { recursive: true })
      }
      for (const spoil of [
        (path: string) => truncateSync(path, size - 1),
        (path: string) => truncateSync(path, 0),
        (path: string) => writeFileSync(path, 'more', { flag: 'a' }),
        (path: string) => rmSync(path),
      ]) {
        const folder = await world.copyOf(name)
        spoil(join(folder, name, file))
        await expect(verifyIn(folder, name, secret), file).rejects.toThrow(/damaged|no backup/)
        rmSync(folder, { recursive: true })
      }
    }
  })

  it.each([
    ['another key', passphrase, `${passphrase}!`, 'backup_key_wrong'],
    ['no key', passphrase, null, 'backup_key_missing'],
  ])('is refused with %s', async (_what, made, given, code) => {
    await using world = await backupWorld()
    const { name } = await world.make(made)
    await expect(world.open(name, given)).rejects.toMatchObject({ code })
  })

  it('is refused with a manifest that somebody has edited and hashed anew, where it is encrypted', async () => {
    await using world = await backupWorld()
    const { name } = await world.make(passphrase)
    const path = join(world.folder, name, 'manifest.json')
    const { seal: _, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    const edited = { ...rest, leftOut: [] }
    const { createHash } = await import('node:crypto')
    const seal = createHash('sha256').update(JSON.stringify(edited)).digest('hex')
    writeFileSync(path, `${JSON.stringify({ ...edited, seal })}\n`)
    await expect(world.open(name, passphrase)).rejects.toMatchObject({ code: 'backup_damaged' })
  })

  it('is refused by a program that is older than its database', async () => {
    await using world = await backupWorld()
    const { name } = await world.make()
    await expect(openBackup(world.kept, name, null, 24)).rejects.toMatchObject({
      code: 'backup_newer',
    })
  })

  it.runIf(mayMount())('leaves nothing behind on a full disk, and says so', async () => {
    await using world = await backupWorld()
    using disk = smallDisk('200k')
    const root = disk?.path ?? ''
    const { makeBackup } = await import('../../src/store/make-backup.ts')
    const made = makeBackup(
      {
        root: world.data,
        copyDatabase: world.storage.copyDatabase,
        version: '1',
        store: 'folder',
        adapters: null,
        passphrase: null,
        now: () => world.clock.now(),
      },
      backupFolder(root),
      { folder: root, isOurs: true },
    )
    await expect(made).rejects.toMatchObject({ code: 'disk_full' })
    expect(readdirSync(root)).toEqual([])
  })
})

describe('a drill', () => {
  const drill = async (world: Awaited<ReturnType<typeof backupWorld>>, name: string) => {
    const backup = await world.open(name)
    const scratch = world.inPlace('scratch')
    rmSync(scratch, { recursive: true, force: true })
    await unpackBackup(backup, scratch)
    await checkUnpacked(backup, scratch)
  }

  it('finds a good one good', async () => {
    await using world = await backupWorld()
    await world.storage.audit.add({ who: 'admin', what: 'POST /v1/runs', outcome: 200 })
    const { name, rows, audit } = await world.make()
    expect(rows).toMatchObject({ dataset_names: 1, audit_log: 1 })
    expect(audit?.number).toBe(1)
    await drill(world, name)
  })

  it.each<[string, (db: Sqlite.Database, file: string) => void]>([
    [
      'a page that was damaged before',
      (db, file) => {
        db.exec("insert into events values (99, '2026', 'x', 'run_of_some_length', null, '{}')")
        const page = db
          .prepare("select rootpage from sqlite_schema where name = 'events_by_run'")
          .pluck()
          .get() as number
        const size = db.pragma('page_size', { simple: true }) as number
        db.close()
        const bytes = readFileSync(file)
        // A key in an index: counting rows does not meet it.
        bytes.fill(0x61, page * size - 8, page * size - 2)
        writeFileSync(file, bytes)
      },
    ],
    [
      'a row that leads nowhere',
      (db) => {
        db.pragma('foreign_keys = off')
        db.exec("insert into dataset_names values ('lost', 'ds_gone', '2026', 0)")
      },
    ],
    ['an audit log that was written into', (db) => db.exec("update audit_log set who = 'nobody'")],
  ])('refuses a database with %s', async (_what, spoil) => {
    await using world = await backupWorld()
    await world.storage.audit.add({ who: 'admin', what: 'POST /v1/runs', outcome: 200 })
    const { makeBackup } = await import('../../src/store/make-backup.ts')
    const { name } = await makeBackup(
      {
        root: world.data,
        version: '1',
        store: 'folder',
        adapters: null,
        passphrase: null,
        now: () => world.clock.now(),
        async copyDatabase(to) {
          await world.storage.copyDatabase(to)
          const db = new Sqlite(to)
          db.pragma('journal_mode = delete')
          spoil(db, to)
          if (db.open) db.close()
        },
      },
      world.kept,
      { folder: world.folder, isOurs: true },
    )
    await expect(drill(world, name)).rejects.toMatchObject({ code: 'backup_database_damaged' })
  })
})
