import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { accountBook } from '../../src/store/account-book.ts'
import { refuseTurnedBackClock } from '../../src/store/clock-check.ts'
import { takeDataFolder, writeServiceFile } from '../../src/store/data-folder.ts'
import { insertEvent } from '../../src/store/event-rows.ts'
import { loadAdminToken, loadSecretKey } from '../../src/store/secret-files.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { accountOf, freshDatabase, start } from './fixture.ts'

const modeOf = (path: string) => statSync(path).mode & 0o777

describe('a data folder', () => {
  it('is made for its user alone and taken by one service; the next may have it after', () => {
    using folder = temporaryFolder()
    const root = join(folder.path, 'deep/data')
    const first = takeDataFolder(root)
    expect(modeOf(root)).toBe(0o700)
    writeServiceFile(root, {
      pid: 77,
      url: 'http://127.0.0.1:1',
      publicUrl: null,
      startedAt: start,
    })
    expect(() => takeDataFolder(root)).toThrow(
      expect.objectContaining({
        kind: 'conflict',
        code: 'folder_taken',
        message: expect.stringContaining('(pid 77, http://127.0.0.1:1)'),
      }),
    )
    first.release()
    takeDataFolder(root).release()
  })

  it('that cannot be made is refused with what to do', () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'file'), '')
    expect(() => takeDataFolder(join(folder.path, 'file/data'))).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        next: expect.stringContaining('RODIZIO_DATA_DIR'),
      }),
    )
  })
})

describe('secrets of a data folder', () => {
  it('are made once and readable by their user alone', () => {
    using folder = temporaryFolder()
    const made = loadAdminToken(folder.path)
    expect(made).toMatchObject({
      token: expect.stringMatching(/^rz_[A-Za-z0-9_-]{32}$/),
      made: true,
    })
    // Not shown yet, so not kept: the next start makes and shows one of its own.
    expect(loadAdminToken(folder.path).token).not.toBe(made.token)
    made.keep()
    expect(loadAdminToken(folder.path)).toMatchObject({ token: made.token, made: false })
    expect(modeOf(join(folder.path, 'token'))).toBe(0o600)
    const key = loadSecretKey(folder.path)
    expect(key.byteLength).toBe(32)
    expect(loadSecretKey(folder.path)).toEqual(key)
    expect(modeOf(join(folder.path, 'secret.key'))).toBe(0o600)
  })

  it('of accounts are sealed at rest, open again with the key, and are no use without it', async () => {
    await using fresh = await freshDatabase()
    const key = Buffer.alloc(32, 1)
    const book = accountBook(fresh.db, key, () => new Date(start))
    const credentials = { kind: 'key', username: 'ana', key: 'a-key-to-look-for' } as const
    await book.add(accountOf('ana'), credentials)
    expect(await book.credentials('ana')).toEqual(credentials)
    expect(await book.credentials('bia')).toBeUndefined()
    expect(await book.rulesAccepted('kaggle')).toBe(true)
    await book.renew('ana', { ...credentials, key: 'another' })
    expect(await book.credentials('ana')).toMatchObject({ key: 'another' })
    for (const file of [fresh.file, `${fresh.file}-wal`]) {
      if (existsSync(file)) expect(readFileSync(file).includes('a-key-to-look-for')).toBe(false)
    }
    const stranger = accountBook(fresh.db, Buffer.alloc(32, 2), () => new Date(start))
    await expect(stranger.credentials('ana')).rejects.toMatchObject({
      code: 'sealed_with_another_key',
    })
  })

  it('moved from one account to another do not open', async () => {
    await using fresh = await freshDatabase()
    const book = accountBook(fresh.db, Buffer.alloc(32, 1), () => new Date(start))
    for (const name of ['ana', 'bia']) {
      await book.add(accountOf(name), { kind: 'token', username: name, token: name })
    }
    await fresh.db.run(
      "update credentials set sealed = (select sealed from credentials where account = 'ana')",
    )
    await expect(book.credentials('bia')).rejects.toMatchObject({ kind: 'internal' })
  })
})

describe('a clock behind what the folder has seen', () => {
  it.each([
    ['an hour', '2026-03-10T11:00:00Z', true],
    ['five minutes', '2026-03-10T11:55:00Z', false],
    ['a second more', '2026-03-10T11:54:59Z', true],
    ['nothing', '2026-03-10T12:00:00Z', false],
    ['less than nothing', '2027-03-10T12:00:00Z', false],
  ])('by %s', async (_why, now, refused) => {
    await using fresh = await freshDatabase()
    await refuseTurnedBackClock(fresh.db, new Date(0)) // an empty folder has seen nothing
    await insertEvent(fresh.db, { kind: 'account.added' }, start)
    const check = refuseTurnedBackClock(fresh.db, new Date(now))
    if (refused) await expect(check).rejects.toMatchObject({ code: 'clock_turned_back' })
    else await check
  })
})
