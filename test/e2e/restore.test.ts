import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'
import { hiddenPlace, importRows } from './outside.ts'
import { completed, freePort, makePlace, until } from './service.ts'

const flags = '--session-max 14s --save-every 3s --heartbeat 1s --step-pace 0.2s'.split(' ')

const rowsOf = <T>(file: string, sql: string): T[] => {
  const db = new Sqlite(file, { readonly: true })
  try {
    return db.prepare(sql).all() as T[]
  } finally {
    db.close()
  }
}

interface Kept {
  readonly step: number
  readonly generation: number
}

/** Where the sessions of the emulated Kaggle report: to an address that outlives the machine, or nowhere, over Drive. */
const ways: readonly (readonly [string, () => Promise<Record<string, string>>])[] = [
  [
    'sessions that call',
    async () => {
      const port = await freePort()
      return { RODIZIO_PORT: String(port), RODIZIO_PUBLIC_URL: `http://127.0.0.1:${port}` }
    },
  ],
  ['sealed sessions', async () => ({})],
]

it.each(ways)(
  'a service restored from an older backup goes on, and shuts out who still works for the lost one: %s',
  async (_way, more) => {
    using folder = temporaryFolder()
    const key = join(folder.path, 'backup.key')
    writeFileSync(key, 'a passphrase of this test\n')
    await using lost = await hiddenPlace({ ...(await more()), RODIZIO_BACKUP_KEY_FILE: key })
    const same = Object.entries(lost.env).filter(
      ([name]) => /^(RODIZIO|GOOGLE)_/.test(name) && name !== 'RODIZIO_DATA_DIR',
    )
    await using again = await makePlace(Object.fromEntries(same))
    await importRows(lost, 'times', 200)
    const start = ['train', 'start', '--data', 'times', '--name', 'r', '--steps', '120']
    await lost.json(...start, ...flags)
    await until('a checkpoint', async () => (await lost.client().run('r')).checkpoints.length > 0)
    const { name } = await lost.json<{ name: string }>(
      'backup',
      'create',
      '--to',
      `folder:${folder.path}`,
    )
    const atBackup = (await lost.client().run('r')).sessions.at(-1)?.generation ?? 0
    // A later session, which the backup has never heard of, has saved something and still runs.
    await until('a later session with a checkpoint', async () => {
      const run = await lost.client().run('r')
      const live = run.sessions.at(-1)
      return (
        live !== undefined &&
        live.endedAt === null &&
        live.generation > atBackup &&
        run.checkpoints.some(({ generation }) => generation === live.generation)
      )
    })
    await lost.kill()
    const database = join(lost.data, 'rodizio.db')
    const [furthest] = rowsOf<Kept>(
      database,
      `select step, generation from checkpoints where state = 'committed' order by step desc limit 1`,
    )
    const restored = await lost.json<{ enterAnew: string[]; endedSessions: number }>(
      'restore',
      join(folder.path, name),
      '--into',
      again.data,
    )
    expect(restored.enterAnew).toEqual([])
    await again.start()
    const run = await completed(again, 'r')

    const later = run.sessions.filter(({ generation }) => generation > 1_000_000)
    expect(later.length).toBeGreaterThan(0)
    // What the unknown session had committed is not trained again.
    expect(later[0]?.fromStep).toBeGreaterThanOrEqual(furthest?.step ?? 1000)
    expect(run.sessions.every(({ endedAt }) => endedAt !== null)).toBe(true)
    await again.stop()
    const own = join(again.data, 'rodizio.db')
    // Whatever was taken since is of a generation that nobody had, but for what had been accepted before the loss.
    const foreign = rowsOf<Kept>(
      own,
      `select step, generation from checkpoints where generation > ${atBackup} and generation < 1000000`,
    )
    expect(foreign.length).toBeGreaterThan(0)
    expect(foreign.every(({ step }) => step <= (furthest?.step ?? 0))).toBe(true)
    const sum =
      "select sum(gpu_seconds) as n from ledger_entries where kind in ('reserve', 'release')"
    expect(rowsOf(own, sum)).toEqual([{ n: 0 }])
    const overlaps = rowsOf(
      own,
      `select 1 from sessions a join sessions b on a.run_id = b.run_id and a.id < b.id
     where a.launched_at < b.ended_at and b.launched_at < a.ended_at`,
    )
    expect(overlaps).toEqual([])
  },
)
