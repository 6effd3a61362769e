import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openStorage } from '../../src/app/storage.ts'
import { backupFolder } from '../../src/store/backup-folder.ts'
import { newestForm } from '../../src/store/migrate.ts'
import { openBackup, verifyBackup } from '../../src/store/read-backup.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { migrations, root } from '../store/backup-world.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { randomFrom } from './random-from.ts'
import { execute, program } from './service.ts'

const kills = 4

/** A data folder of some 12 MB that no service works on, and how the program is called on it. */
async function place() {
  const folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const storage = await openStorage(data, root, () => new Date(), false)
  storage.admin.keep()
  await storage.close()
  const db = openSqlite(join(data, 'rodizio.db'))
  await db.transaction(async (tx) => {
    for (let id = 1; id <= 3000; id += 1) {
      const noise = Math.random().toString(36).repeat(300)
      await tx.run(
        "insert into events values ($1, '2026-01-01T00:00:00.000Z', 'x', null, null, $2)",
        id,
        noise,
      )
    }
  })
  await db.close()
  const env = { PATH: process.env.PATH ?? '', RODIZIO_DATA_DIR: data, RODIZIO_EMULATORS: 'off' }
  /** Starts a command and kills it after so many milliseconds, if it has not ended before; whether it has. */
  const killed = async (afterMs: number, ...args: string[]) => {
    const child = spawn(process.execPath, [program, ...args], { env, stdio: 'ignore' })
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await Promise.race([gone, delay(afterMs)])
    child.kill('SIGKILL')
    return (await gone) !== 0
  }
  return {
    data,
    inPlace: (name: string) => join(folder.path, name),
    killed,
    run: (...args: string[]) => execute(process.execPath, [program, ...args, '--json'], env),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

/** How long a command takes here, start included. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

it('a backup that is killed at any moment is whole or not there, and one killed restore is begun anew', async () => {
  const seed = Date.now() % 100_000
  process.stdout.write(`kill moments from seed ${seed}\n`)
  const random = randomFrom(seed)
  using there = await place()
  const backups = join(there.data, 'backups')
  const createMs = await timed(() => there.run('backup', 'create'))
  let died = 0
  for (let kill = 0; kill < kills; kill += 1) {
    if (await there.killed((0.3 + 0.7 * random()) * createMs, 'backup', 'create')) died += 1
  }
  expect(died).toBeGreaterThan(0)
  const kept = backupFolder(backups)
  for (const name of await kept.names())
    await verifyBackup(await openBackup(kept, name, null, newestForm(migrations)))
  // What was half there is gone with the next one.
  expect((await there.run('backup', 'create')).code).toBe(0)
  expect(readdirSync(backups).filter((name) => name.startsWith('.'))).toEqual([])

  const [name = ''] = await kept.names()
  const path = join(backups, name)
  const restoreMs = await timed(() =>
    there.run('restore', path, '--into', there.inPlace('measured')),
  )
  for (let kill = 0; kill < kills; kill += 1) {
    const into = there.inPlace(`again-${kill}`)
    const words = ['restore', path, '--into', into]
    const wasKilled = await there.killed((0.3 + 0.7 * random()) * restoreMs, ...words)
    const open = () => openStorage(into, root, () => new Date(), false)
    const isMarked = existsSync(join(into, 'restoring.json'))
    if (wasKilled && isMarked)
      await expect(open()).rejects.toMatchObject({ code: 'restore_unfinished' })
    if (!existsSync(join(into, 'rodizio.db')) || isMarked) {
      const { code, err } = await there.run(...words)
      expect(err).toBe('')
      expect(code).toBe(0)
    }
    await (await open()).close()
    expect(readdirSync(into).filter((one) => one.startsWith('.restor'))).toEqual([])
  }
})
