import { cpSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { freshDatabase, migrations, start } from './fixture.ts'

const insert = 'insert into accepted_rules values ($1, $2)'

describe('a transaction', () => {
  it('is stored whole or not at all, and rejects with what went wrong', async () => {
    await using fresh = await freshDatabase()
    const { db } = fresh
    const failing = db.transaction(async (tx) => {
      await tx.run(insert, 'kaggle', start)
      throw new Error('half way')
    })
    await expect(failing).rejects.toThrow('half way')
    expect(await db.all('select * from accepted_rules')).toEqual([])
    await db.transaction((tx) => tx.run(insert, 'kaggle', start))
    expect(await db.first('select * from accepted_rules')).toEqual({
      provider: 'kaggle',
      accepted_at: start,
    })
  })

  it('lets nothing of others in between, and they have their turn after it', async () => {
    await using fresh = await freshDatabase()
    const { db } = fresh
    const order: string[] = []
    const slow = db
      .transaction(async (tx) => {
        await tx.run(insert, 'kaggle', start)
        await new Promise((resolve) => setImmediate(resolve))
        order.push('inside')
        throw new Error('undone')
      })
      .catch(() => undefined)
    const other = db.run(insert, 'local', start).then(() => order.push('after'))
    await Promise.all([slow, other])
    expect(order).toEqual(['inside', 'after'])
    expect(
      (await db.all('select provider from accepted_rules')).map((row) => row.provider),
    ).toEqual(['local'])
  })

  it('is on disk when it is done: another connection sees it', async () => {
    await using fresh = await freshDatabase()
    await fresh.db.run(insert, 'kaggle', start)
    const other = openSqlite(fresh.file)
    expect(await other.all('select * from accepted_rules')).toHaveLength(1)
    await other.close()
  })

  it('uses a value wherever its number stands, in any order', async () => {
    await using fresh = await freshDatabase()
    expect(await fresh.db.first('select $2 as b, $1 as a, $1 as c', 'x', 2)).toEqual({
      b: 2,
      a: 'x',
      c: 'x',
    })
  })

  it('keeps foreign keys', async () => {
    await using fresh = await freshDatabase()
    await expect(
      fresh.db.run('insert into credentials values ($1, $2, $3)', 'nobody', 's', start),
    ).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' })
  })
})

describe('a file that is no database', () => {
  it('is refused with what to do', () => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'rodizio.db')
    writeFileSync(file, 'this is a letter, and a rather long one'.repeat(100))
    expect(() => openSqlite(file)).toThrow(
      expect.objectContaining({ kind: 'internal', code: 'database_damaged' }),
    )
    expect(() => openSqlite(join(folder.path, 'none/rodizio.db'))).toThrow(
      expect.objectContaining({ kind: 'internal', next: expect.stringContaining('data folder') }),
    )
  })
})

describe('migrations', () => {
  const folderWith = (path: string, files: Record<string, string>) => {
    const folder = mkdtempSync(join(path, 'migrations-'))
    cpSync(migrations, folder, { recursive: true })
    for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, name), sql)
    return pathToFileURL(`${folder}/`)
  }

  it('are applied once, in order, and the newest ones alone later', async () => {
    await using fresh = await freshDatabase()
    const { db } = fresh
    await migrate(db, migrations, new Date(start))
    const more = folderWith(fresh.folder, {
      '0900_more.sql': "create table more (x text); -- why; not\ninsert into more values ('a');\n",
    })
    await migrate(db, more, new Date(start))
    await migrate(db, more, new Date(start))
    expect(await db.all('select x from more')).toEqual([{ x: 'a' }])
    expect(
      (await db.all('select number from migrations order by number')).map((row) => row.number),
    ).toEqual([...readdirSync(migrations).map((name) => Number(name.slice(0, 4))), 900])
  })

  it('that fail leave nothing of themselves', async () => {
    await using fresh = await freshDatabase()
    const broken = folderWith(fresh.folder, {
      '0900_more.sql': 'create table more (x text);\ninsert into nowhere values (1);\n',
    })
    await expect(migrate(fresh.db, broken, new Date(start))).rejects.toThrow('nowhere')
    expect(
      await fresh.db.first("select 1 as one from sqlite_master where name = 'more'"),
    ).toBeUndefined()
  })

  it('that were changed, or are newer than the program, are refused', async () => {
    await using fresh = await freshDatabase()
    const changed = folderWith(fresh.folder, { '0001_first.sql': 'select 1;' })
    await expect(migrate(fresh.db, changed, new Date(start))).rejects.toThrow(/was changed after/)
    await migrate(
      fresh.db,
      folderWith(fresh.folder, { '0900_more.sql': 'select 1;' }),
      new Date(start),
    ).catch(() => undefined)
    await fresh.db.run('insert into migrations values (901, $1, $1)', 'x')
    await expect(migrate(fresh.db, migrations, new Date(start))).rejects.toMatchObject({
      code: 'database_newer',
    })
  })
})
