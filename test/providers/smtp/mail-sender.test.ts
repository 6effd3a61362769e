import { describe, expect, it } from 'vitest'
import type { Letter } from '../../../src/alerts/outbox.ts'
import { selfSigned } from '../../../src/emulators/certificate.ts'
import { Fault } from '../../../src/emulators/faults.ts'
import { startSmtpEmulator } from '../../../src/emulators/smtp/server.ts'
import { mailSender } from '../../../src/providers/smtp/mail-sender.ts'
import { type SmtpTarget, shownTarget, smtpTarget } from '../../../src/providers/smtp/smtp-url.ts'

const host = 'mail.emulated.example'
const certificate = selfSigned(host)
const users = { 'ana@example.com': 'app pass/word' }
const fixed = () => new Date('2026-03-10T12:00:00Z')
const letter: Letter = {
  id: 'e'.repeat(32),
  channel: 'mail',
  kind: 'run-failed',
  subject: 'Ação: one has failed',
  body: 'text\n',
  html: '<p>text</p>',
  headers: {},
  messageId: '<one@vm.example>',
  inReplyTo: '<zero@vm.example>',
  references: ['<first@vm.example>', '<zero@vm.example>'],
  recipients: ['ops@example.com'],
  createdAt: fixed(),
}

async function sendOnce(target: SmtpTarget, trust: { ca?: string; servername?: string } = {}) {
  const sender = mailSender({ target, from: 'ana@example.com', timeoutMs: 1500, ...trust })
  const attempt = await sender.send(letter)
  await sender.close()
  return attempt
}

const targetAt = (port: number, changes: Partial<SmtpTarget> = {}): SmtpTarget => ({
  host: '127.0.0.1',
  port,
  encryption: 'starttls',
  user: 'ana@example.com',
  password: 'app pass/word',
  ...changes,
})
const trusting = { ca: certificate.certificate, servername: host }

describe('a mail', () => {
  it.each(['starttls', 'tls'] as const)(
    'goes encrypted, after a sign-in: %s',
    async (encryption) => {
      const isTls = encryption === 'tls'
      await using server = await startSmtpEmulator({ now: fixed, users, certificate, isTls })
      const attempt = await sendOnce(targetAt(server.port, { encryption }), trusting)
      expect(attempt).toEqual({ kind: 'accepted', said: '250 2.0.0 OK: taken' })
      expect(server.mailbox.all()).toMatchObject([{ user: 'ana@example.com', isEncrypted: true }])
      const raw = server.mailbox.all()[0]?.raw ?? ''
      expect(raw).toContain('In-Reply-To: <zero@vm.example>\r\n')
      expect(raw).toContain('References: <first@vm.example> <zero@vm.example>\r\n')
      expect(raw).toContain('Date: Tue, 10 Mar 2026 12:00:00 +0000\r\n')
    },
  )

  it.each(['starttls', 'tls'] as const)(
    'is not sent to a server whose certificate nobody vouches for, nor to another name: %s',
    async (encryption) => {
      const isTls = encryption === 'tls'
      await using server = await startSmtpEmulator({ now: fixed, users, certificate, isTls })
      const target = targetAt(server.port, { encryption })
      const stranger = await sendOnce(target, { servername: host })
      expect(stranger).toMatchObject({ kind: 'later', said: expect.stringMatching(/certificate/) })
      const renamed = await sendOnce(target, { ...trusting, servername: 'other.example' })
      expect(renamed).toMatchObject({ kind: 'later', said: expect.stringMatching(/altnames/) })
      expect(server.mailbox.all()).toEqual([])
    },
  )

  it('is not sent in clear to a server without STARTTLS', async () => {
    await using server = await startSmtpEmulator({ now: fixed })
    const attempt = await sendOnce(targetAt(server.port, { user: null, password: null }), trusting)
    expect(attempt).toMatchObject({ kind: 'later' })
    expect(server.mailbox.all()).toEqual([])
    const plain = targetAt(server.port, { user: null, password: null, encryption: 'none' })
    expect(await sendOnce(plain)).toMatchObject({ kind: 'accepted' })
  })

  it('with a wrong password is the channel’s trouble, and a refused receiver the message’s', async () => {
    await using server = await startSmtpEmulator({ now: fixed, users, certificate })
    const wrong = await sendOnce(targetAt(server.port, { password: 'guess' }), trusting)
    expect(wrong).toMatchObject({
      kind: 'refused',
      isSignIn: true,
      said: expect.stringMatching(/^535/),
    })
    expect(JSON.stringify(wrong)).not.toContain('guess')
    const nobody = await sendOnce(targetAt(server.port, { user: null, password: null }), trusting)
    expect(nobody).toMatchObject({
      kind: 'refused',
      isSignIn: true,
      said: expect.stringMatching(/^530/),
    })
    server.faults.add(Fault.parse({ kind: 'status', rpc: 'RCPT', status: 550, message: 'no' }))
    expect(await sendOnce(targetAt(server.port), trusting)).toEqual({
      kind: 'refused',
      said: '550 no',
    })
    server.faults.add(Fault.parse({ kind: 'status', rpc: 'AUTH', status: 454, message: 'busy' }))
    expect(await sendOnce(targetAt(server.port), trusting)).toEqual({
      kind: 'later',
      said: '454 busy',
    })
  })

  it('never throws: no server, a server that hangs, one that breaks off', async () => {
    const gone = await startSmtpEmulator({ now: fixed })
    await gone.close()
    const plain = { user: null, password: null, encryption: 'none' } as const
    expect(await sendOnce(targetAt(gone.port, plain))).toMatchObject({
      kind: 'later',
      said: expect.stringContaining('ECONNREFUSED'),
    })
    await using server = await startSmtpEmulator({ now: fixed })
    for (const fault of [
      { kind: 'hang', rpc: 'connect' },
      { kind: 'cut', rpc: 'DATA' },
    ] as const) {
      server.faults.add(Fault.parse(fault))
      expect(await sendOnce(targetAt(server.port, plain))).toMatchObject({ kind: 'later' })
    }
  })
})

describe('the address of a mail server', () => {
  it.each([
    ['smtps://smtp.example.com', { port: 465, encryption: 'tls', user: null }],
    ['smtp://smtp.example.com', { port: 587, encryption: 'starttls' }],
    ['smtp://smtp.example.com:25?tls=off', { port: 25, encryption: 'none' }],
    ['smtp://localhost:2525', { host: 'localhost', port: 2525, encryption: 'none' }],
    ['smtp://[::1]:2525', { host: '::1', encryption: 'none' }],
    ['smtp://127.0.0.1?tls=on', { encryption: 'starttls' }],
    [
      'smtps://ana%40example.com:a%2Fb%3Ac@smtp.gmail.com',
      { host: 'smtp.gmail.com', user: 'ana@example.com', password: 'a/b:c' },
    ],
  ])('%s', (text, wanted) => expect(smtpTarget(text)).toMatchObject(wanted))

  it.each([
    'smtp.example.com:587',
    'https://smtp.example.com',
    'smtps://ana:top-secret@smtp.example.com?tls=off',
    'smtp://ana:top-secret%@smtp.example.com',
    'smtp://ana:top-secret@smtp.example.com/path',
    'smtp://ana:top-secret@smtp.example.com?verify=no',
  ])('refuses %s, and repeats no secret', (text) => {
    const refusal = (() => {
      try {
        return smtpTarget(text)
      } catch (error) {
        return error
      }
    })()
    expect(refusal).toMatchObject({ kind: 'invalid', code: 'smtp_url' })
    expect(String(refusal)).not.toContain('top-secret')
  })

  it('is shown without its sign-in', () => {
    const shown = shownTarget(smtpTarget('smtps://ana:top-secret@smtp.example.com'))
    expect(shown).toBe('smtp.example.com:465 (TLS)')
  })
})
