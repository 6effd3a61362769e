import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Sqlite from 'better-sqlite3'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'
import { hiddenPlace, importRows, ownClient } from './outside.ts'
import { completed, until } from './service.ts'

const recorder = fileURLToPath(new URL('record-requests.mjs', import.meta.url))
const flags = [
  '--session-max',
  '14s',
  '--save-every',
  '3s',
  '--heartbeat',
  '1s',
  '--step-pace',
  '0.2s',
]

/** Everything that stands in the files of a folder. */
function* textsBelow(folder: string): Generator<[path: string, text: string]> {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    yield [path, readFileSync(path).toString('latin1')]
  }
}

const plainly = (text: string): RegExp =>
  new RegExp(text.replaceAll(/[^\w-]/g, (character) => `\\${character}`))

it('rotates over Kaggle alone, without an address, and no session ever calls', async () => {
  using folder = temporaryFolder()
  const log = join(folder.path, 'requests.log')
  writeFileSync(log, '')
  await using place = await hiddenPlace({
    NODE_OPTIONS: `--import ${recorder}`,
    REQUEST_LOG: log,
  })
  await importRows(place, 'times', 200)
  await place.json('train', 'start', '--data', 'times', '--name', 'r', '--steps', '120', ...flags)
  const run = await completed(place, 'r')
  expect(run.sessions.length).toBeGreaterThanOrEqual(2)
  expect(run.sessions.every(({ provider, sealed }) => provider === 'kaggle' && sealed)).toBe(true)
  expect(new Set(run.sessions.map(({ account }) => account)).size).toBe(2)
  expect(run.sessions.at(-1)?.outcome).toBe('finished')
  expect(run.artifact?.step).toBe(120)
  expect(run.losses.length).toBeGreaterThan(20)

  // What came in was this test and its commands.
  const requests = readFileSync(log, 'utf8').split('\n')
  expect(requests.some((line) => line === 'GET /v1/runs/r')).toBe(true)
  expect(requests.filter((line) => /\/v1\/(session|transfers)\//.test(line))).toEqual([])
  await place.stop()
  const db = new Sqlite(join(place.data, 'rodizio.db'), { readonly: true })
  try {
    expect(db.prepare('select 1 from sessions where token_hash is not null').all()).toEqual([])
    expect(db.prepare('select 1 from transfers').all()).toEqual([])
    expect(db.prepare('select 1 from sealed_files').all()).toEqual([])
  } finally {
    db.close()
  }

  // Notebooks know neither the service nor what opens Google's door for longer than an hour; nor does anything else.
  // The refresh token and those for an hour are known by their shape: Google itself keeps no more than that of them.
  const lasting = [
    /1\/\/[\w-]{20,}/,
    plainly(ownClient.GOOGLE_CLIENT_SECRET),
    plainly(place.token()),
  ]
  const forAnHour = [/ya29\.[\w-]{20,}/, /upload_id=\w/]
  let notebooks = 0
  for (const [path, text] of textsBelow(place.data)) {
    const name = path.slice(place.data.length + 1)
    if (name === 'emulators/google/state.json' || name === 'token') continue
    const isNotebook = name.endsWith('.ipynb') || name.startsWith('emulators/kaggle/sources')
    if (isNotebook) {
      notebooks += 1
      expect(text).not.toContain(`127.0.0.1:${new URL(place.url).port}`)
    }
    for (const secret of [...lasting, ...(isNotebook ? [] : forAnHour)])
      expect(secret.test(text), `${name} holds ${secret}`).toBe(false)
    if (isNotebook) for (const secret of forAnHour) expect(text).toMatch(secret)
  }
  expect(notebooks).toBeGreaterThan(0)
  expect(place.output()).not.toMatch(/ya29\.|upload_id=|planted-client-secret/)
  expect(existsSync(join(place.data, 'store/runs'))).toBe(false)
})

it('says of a stop what it can do, and of a session that died what it left', async () => {
  await using place = await hiddenPlace()
  await importRows(place, 'times', 100)
  await place.json('train', 'start', '--data', 'times', '--name', 'r', '--steps', '400', ...flags)
  const first = await until('a checkpoint and a living session', async () => {
    const run = await place.client().run('r')
    return run.checkpoints.length > 0 ? run.sessions.at(-1) : undefined
  })
  const { sessions } = await place.emulator<{ sessions: { slug: string }[] }>('GET', 'state')
  const { slug = '' } = sessions.at(-1) ?? {}
  expect(slug).toMatch(new RegExp(`-g${first.generation}$`))
  await place.emulator('POST', 'preempt', { session: slug })
  const second = await until('the next session to be heard', async () => {
    const run = await place.client().run('r')
    const next = run.sessions.find(({ generation }) => generation > first.generation)
    return next?.state === 'running' ? run : undefined
  })
  const dead = second.sessions.find(({ generation }) => generation === first.generation)
  expect(dead?.outcome).toBe('preempted')
  const stopped = await place.run('train', 'stop', 'r')
  expect(stopped.out).toMatch(
    /session \d+ on (ana|bia) runs until \d\d:\d\d, 1 min booked: this session takes no orders/,
  )
  const run = await until(
    'the run to stop',
    async () => {
      const seen = await place.client().run('r')
      return seen.state === 'stopped' ? seen : undefined
    },
    60_000,
  )
  expect(run.sessions.at(-1)?.outcome).toBe('limit')
  expect(run.step).toBeGreaterThan(dead?.lastCheckpointStep ?? 0)
})
