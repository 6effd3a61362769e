import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { expect, it } from 'vitest'
import type { Run } from '../../src/api/schemas.ts'
import { processStartedAt } from '../../src/lib/processes.ts'
import { hiddenPlace, importRows } from './outside.ts'
import { randomFrom } from './random-from.ts'
import { freePort, makePlace, type Place, until } from './service.ts'

interface EmulatorState {
  sessions: { slug: string; startedAt: string | null; endedAt: string | null; version: number }[]
}

const kills = 10

/** Where sessions report and checkpoints go: each way has its own moments to die in. */
const ways: readonly (readonly [name: string, open: () => Promise<Place>])[] = [
  ['checkpoints in a folder', () => startedPlace({ RODIZIO_STORE: 'folder' }, 3)],
  // Kaggle, Colab with its person, and this machine, all of them calling a public address.
  ['a public address, over Drive', async () => startedPlace(await publicAddress(), 4)],
  ['no address, on Kaggle alone', () => hiddenPlace()],
]

/** The address under which sessions reach the service is given, as it is behind a proxy. */
async function publicAddress(): Promise<Record<string, string>> {
  const port = await freePort()
  return { RODIZIO_PORT: String(port), RODIZIO_PUBLIC_URL: `http://127.0.0.1:${port}` }
}

async function startedPlace(env: Record<string, string>, accounts: number): Promise<Place> {
  const place = await makePlace({ RODIZIO_SAMPLE: 'off', ...env })
  await place.start()
  await until('the accounts', async () => (await place.client().accounts()).length === accounts)
  return place
}

it.each(ways)('survives kill -9 at ten random moments of a run: %s', async (_name, open) => {
  const seed = Date.now() % 100_000
  process.stdout.write(`kill moments from seed ${seed}\n`)
  const random = randomFrom(seed)
  await using place = await open()
  await importRows(place, 'times', 300)
  const flags = [
    '--steps',
    '260',
    '--session-max',
    '15s',
    '--save-every',
    '3s',
    '--heartbeat',
    '1s',
  ]
  const begin = ['train', 'start', '--data', 'times', '--name', 'hard', '--step-pace', '0.2s']
  await place.json(...begin, ...flags)

  for (let kill = 0; kill < kills; kill += 1) {
    await delay(500 + random() * 5000)
    await place.kill()
    await delay(random() * 1500)
    await place.start()
    expect((await place.client().sessions(true)).length).toBeLessThanOrEqual(1)
  }
  const run = await until(
    'the run to complete',
    async () => {
      const seen = await place.client().run('hard')
      expect(seen.state).not.toBe('failed')
      return seen.state === 'completed' ? seen : undefined
    },
    240_000,
  )
  expectEachGenerationOnce(run)
  await expectNoTwoAtOnce(place)
  await expectBooksAgree(place, run)
  await place.stop()
  await expectNoOrphans(place)
})

function expectEachGenerationOnce(run: Run): void {
  const generations = run.sessions.map(({ generation }) => generation)
  expect(generations).toEqual(generations.map((_, index) => index + 1))
  let reached = 0
  for (const session of run.sessions) {
    if (session.startedAt !== null && session.outcome !== 'cancelled') {
      expect(session.fromStep).toBe(reached)
    }
    reached = Math.max(reached, session.lastCheckpointStep ?? 0)
  }
  expect(reached).toBe(run.targetSteps)
}

/** What really ran: no session was started twice, and none began while another still trained. */
async function expectNoTwoAtOnce(place: Place): Promise<void> {
  const { sessions } = await place.emulator<EmulatorState>('GET', 'state')
  expect(new Set(sessions.map(({ slug }) => slug)).size).toBe(sessions.length)
  expect(sessions.every(({ version }) => version === 1)).toBe(true)
  const stays = sessions
    .flatMap(({ startedAt, endedAt }) =>
      startedAt && endedAt ? [[startedAt, endedAt] as const] : [],
    )
    .map(([start, end]) => [new Date(start).getTime(), new Date(end).getTime()] as const)
    .toSorted(([a], [b]) => a - b)
  for (const [index, [start]] of stays.entries()) {
    const before = stays[index - 1]
    // A notebook that has reported needs a moment to leave; it holds no run any more.
    if (before) expect(start).toBeGreaterThan(before[1] - 3000)
  }
}

/** The ledger equals the sum of what sessions used, by the started minute, and nothing stays reserved. */
async function expectBooksAgree(place: Place, run: Run): Promise<void> {
  for (const book of await place.client().budget()) {
    const used = run.sessions
      .filter(({ account }) => account === book.account)
      .reduce((sum, { usedSeconds }) => sum + Math.ceil((usedSeconds ?? 0) / 60) * 60, 0)
    expect(Math.round(book.usedHours * 3600)).toBe(used)
    expect(book.reservedHours).toBe(0)
    expect(book.leftHours).toBeGreaterThanOrEqual(0)
  }
}

async function expectNoOrphans(place: Place): Promise<void> {
  const db = new Sqlite(join(place.data, 'rodizio.db'), { readonly: true })
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(db.pragma('foreign_key_check')).toEqual([])
    const count = (sql: string) => (db.prepare(sql).get() as { n: number }).n
    expect(count('select count(*) n from sessions where ended_at is null')).toBe(0)
    expect(count('select count(*) n from sealed_files')).toBe(0)
    expect(
      count(`select count(*) n from sessions s where (select sum(case kind when 'reserve' then gpu_seconds
        when 'release' then gpu_seconds else 0 end) from ledger_entries l where l.session_id = s.id) <> 0`),
    ).toBe(0)
    expect(
      count(`select count(*) n from sessions s where not exists
        (select 1 from ledger_entries l where l.session_id = s.id and l.kind = 'reserve')`),
    ).toBe(0)
    const pids = db.prepare("select handle from sessions where provider = 'local'").all() as {
      handle: string | null
    }[]
    for (const { handle } of pids) {
      await until(
        'every process of a session to be gone',
        async () => !handle || processStartedAt(Number(handle)) === null,
      )
    }
  } finally {
    db.close()
  }
}
