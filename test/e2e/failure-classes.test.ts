import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Run } from '../../src/api/schemas.ts'
import { resolvePython } from '../../src/emulators/notebook-process.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { hiddenPlace, importRows } from './outside.ts'
import { freePort, type Place, until } from './service.ts'

/** A service over an emulated Kaggle, on whose machines notebooks go wrong as their runs are named. */
async function spoiledPlace(folder: string): Promise<Place> {
  const python = join(folder, 'python3')
  const standIn = fileURLToPath(new URL('spoiled_notebook.py', import.meta.url))
  // By its own path: the folder of the stand-in is the first on the path of what it starts.
  const real = resolvePython('python3')
  writeFileSync(python, `#!/bin/sh\nexec ${real} ${standIn} "$0" "$@"\n`)
  chmodSync(python, 0o755)
  const port = String(await freePort())
  const open = { RODIZIO_PORT: port, RODIZIO_PUBLIC_URL: `http://127.0.0.1:${port}` }
  const place = await hiddenPlace({ ...open, RODIZIO_STORE: 'folder', RODIZIO_PYTHON: python }, [])
  await importRows(place, 'few', 50)
  return place
}

/** How often each may be tried: a run for each, side by side, and an account for each attempt, for one that has failed waits. */
const attempts = {
  'bad-dataset': 1,
  'refused-plan': 1,
  'notebook-bug': 2,
  raises: 2,
  'damaged-checkpoint': 2,
  'never-enrolled': 2,
  'never-said-a-word': 2,
  'out-of-memory': 2,
  'no-gpu': 5,
  'dead-gpu': 5,
  'silent-failed': 5,
  'silent-complete': 5,
  frozen: 1,
} as const
type Kind = keyof typeof attempts

async function lend(place: Place, count: number, of: string): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    const name = `${of}-${n}`
    const key = 'c0ffee'.padEnd(32, '0')
    const rules = { acceptRules: true, provider: 'kaggle' } as const
    await place.client().addAccount({ name, owner: name, username: name, key, ...rules })
  }
}

const begin = (place: Place, name: string) =>
  place.client().startRun({
    name,
    dataset: 'few',
    steps: 30,
    options: { heartbeatSeconds: 1, sessionSeconds: name === 'frozen' ? 20 : 120 },
  })

describe('what follows when a notebook on an emulated machine fails', () => {
  const folder = temporaryFolder()
  let place: Place
  beforeAll(async () => {
    place = await spoiledPlace(folder.path)
    const kinds = Object.keys(attempts)
    await lend(place, Object.values(attempts).reduce((sum: number, n) => sum + n, 0) + 2, 'person')
    for (const kind of kinds) await begin(place, kind)
  }, 120_000)
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })

  const whenOver = (name: Kind): Promise<Run> =>
    until(`${name} to fail`, async () => {
      const run = await place.client().run(name)
      expect(run.state).not.toBe('completed')
      return run.state === 'failed' ? run : undefined
    })
  const outcomes = (run: Run) => run.sessions.map(({ outcome }) => outcome)

  it.each([
    ['bad-dataset', 'it was bad-dataset; session 1'],
    ['refused-plan', 'it was refused-plan; session 1'],
    ['notebook-bug', 'it was notebook-bug (2 sessions in a row'],
    ['raises', 'ValueError: a thing nobody thought of (2 sessions in a row'],
    ['damaged-checkpoint', 'it was damaged-checkpoint (2 sessions in a row'],
    ['never-enrolled', 'there is no such module on this machine (2 sessions in a row'],
    ['never-said-a-word', 'ended before it reached this service (2 sessions in a row'],
    ['no-gpu', 'it was no-gpu (5 sessions in a row'],
    ['dead-gpu', 'it was dead-gpu (5 sessions in a row'],
  ] as const)(
    '%s: is tried as often as may be, and the run says why it failed',
    async (name, failure) => {
      const run = await whenOver(name)
      expect(outcomes(run)).toEqual(Array(attempts[name]).fill('failed'))
      expect(new Set(run.sessions.map(({ account }) => account)).size).toBe(attempts[name])
      expect(run.failure).toContain(failure)
      const { out } = await place.run('train', 'show', name)
      expect(out).toContain(failure)
    },
  )

  it.each([
    ['silent-failed', 'preempted'],
    ['silent-complete', 'lost'],
  ] as const)('%s: the session is %s, and five of them end the run', async (name, outcome) => {
    const run = await whenOver(name)
    expect(outcomes(run)).toEqual(Array(5).fill(outcome))
    expect(run.failure).toContain('5 sessions in a row without a new checkpoint')
  })

  it('out-of-memory: once more with half the rows at once, then the run has failed', async () => {
    const run = await whenOver('out-of-memory')
    expect(run.sessions).toHaveLength(2)
    expect(run.options.rowsAtOnce).toBe(2)
    const { out } = await place.run('train', 'logs', 'out-of-memory')
    expect(out).toContain('ran out of memory: from now on 2 rows at once')
  })

  it('the tail of the log stands with the failure', async () => {
    const run = await whenOver('notebook-bug')
    expect(run.failure).toContain('the last words of the program')
  })

  it('frozen: given up at its deadline, charged in full', async () => {
    const session = await until('its session to end', async () => {
      const [first] = (await place.client().run('frozen')).sessions
      return first?.endedAt ? first : undefined
    })
    expect(session.outcome).toMatch(/^(lost|preempted)$/)
    expect(session.usedSeconds).toBe(20)
    await place.json('train', 'stop', 'frozen')
  })

  it.each([
    ['no-gpu', 6],
    ['dead-gpu', 6],
  ] as const)('%s: each account is left alone for %d h', async (name, hours) => {
    const run = await whenOver(name)
    const accounts = await place.client().accounts()
    for (const { account, endedAt } of run.sessions) {
      const held = accounts.find((one) => one.name === account)
      // Its other session may have found the same a moment later.
      expect(held?.holdReason).toMatch(/^it was (no|dead)-gpu$/)
      const seconds = (Date.parse(held?.holdUntil ?? '') - Date.parse(endedAt ?? '')) / 1000
      expect(seconds).toBeGreaterThanOrEqual(hours * 3600)
      expect(seconds).toBeLessThan(hours * 3600 + 120)
    }
  })

  it('access-expired: every account waits for an hour, and nothing is held against the run', async () => {
    for (const name of Object.keys(attempts)) await whenGone(place, name)
    for (const { name } of await place.client().accounts())
      await place.client().removeAccount(name, false)
    await lend(place, 6, 'late')
    await begin(place, 'access-expired')
    const run = await until('the run to wait', async () => {
      const seen = await place.client().run('access-expired')
      return seen.waiting && seen.sessions.length === 6 ? seen : undefined
    })
    expect(run).toMatchObject({ state: 'training', failure: null })
    expect(run.waiting).toContain('it was access-expired')
    const [account] = await place.client().accounts()
    expect(Date.parse(account?.holdUntil ?? '') - Date.now()).toBeGreaterThan(3_400_000)
  })
})

const whenGone = (place: Place, name: string) =>
  until(`${name} to be over`, async () => {
    const { state } = await place.client().run(name)
    return state === 'failed' || state === 'stopped'
  })
