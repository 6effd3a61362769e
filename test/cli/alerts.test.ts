import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { insertAlert } from '../../src/store/alert-rows.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { alertOf } from '../alerts/desk-fixture.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
beforeAll(async () => {
  service = await runningService()
  const db = openSqlite(`${service.folder}/rodizio.db`)
  const evil = alertOf('run-failed', 'two\u001b[2J', 1)
  for (const alert of [alertOf('run-failed', 'one', 0), evil])
    await db.transaction((tx) => insertAlert(tx, alert))
  await db.close()
  const kept = async () => (await service.get('/v1/inbox')).items as unknown[]
  await vi.waitUntil(async () => (await kept()).length === 1, { timeout: 9000, interval: 100 })
})
afterAll(() => service[Symbol.asyncDispose]())

const { run, json } = commandLine(() => service)

it('alerts are listed with how their messages fare, and shown one by one', async () => {
  const { out, status } = await run('alerts', 'list')
  expect(status).toBe(0)
  expect(out).toMatch(
    /^AT +KIND +ABOUT +STATE +DELIVERIES +ID\n.* run-failed +two\[2J +told +inbox sent /m,
  )
  expect(out).not.toContain('\u001b')
  expect((await json('alerts', 'list', '--kind', 'run-failed', '--limit', '1')).items).toHaveLength(
    1,
  )
  expect((await run('alerts', 'list', '--state', 'parked')).out).toBe('No alerts.\n')
  const shown = await run('alerts', 'show', 'run-failed one 0')
  expect(shown.out).toMatch(/^run-failed: one, .* \(told\)\n {2}words: the tunnel is gone\n/)
  expect(shown.out).toContain('inbox: sent')
  expect(await run('alerts', 'show', 'none')).toMatchObject({
    status: 3,
    err: expect.stringContaining('there is no alert "none" (alert_unknown)'),
  })
  expect((await run('alerts', 'list', '--kind', 'nothing')).status).toBe(2)
})

it('a trial is sent and its answer printed; the inbox is read by its numbers', async () => {
  expect(await run('alerts', 'test')).toMatchObject({
    status: 0,
    out: 'inbox: taken: kept here: rodizio alerts inbox\n',
  })
  expect((await run('alerts', 'inbox')).out).toMatch(
    /^# +AT +SUBJECT\n1 .* Rodízio: a trial message\n2 .* 2 runs have failed: one, two \[2J$/m,
  )
  expect((await run('alerts', 'inbox', '2')).out).toContain('Why: the tunnel is gone')
  expect((await json('alerts', 'inbox', '1')).subject).toBe('Rodízio: a trial message')
  expect((await run('alerts', 'inbox', '9')).status).toBe(3)
})

it('channels are added, shown without their secrets, tried, changed and removed', async () => {
  const url = 'https://hooks.invalid/secret-part'
  const rules = ['--quiet', '23:00-07:00', '--zone', 'Europe/Lisbon', '--except', 'node-down']
  const added = await run('alerts', 'channels', 'add', 'team', '--webhook', url, ...rules)
  expect(added).toMatchObject({ status: 0, out: expect.stringContaining('Alerts go to team too.') })
  const listed = await run('alerts', 'channels', 'list')
  expect(listed.out).toMatch(
    /^team +generic at hooks\.invalid\/… +23:00-07:00 Europe\/Lisbon +20 +yes +0 +0$/m,
  )
  expect(listed.out + JSON.stringify(await json('alerts', 'channels', 'list'))).not.toContain(
    'secret-part',
  )
  const tried = await run('alerts', 'test', '--channel', 'team')
  expect(tried).toMatchObject({
    status: 1,
    out: expect.stringMatching(/^team: not now: hooks\.invalid: /),
  })
  const set = ['alerts', 'channels', 'set', 'team', '--no-quiet', '--per-hour', '5', '--no-digest']
  expect(await json(...set)).toMatchObject({ quiet: null, perHour: 5, digest: false })
  expect(await run('alerts', 'channels', 'set', 'team', '--zone', 'UTC')).toMatchObject({
    status: 2,
  })
  expect((await run('alerts', 'channels', 'rm', 'team')).out).toBe('team is told nothing more.\n')
  expect(await run('alerts', 'channels', 'rm', 'team')).toMatchObject({ status: 3 })
  const here = await run('alerts', 'channels', 'add', 'own', '--webhook', 'http://10.0.0.1/')
  expect(here).toMatchObject({
    status: 2,
    err: expect.stringContaining('RODIZIO_ALLOW_PRIVATE=10.0.0.1'),
  })
})

it('what was not delivered is sent again, and there is nothing of it here', async () => {
  expect((await run('alerts', 'retry')).out).toBe('Nothing waits: all was delivered.\n')
  expect((await run('alerts', 'retry', 'x', '--channel', 'inbox')).status).toBe(2)
  expect((await run('alerts', 'retry', 'x')).err).toContain('delivery_unknown')
})

it.each(['', 'channels'])('rodizio alerts %s explains its commands', async (below) => {
  const help = await run(...['alerts', below, '--help'].filter((word) => word !== ''))
  expect(help).toMatchObject({ status: 0, err: '' })
  expect(help.out).toContain(below === '' ? 'retry [options] [delivery]' : 'set [options] <name>')
})
