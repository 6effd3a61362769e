import { spawn, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import type { Letter } from '../../src/alerts/outbox.ts'
import { selfSigned } from '../../src/emulators/certificate.ts'
import { mailSender } from '../../src/providers/smtp/mail-sender.ts'
import { smtpTarget } from '../../src/providers/smtp/smtp-url.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const python =
  process.env.RODIZIO_TEST_SMTP_PYTHON ??
  join(import.meta.dirname, '../../.venvs/clients/bin/python')
const hasPython = existsSync(python) && spawnSync(python, ['-c', 'import aiosmtpd']).status === 0
if (!hasPython)
  process.stderr.write(
    `${python} has no aiosmtpd: its tests are skipped. ` +
      'npm run setup:clients makes its environment; RODIZIO_TEST_SMTP_PYTHON names another one.\n',
  )

const host = 'mail.example'
const certificate = selfSigned(host)

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

/** aiosmtpd in a process of its own, for the length of a block. */
async function server(mode: 'tls' | 'starttls') {
  const folder = temporaryFolder()
  const key = join(folder.path, 'key.pem')
  const file = join(folder.path, 'certificate.pem')
  writeFileSync(key, certificate.key)
  writeFileSync(file, certificate.certificate)
  const port = await freePort()
  const order = {
    mode,
    port,
    key,
    certificate: file,
    user: 'ana@example.com',
    password: 'p@ss wörd',
  }
  const script = join(import.meta.dirname, 'smtp_server.py')
  const child = spawn(python, [script, JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const over = new Promise((resolve) => child.once('exit', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  expect((await lines.next()).value).toBe(String(port))
  return {
    port,
    mail: async () =>
      JSON.parse(String((await lines.next()).value)) as {
        user: string | null
        isEncrypted: boolean
        to: string[]
        raw: string
      },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await over
      folder[Symbol.dispose]()
    },
  }
}

const letter: Letter = {
  id: 'e'.repeat(32),
  channel: 'mail',
  kind: 'run-failed',
  subject: 'Ação: one has failed',
  body: `text\n.a line with a dot before it\n${'long '.repeat(300)}\n`,
  html: '<p>Ação</p>',
  headers: {},
  messageId: '<one.rodizio@example.com>',
  inReplyTo: null,
  references: [],
  recipients: ['ops@example.com', 'boss@example.com'],
  createdAt: new Date('2026-03-10T12:00:00Z'),
}

async function send(url: string, trust: { ca?: string; servername?: string }) {
  const sender = mailSender({
    target: smtpTarget(url),
    from: 'ana@example.com',
    timeoutMs: 5000,
    ...trust,
  })
  const attempt = await sender.send(letter)
  await sender.close()
  return attempt
}

it.runIf(hasPython).each(['tls', 'starttls'] as const)(
  'aiosmtpd takes a mail over a connection that was verified, after a sign-in: %s',
  async (mode) => {
    await using smtp = await server(mode)
    const address = (password: string) =>
      mode === 'tls'
        ? `smtps://ana%40example.com:${password}@127.0.0.1:${smtp.port}`
        : `smtp://ana%40example.com:${password}@127.0.0.1:${smtp.port}?tls=on`
    const trusted = { ca: certificate.certificate, servername: host }
    const url = address(encodeURIComponent('p@ss wörd'))
    expect(await send(url, { servername: host })).toMatchObject({
      kind: 'later',
      said: expect.stringMatching(/certificate/),
    })
    expect(await send(url, { ...trusted, servername: 'other.example' })).toMatchObject({
      kind: 'later',
    })
    expect(await send(address('guess'), trusted)).toMatchObject({ kind: 'refused', isSignIn: true })
    expect(await send(url, trusted)).toEqual({
      kind: 'accepted',
      said: '250 2.0.0 Taken by aiosmtpd',
    })
    const mail = await smtp.mail()
    expect(mail).toMatchObject({
      user: 'ana@example.com',
      isEncrypted: true,
      to: ['ops@example.com', 'boss@example.com'],
    })
    expect(mail.raw).toContain('Message-ID: <one.rodizio@example.com>\r\n')
    expect(mail.raw).toContain('Auto-Submitted: auto-generated\r\n')
  },
)
