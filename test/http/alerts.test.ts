import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { english } from '../../src/alerts/texts/english.ts'
import { portuguese } from '../../src/alerts/texts/portuguese.ts'
import { AlertKind } from '../../src/api/alert-schemas.ts'
import { startService } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startSmtpEmulator } from '../../src/emulators/smtp/server.ts'
import { silentLog } from '../../src/lib/log.ts'
import { insertAlert } from '../../src/store/alert-rows.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { alertOf, readMail } from '../alerts/desk-fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { type RunningService, root, runningService } from './service.ts'

const post = (service: RunningService, path: string, json: unknown = {}) =>
  service.call(path, { method: 'POST', json })

async function tell(service: RunningService, ...names: string[]) {
  const db = openSqlite(`${service.folder}/rodizio.db`)
  for (const [n, name] of names.entries())
    await db.transaction((tx) => insertAlert(tx, alertOf('run-failed', name, n)))
  await db.close()
}

describe('alerts of a service without a mail server', () => {
  it('are kept in its inbox, and read from there', async () => {
    await using service = await runningService()
    await tell(service, 'one', 'two')
    await expect
      .poll(async () => ((await service.get('/v1/inbox')).items as unknown[]).length, {
        timeout: 9000,
      })
      .toBe(1)
    const { items } = await service.get('/v1/inbox')
    expect(items).toMatchObject([{ subject: '2 runs have failed: one, two' }])
    const listed = await service.get('/v1/alerts?kind=run-failed&state=sent')
    expect(listed).toMatchObject({
      next: null,
      items: [
        {
          about: 'two',
          state: 'told',
          deliveries: [{ channel: 'inbox', state: 'sent', attempts: 1 }],
        },
        { about: 'one' },
      ],
    })
    expect((await service.get('/v1/alerts?state=parked')).items).toEqual([])
  })

  it('come in parts, newest first', async () => {
    await using service = await runningService()
    await tell(service, 'a', 'b', 'c', 'd', 'e')
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const part = await service.get(`/v1/alerts?limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...(part.items as { about: string }[]).map(({ about }) => about))
      cursor = part.next as string | null
    }
    expect(seen).toEqual(['e', 'd', 'c', 'b', 'a'])
  })

  it('are asked for by id, and one that is not there is said to be so', async () => {
    await using service = await runningService()
    await tell(service, 'one')
    const id = encodeURIComponent('run-failed one 0')
    expect(await service.get(`/v1/alerts/${id}`)).toMatchObject({
      about: 'one',
      kind: 'run-failed',
    })
    const missing = await service.call('/v1/alerts/none')
    expect(missing.status).toBe(404)
    expect(await missing.json()).toMatchObject({ code: 'alert_unknown' })
  })

  it('are tried with a trial message, which the inbox shows', async () => {
    await using service = await runningService()
    const answer = await post(service, '/v1/alerts/test')
    expect(await answer.json()).toMatchObject({ items: [{ channel: 'inbox', kind: 'accepted' }] })
    expect(await service.get('/v1/inbox')).toMatchObject({
      items: [{ subject: 'Rodízio: a trial message' }],
    })
    expect((await post(service, '/v1/alerts/test?channel=none')).status).toBe(404)
  })
})

it('mails go to the server of the settings, signed in, and its words come back', async () => {
  await using server = await startSmtpEmulator({
    now: () => new Date(),
    users: { 'ana@example.com': 'p@ss' },
  })
  await using service = await runningService({
    RODIZIO_SMTP_URL: `smtp://ana%40example.com:p%40ss@127.0.0.1:${server.port}`,
    RODIZIO_MAIL_TO: 'ops@example.com, boss@example.com',
    RODIZIO_LANGUAGE: 'pt',
  })
  expect(service.mailTo).toBe('ops@example.com, boss@example.com')
  const answer = await post(service, '/v1/alerts/test')
  expect(await answer.json()).toEqual({
    items: [{ channel: 'mail', kind: 'accepted', said: '250 2.0.0 OK: taken' }],
  })
  const [mail] = server.mailbox.all()
  expect(mail).toMatchObject({
    user: 'ana@example.com',
    to: ['ops@example.com', 'boss@example.com'],
  })
  const { headers } = readMail(mail?.raw ?? '')
  expect(headers.get('from')).toBe('ana@example.com')
  expect(headers.get('message-id')).toMatch(/@example\.com>$/)
  await tell(service, 'one')
  await expect.poll(() => server.mailbox.all().length, { timeout: 9000 }).toBe(2)
  expect(await service.get('/v1/alert-channels')).toMatchObject({
    items: [{ name: 'mail', kind: 'mail', perHour: 20, waiting: 0, broken: null }],
  })
  expect(JSON.stringify(await service.get('/v1/alert-channels'))).not.toMatch(/p@ss|p%40ss/)
})

it.each([
  [{ RODIZIO_SMTP_URL: 'smtp://mail.example' }, 'mail_to'],
  [{ RODIZIO_SMTP_URL: 'smtp://mail.example', RODIZIO_MAIL_TO: 'ana' }, 'mail_address'],
  [{ RODIZIO_SMTP_URL: 'smtp://mail.example', RODIZIO_MAIL_TO: 'a@b.example' }, 'mail_address'],
  [{ RODIZIO_SMTP_URL: 'http://mail.example', RODIZIO_MAIL_TO: 'a@b.example' }, 'smtp_url'],
  [
    {
      RODIZIO_SMTP_URL: 'smtp://a%40b.example@mail.example',
      RODIZIO_MAIL_TO: 'a@b.example',
      RODIZIO_SMTP_CA: '/nowhere.pem',
    },
    'smtp_ca',
  ],
  [{ RODIZIO_ALLOW_PRIVATE: 'not a name' }, 'allow_private_invalid'],
])('settings that do not go together keep the service from starting: %j', async (env, code) => {
  using folder = temporaryFolder()
  const config = loadConfig(
    { RODIZIO_DATA_DIR: folder.path, RODIZIO_PORT: '0', RODIZIO_EMULATORS: 'off', ...env },
    fileURLToPath(root),
  )
  const options = { config, root, program: ['x'] as const, path: '', log: silentLog, version: '0' }
  await expect(startService(options)).rejects.toMatchObject({ code })
})

describe('channels', () => {
  const hook = { name: 'team', url: 'https://hooks.example/T0/secret-part', preset: 'slack' }

  it('are added, changed and removed; an address is shown no more than its host', async () => {
    await using service = await runningService()
    const added = await (await post(service, '/v1/alert-channels', hook)).json()
    expect(added).toMatchObject({ name: 'team', shown: 'slack at hooks.example/…', quiet: null })
    const again = await post(service, '/v1/alert-channels', hook)
    expect(await again.json()).toMatchObject({ code: 'channel_taken', status: 409 })
    const quiet = { hours: '23:00-7:00', zone: 'Europe/Lisbon', except: ['node-down'] }
    const changed = await service.call('/v1/alert-channels/team', {
      method: 'PATCH',
      json: { quiet, perHour: 5, digest: false },
    })
    expect(await changed.json()).toMatchObject({
      quiet: { ...quiet, hours: '23:00-07:00' },
      perHour: 5,
      digest: false,
    })
    const all = JSON.stringify(await service.get('/v1/alert-channels'))
    expect(all).not.toContain('secret-part')
    expect((await service.call('/v1/alert-channels/team', { method: 'DELETE' })).status).toBe(200)
    expect((await service.call('/v1/alert-channels/team', { method: 'DELETE' })).status).toBe(404)
    const own = await service.call('/v1/alert-channels/inbox', { method: 'DELETE' })
    expect(await own.json()).toMatchObject({ code: 'channel_of_settings' })
  })

  it.each([
    [{ ...hook, url: 'http://127.0.0.1:8080/x' }, 'url_refused'],
    [{ ...hook, url: 'http://169.254.169.254/x' }, 'url_refused'],
    [{ ...hook, url: 'http://metadata.google.internal/x' }, 'url_refused'],
    [{ ...hook, url: 'file:///etc/passwd' }, 'url_refused'],
    [{ ...hook, name: 'mail' }, 'channel_name'],
    [{ ...hook, name: 'Ünïcode' }, 'channel_name'],
    [{ ...hook, secret: '12345678' }, 'webhook_secret'],
    [{ ...hook, preset: 'telegram' }, 'webhook_chat'],
    [{ ...hook, quiet: { hours: '23-7', zone: 'UTC' } }, 'quiet_hours'],
    [{ ...hook, quiet: { hours: '23:00-07:00', zone: 'Mars' } }, 'zone_unknown'],
    [
      { ...hook, quiet: { hours: '23:00-07:00', zone: 'UTC', except: ['nothing'] } },
      'invalid_request',
    ],
    [{ ...hook, perHour: 0 }, 'invalid_request'],
  ])('refuse %j', async (wanted, code) => {
    await using service = await runningService()
    const answer = await post(service, '/v1/alert-channels', wanted)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code })
    expect((await service.get('/v1/alert-channels')).items).toHaveLength(1)
  })

  it('on a private network are used where the operator allows it, and retried when asked to', async () => {
    const bodies: string[] = []
    let status = 404
    const receiver = createServer((request, response) => {
      let body = ''
      request.on('data', (part) => {
        body += part
      })
      request.on('end', () => {
        bodies.push(body)
        response.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    const address = receiver.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await using service = await runningService({ RODIZIO_ALLOW_PRIVATE: '127.0.0.1' })
    const wanted = { name: 'own', url: `http://127.0.0.1:${port}/x`, secret: 'a long secret' }
    expect((await post(service, '/v1/alert-channels', wanted)).status).toBe(200)
    await tell(service, 'one')
    const refused = async () =>
      (await service.get('/v1/alerts?state=refused')).items as {
        deliveries: { id: string; channel: string; state: string; said: string }[]
      }[]
    await expect.poll(async () => (await refused()).length, { timeout: 9000 }).toBe(1)
    const delivery = (await refused())[0]?.deliveries.find(({ channel }) => channel === 'own')
    expect(delivery).toMatchObject({ state: 'refused', said: '404 Not Found' })
    status = 200
    expect((await post(service, `/v1/alert-deliveries/${delivery?.id}/retry`)).status).toBe(200)
    await expect.poll(() => bodies.length, { timeout: 9000 }).toBe(2)
    await expect.poll(async () => (await refused()).length).toBe(0)
    expect(new Set(bodies).size).toBe(1)
    expect((await post(service, '/v1/alert-deliveries/none/retry')).status).toBe(404)
    await new Promise((resolve) => receiver.close(resolve))
  })
})

it.each(AlertKind.options)(
  'an alert of the kind %s has words of its own in every language',
  (kind) => {
    const words = [english, portuguese].map((phrases) => phrases.many(kind, 2, 'a, b'))
    for (const one of words) expect(one).toMatch(/2 .*: a, b$|: a, b$/)
    expect(words[0]).not.toBe(words[1])
  },
)

it('a service elsewhere is told that this one lives', async () => {
  const asked: string[] = []
  const watcher = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.end()
  })
  await new Promise<void>((resolve) => watcher.listen(0, '127.0.0.1', resolve))
  const address = watcher.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await using _service = await runningService({
    RODIZIO_HEARTBEAT_URL: `http://127.0.0.1:${port}/ping/token`,
  })
  await expect.poll(() => asked, { timeout: 5000 }).toEqual(['GET /ping/token'])
  await new Promise((resolve) => watcher.close(resolve))
})
