import { createTransport } from 'nodemailer'
import { describe, expect, it } from 'vitest'
import type { MailEmulatorOptions } from '../../src/emulators/mail/options.ts'
import { startMailEmulator } from '../../src/emulators/mail/server.ts'
import { createMailbox } from '../../src/emulators/smtp/mailbox.ts'
import { settableClock } from '../settable-clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** A mail server in a folder of its own, with what is needed to talk to it. */
async function freshMail(options: Partial<MailEmulatorOptions> = {}) {
  const folder = temporaryFolder()
  const clock = settableClock('2026-03-10T12:00:00.000Z')
  const mail = await startMailEmulator({ stateDir: folder.path, clock, ...options })
  const transport = createTransport({
    url: mail.smtpUrl,
    ignoreTLS: true,
    greetingTimeout: 300,
    socketTimeout: 300,
  })
  const order = (
    method: string,
    name: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) =>
    fetch(`${mail.url}/_emulator/${name}`, {
      method,
      headers: { 'x-emulator-token': mail.adminToken, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return {
    mail,
    clock,
    folder,
    order,
    send: (more: object = {}) =>
      transport.sendMail({
        from: 'a@example.com',
        to: 'b@example.com',
        subject: 'Olá',
        text: 'sim',
        ...more,
      }),
    page: async () => (await order('GET', 'inbox', undefined, { accept: 'text/html' })).text(),
    async [Symbol.asyncDispose]() {
      transport.close()
      await mail.close()
      folder[Symbol.dispose]()
    },
  }
}

describe('the inbox', () => {
  it('shows every mail with its headers, text and web page, newest first', async () => {
    await using world = await freshMail()
    await world.send({ text: 'é o nó\n'.repeat(30), html: '<p>é o nó</p>' })
    await world.send({
      subject: 'Nó ana: está de volta depois de uma longa, longa espera — ✅',
      text: 'later',
    })
    const { items } = (await (await world.order('GET', 'inbox')).json()) as { items: object[] }
    expect(items).toMatchObject([
      {
        id: 2,
        subject: 'Nó ana: está de volta depois de uma longa, longa espera — ✅',
        html: null,
      },
      {
        id: 1,
        subject: 'Olá',
        from: 'a@example.com',
        to: ['b@example.com'],
        html: '<p>é o nó</p>',
      },
    ])
    expect(items).toMatchObject([
      { text: 'later\r\n' },
      { text: expect.stringMatching(/^(é o nó\r?\n)+/) },
    ])
    const page = await world.page()
    expect(page.indexOf('mail-2')).toBeLessThan(page.indexOf('mail-1'))
    expect(page).toContain('<tr><th>Subject</th><td>Olá</td></tr>')
    expect(page).toContain('srcdoc="&lt;p&gt;é o nó&lt;/p&gt;"')
  })

  it('lets nothing of a mail become part of the page', async () => {
    await using world = await freshMail()
    const evil = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`
    await world.send({
      subject: evil,
      text: evil,
      html: evil,
      headers: { 'X-Evil': evil },
      envelope: { from: 'a@example.com', to: 'b&c@example.com' },
    })
    const response = await world.order('GET', 'inbox', undefined, { accept: 'text/html' })
    const page = await response.text()
    expect(page).toContain('&lt;script&gt;alert(1)')
    expect(page).toContain('to b&amp;c@example.com')
    expect(page).not.toMatch(/<script|<img|onerror='/)
    expect(page).toMatch(/<iframe sandbox title/)
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  it('is for whoever has the token: as a header, or as the password of a browser', async () => {
    await using world = await freshMail()
    const get = (headers: Record<string, string>) => fetch(world.mail.inboxUrl, { headers })
    const basic = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`
    const asked = await get({ accept: 'text/html' })
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('Basic'),
    ])
    expect((await get({})).status).toBe(401)
    expect((await get({ accept: 'text/html', authorization: basic('guess') })).status).toBe(401)
    const opened = await get({ accept: 'text/html', authorization: basic(world.mail.adminToken) })
    expect([opened.status, await opened.text()]).toEqual([
      200,
      expect.stringContaining('There is none yet'),
    ])
  })

  it('is turned page by page', async () => {
    await using world = await freshMail()
    for (let i = 0; i < 51; i += 1) await world.send({ subject: `n${i}` })
    expect(await world.page()).toContain('<a href="?before=2">')
    const older = await world.order('GET', 'inbox?before=2', undefined, { accept: 'text/html' })
    expect((await older.text()).match(/<details id=/g)).toHaveLength(1)
  })
})

describe('orders', () => {
  it.each([
    [{ rpc: 'connect', kind: 'status', status: 421, message: '4.7.0 Busy' }, { responseCode: 421 }],
    [{ rpc: 'RCPT', kind: 'status', status: 450, message: '4.2.1 Later' }, { responseCode: 450 }],
    [
      { rpc: 'MAIL', kind: 'status', status: 550, message: '5.4.5 Daily limit' },
      { responseCode: 550 },
    ],
    [{ rpc: 'message', kind: 'cut' }, { code: 'ECONNECTION' }],
    [{ rpc: 'EHLO', kind: 'hang' }, { code: 'ETIMEDOUT' }],
  ])('%j is met once, then a mail arrives', async (fault, error) => {
    await using world = await freshMail()
    expect((await world.order('POST', 'faults', fault)).status).toBe(200)
    await expect(world.send()).rejects.toMatchObject(error)
    expect(world.mail.admin.inbox()).toEqual([])
    await world.send()
    expect(world.mail.admin.inbox()).toHaveLength(1)
  })

  it('a sign-in that is refused', async () => {
    await using world = await freshMail({ users: { ana: 'app password' } })
    await world.order('POST', 'faults', {
      rpc: 'AUTH',
      kind: 'status',
      status: 535,
      message: '5.7.8 No',
    })
    const transport = createTransport({
      url: world.mail.smtpUrl,
      ignoreTLS: true,
      auth: { user: 'ana', pass: 'app password' },
    })
    const send = () => transport.sendMail({ from: 'a@x', to: 'b@x', text: '' })
    await expect(send()).rejects.toMatchObject({ code: 'EAUTH', responseCode: 535 })
    await send()
    expect(world.mail.admin.inbox()).toMatchObject([{ user: 'ana' }])
  })

  it('a greylist lasts as long as virtual time says', async () => {
    await using world = await freshMail()
    await world.order('POST', 'greylist', { seconds: 300 })
    await expect(world.send()).rejects.toMatchObject({ responseCode: 450 })
    await world.order('POST', 'clock', { advanceSeconds: 299 })
    await expect(world.send()).rejects.toMatchObject({ responseCode: 450 })
    await world.order('POST', 'clock', { advanceSeconds: 1 })
    await world.send()
    expect(world.mail.admin.inbox()).toMatchObject([{ at: '2026-03-10T12:05:00.000Z' }])
  })

  it.each([
    { rpc: 'SaveKernel', kind: 'status', status: 500 },
    { rpc: 'DATA', kind: 'slow' },
    { rpc: 'DATA', kind: 'started_but_cut' },
    { rpc: 'message', kind: 'garbage' },
  ])('%j would do nothing, and is refused', async (fault) => {
    await using world = await freshMail()
    expect((await world.order('POST', 'faults', fault)).status).toBe(400)
    expect(world.mail.admin.state().faults).toEqual([])
  })

  it('a reset forgets mails, faults and greylist; both ports stay, also for the next start', async () => {
    await using world = await freshMail()
    await world.send()
    world.mail.admin.greylist(60)
    world.mail.admin.addFaults({ rpc: 'MAIL', kind: 'status', status: 550 })
    await world.order('POST', 'reset')
    await world.send()
    expect(world.mail.admin.inbox()).toHaveLength(1)
    const { url, smtpUrl } = world.mail
    await world.mail.close()
    await using again = await startMailEmulator({ stateDir: world.folder.path, clock: world.clock })
    expect([again.url, again.smtpUrl]).toEqual([url, smtpUrl])
    expect(again.admin.inbox()).toEqual([])
  })

  it('says that its mail port is taken, and leaves the folder free for another try', async () => {
    await using world = await freshMail()
    using folder = temporaryFolder()
    const smtpPort = Number(new URL(world.mail.smtpUrl).port)
    const options = { stateDir: folder.path, clock: world.clock }
    await expect(startMailEmulator({ ...options, smtpPort })).rejects.toMatchObject({
      kind: 'conflict',
      code: 'port_taken',
    })
    await using second = await startMailEmulator(options)
    expect(second.smtpUrl).not.toBe(world.mail.smtpUrl)
  })
})

it('a mailbox lets the oldest go, by number and by size, and keeps the newest in any case', () => {
  const mail = (raw: string) => ({
    ...{ at: new Date(0), user: null, isEncrypted: false, from: '', to: [], raw },
  })
  const box = createMailbox(3, 100)
  const ids = () => box.all().map(({ id }) => id)
  for (let n = 0; n < 5; n += 1) box.take(mail('x'))
  expect(ids()).toEqual([3, 4, 5])
  box.take(mail('x'.repeat(98)))
  expect(ids()).toEqual([4, 5, 6])
  box.take(mail('x'.repeat(2)))
  expect(ids()).toEqual([6, 7])
  box.take(mail('x'.repeat(500)))
  expect(ids()).toEqual([8])
})
