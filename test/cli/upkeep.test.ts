import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
/** A run of one short session on this machine, over by now, in front of everything that follows. */
beforeAll(async () => {
  service = await runningService({ RODIZIO_TICK_SECONDS: '0.2' })
  await service.importRows('piloto', 40)
  await service.importRows('other', 20)
  const client = rodizioClient({ url: service.url, token: service.adminToken })
  const here = { name: 'here', owner: 'Eva', provider: 'local' as const, acceptRules: true }
  await client.addAccount({ ...here, zone: 'Europe/Lisbon', waking: { from: 9, to: 22 } })
  const rui = { name: 'rui', owner: 'Rui', provider: 'colab' as const, acceptRules: true }
  await client.addAccount(rui)
  const options = { heartbeatSeconds: 0.2, sessionSeconds: 60, minSessionSeconds: 5 }
  await client.startRun({ name: 'short', dataset: 'piloto', steps: 2, options })
  await vi.waitUntil(async () => (await client.run('short')).state === 'completed', {
    timeout: 60_000,
    interval: 100,
  })
}, 90_000)
afterAll(() => service[Symbol.asyncDispose]())

const { run, json } = commandLine(() => service)

it('sessions are told by the names of their runs, and chosen by account and run', async () => {
  const { out } = await run('sessions')
  expect(out).toMatch(/^short +1 +here \(local\) +finished +0 → 2/m)
  expect((await json('sessions', '--account', 'here')).items).toMatchObject([{ run: 'short' }])
  expect((await json('sessions', '--run', 'short')).items).toHaveLength(1)
  expect((await run('sessions', '--account', 'rui')).out).toBe('No sessions.\n')
  expect((await run('sessions', '--open')).out).toBe('No sessions.\n')
  expect(await run('sessions', '--account', 'nobody')).toMatchObject({
    status: 3,
    err: expect.stringContaining('there is no account nobody (account_unknown)'),
  })
  expect((await run('sessions', '--run', 'nothing')).err).toContain('run_unknown')
})

it('budget tells both books and which of them binds; corrections by hand are in it', async () => {
  const adjusted = await run('budget', 'adjust', 'here', '-2.5', '--note', 'a notebook by hand')
  expect(adjusted).toMatchObject({ status: 0, err: '' })
  expect(adjusted.out).toMatch(/^Account here was charged 2\.50 h\.\nACCOUNT +PROVIDER +USED/)
  expect((await run('budget')).out).toMatch(
    /^here +local +0\.02 h +0\.00 h +-2\.50 h +165\.5 h .* none +ours$/m,
  )
  const { items } = await json('budget')
  expect(items[0]).toMatchObject({ adjustedHours: -2.5, providerLeftHours: null, binds: 'own' })
  expect(items[0].mayPlanHours).toBe(items[0].leftHours)
  expect(await json('budget', 'adjust', 'here', '2.5')).toMatchObject({ adjustedHours: 0 })
  expect((await run('budget', '--json', 'adjust', 'here', '-1')).out).toMatch(/^\{"account":"here"/)
  expect((await run('budget', 'adjust', 'here', '1')).status).toBe(0)
  expect(await run('budget', 'adjust', 'here', '-200')).toMatchObject({
    status: 2,
    err: expect.stringContaining('hours: -200 h are more than a week has (hours_absurd)'),
  })
  expect((await run('budget', 'adjust', 'here', 'much')).err).toContain('"much" is no number')
  expect((await run('budget', 'adjust', 'nobody', '-1')).status).toBe(3)
})

it('the same Idempotency-Key corrects once, and another request with it is refused', async () => {
  const client = rodizioClient({ url: service.url, token: service.adminToken })
  const first = await client.adjustBudget('rui', { hours: -3 }, 'key-of-this-correction')
  expect(await client.adjustBudget('rui', { hours: -3 }, 'key-of-this-correction')).toEqual(first)
  await expect(
    client.adjustBudget('rui', { hours: -4 }, 'key-of-this-correction'),
  ).rejects.toMatchObject({ code: 'idempotency_key_reused' })
  expect((await client.account('rui')).budget).toMatchObject({ adjustedHours: -3 })
})

it('accounts tell their owner, zone and rules, one of them all of it', async () => {
  expect((await run('accounts', 'list')).out).toMatch(
    /^here +local +Eva +Europe\/Lisbon +9–22 h +168\.0 h +12\.0 h +the service +accepted 20/m,
  )
  expect(await json('accounts', 'show', 'here')).toMatchObject({
    owner: 'Eva',
    zone: 'Europe/Lisbon',
    wakingFrom: 9,
    wakingTo: 22,
    removedAt: null,
    budget: { account: 'here' },
    sessions: [{ run: 'short', outcome: 'finished' }],
    absences: [],
  })
  expect((await run('accounts', 'show', 'here')).out).toContain(
    'lent by Eva, Europe/Lisbon, to be asked 9–22 h',
  )
  expect((await run('accounts', 'show', 'nobody')).status).toBe(3)
  const add = ['accounts', 'add', 'rui', '--provider', 'colab', '--owner', 'Rui']
  expect(await run(...add, '--zone', 'Lisbon')).toMatchObject({
    status: 2,
    err: expect.stringContaining('zone: there is no time zone "Lisbon" (zone_unknown)'),
  })
  expect((await run(...add, '--waking', '8')).err).toContain('--waking: "8" are no hours')
  expect((await run(...add, '--zone', 'Europe/Madrid', '--waking', '10-24')).status).toBe(0)
  expect(await json('accounts', 'show', 'rui')).toMatchObject({
    zone: 'Europe/Madrid',
    wakingTo: 24,
  })
})

it('who is away is noted, told in their own zone, and taken back', async () => {
  const { out, status } = await run(
    'away',
    'Eva',
    '--from',
    '2199-12-24',
    '--to',
    '2199-12-26T18:00',
  )
  expect(status).toBe(0)
  expect(out).toContain('Eva is away from 2199-12-24 00:00 to 2199-12-26 18:00 (Europe/Lisbon).')
  const { items } = await json('away', 'list')
  expect(items).toMatchObject([
    { owner: 'Eva', from: '2199-12-24T00:00:00.000Z', zone: 'Europe/Lisbon' },
  ])
  expect((await run('accounts', 'show', 'here')).out).toContain('away 2199-12-24 00:00')
  expect((await run('away', 'list')).out).toMatch(
    /^away_\w+ +Eva +2199-12-24 00:00 +2199-12-26 18:00/m,
  )
  expect(await json('away', 'rm', items[0].id)).toMatchObject({ owner: 'Eva' })
  expect((await run('away', 'list')).out).toBe('Nobody is away.\n')
  expect((await run('away', 'rm', items[0].id)).status).toBe(3)
  expect((await run('away', 'Eva', '--from', '2199-12-24')).err).toContain('away: --to is missing')
  expect((await run('away', 'Ida', '--from', '2199-12-24', '--to', '2199-12-26')).status).toBe(3)
  expect((await run('away', 'Eva', '--from', 'soon', '--to', '2199-12-26')).status).toBe(2)
})

it('store gc says what is left over, and removes it', async () => {
  expect((await run('store', 'gc', '--dry-run')).out).toBe('Nothing is left over in the store.\n')
  const { id } = await json('train', 'show', 'short')
  const folder = join(service.folder, 'store/runs', id, 'checkpoints/1-g9')
  mkdirSync(folder)
  writeFileSync(join(folder, 'weights.bin'), 'x'.repeat(2000))
  expect((await json('store', 'gc', '--dry-run')).files).toBe(0) // young
  utimesSync(join(folder, 'weights.bin'), 1, 1)
  const dry = await run('store', 'gc', '--dry-run')
  expect(dry.out).toMatch(/^Nothing was removed\. These would go, 1 file, 2 kB:\nFOLDER/)
  expect(dry.out).toMatch(/1-g9 +1 +2 kB +no checkpoint owns it/)
  expect(existsSync(folder)).toBe(true)
  expect(await json('store', 'gc')).toMatchObject({
    files: 1,
    bytes: 2000,
    removed: true,
    why: null,
  })
  expect(existsSync(folder)).toBe(false)
})

it('data in use, then a run, then its data, then the account: each says what goes, and goes', async () => {
  expect(await run('data', 'rm', 'piloto')).toMatchObject({
    status: 1,
    err: expect.stringMatching(/is what run short trains on \(dataset_in_use\)\n.*train rm short/),
  })
  expect(await run('accounts', 'rm', 'nobody')).toMatchObject({ status: 3 })
  const dry = await run('train', 'rm', 'short', '--dry-run')
  expect(dry.out).toMatch(
    /^Nothing was removed\. With run short would go:\n {2}1 session, \d+ events\n {2}\d+ checkpoint/,
  )
  const { id } = await json('train', 'show', 'short')
  const used = (await json('budget')).items[0].usedHours
  expect(used).toBeGreaterThan(0)
  expect((await run('train', 'rm', 'short')).out).toMatch(/^Removed run short:\n/)
  expect((await run('train', 'show', 'short')).status).toBe(3)
  expect(existsSync(join(service.folder, 'store/runs', id))).toBe(false)
  expect(readdirSync(join(service.folder, 'local'))).toEqual([])
  expect((await json('budget')).items[0].usedHours).toBe(used)

  const { version } = await json('data', 'show', 'piloto')
  expect((await run('data', 'rm', 'piloto', '--dry-run')).out).toContain(
    'Nothing was removed. With data set piloto would go:',
  )
  expect((await run('data', 'rm', 'piloto')).out).toMatch(
    /^Removed data set piloto:\n {2}ds_\w+: 40 conversations/,
  )
  expect(existsSync(join(service.folder, 'datasets', version))).toBe(false)
  expect((await json('data', 'list')).items.map(({ name }: { name: string }) => name)).toEqual([
    'other',
  ])
  expect((await run('data', 'rm', 'piloto')).status).toBe(3)

  expect((await run('accounts', 'rm', 'here', '--dry-run')).out).toContain(
    'With account here (local, lent by Eva) would go',
  )
  expect((await run('accounts', 'rm', 'here')).out).toMatch(/^Removed account here/)
  expect((await json('accounts', 'list')).items).toMatchObject([{ name: 'rui' }])
  expect((await run('accounts', 'list', '--all')).out).toMatch(/^here .* removed 20/m)
  expect(await json('accounts', 'show', 'here')).toMatchObject({ budget: null, owner: 'Eva' })
  expect((await run('accounts', 'test', 'here')).status).toBe(3)
})

it('an open run is not removed', async () => {
  await run('train', 'start', '--data', 'other', '--name', 'waits', '--steps', '5')
  expect(await run('train', 'rm', 'waits')).toMatchObject({
    status: 1,
    err: expect.stringMatching(
      /an open run is not removed \(run_open\)\n {2}Stop it first: rodizio train stop waits/,
    ),
  })
})
