import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { selfSigned } from '../../src/emulators/certificate.ts'
import { Fault, type FaultInput } from '../../src/emulators/faults.ts'
import { startSmtpEmulator } from '../../src/emulators/smtp/server.ts'
import { settableClock } from '../settable-clock.ts'

const start = '2026-03-10T12:00:00.000Z'
const clock = () => settableClock(start)
const fixed = () => new Date(start)
const certificate = selfSigned('mail.emulated.example')
const script = fileURLToPath(new URL('smtp_client.py', import.meta.url))
const text =
  'From: a@example.com\r\nTo: b@example.com\r\nSubject: Olá\r\n\r\n.one dot\r\n..two\r\nend\r\n'

/** Sends by Python's own client; what it says of it. */
async function send(port: number, more: Record<string, unknown> = {}) {
  const order = { port, mode: 'plain', from: 'a@example.com', to: ['b@example.com'], text, ...more }
  const { stdout } = await promisify(execFile)('python3', [script, JSON.stringify(order)])
  return JSON.parse(stdout) as { code?: number | null; error?: string; refused?: object }
}
const taken = { refused: {} }
const users = { ana: 'app password' }
const signedIn = { user: 'ana', password: 'app password' }
const trusting = { ca: certificate.certificate }

describe('Python’s own client', () => {
  it('hands a message over, and it stands in the mailbox as it was', async () => {
    await using mail = await startSmtpEmulator({ now: fixed })
    expect(await send(mail.port, { to: ['b@example.com', 'c@example.com'], times: 2 })).toEqual(
      taken,
    )
    expect(mail.mailbox.all()).toEqual(
      [1, 2].map((id) => ({
        id,
        at: new Date(start),
        user: null,
        isEncrypted: false,
        from: 'a@example.com',
        to: ['b@example.com', 'c@example.com'],
        raw: text,
      })),
    )
  })

  it.each(['starttls', 'tls'])('signs in over an encrypted connection: %s', async (mode) => {
    const isTls = mode === 'tls'
    await using mail = await startSmtpEmulator({ now: fixed, users, certificate, isTls })
    expect(await send(mail.port, { mode, ...trusting, ...signedIn })).toEqual(taken)
    expect(mail.mailbox.all()).toMatchObject([{ user: 'ana', isEncrypted: true }])
    const wrong = await send(mail.port, { mode, ...trusting, user: 'ana', password: 'guess' })
    expect(wrong).toEqual({ code: 535, error: 'SMTPAuthenticationError' })
  })

  it('believes no certificate that it was not told of', async () => {
    await using mail = await startSmtpEmulator({ now: fixed, users, certificate })
    const other = selfSigned('mail.emulated.example').certificate
    expect(await send(mail.port, { mode: 'starttls', ca: other, ...signedIn })).toMatchObject({
      error: 'SSLCertVerificationError',
    })
    expect(mail.mailbox.all()).toEqual([])
  })

  it('sends nothing without the sign-in that is wanted, and shows no password in clear', async () => {
    await using mail = await startSmtpEmulator({ now: fixed, users, certificate })
    expect(await send(mail.port)).toMatchObject({ code: 530 })
    expect(await send(mail.port, signedIn)).toMatchObject({ error: 'SMTPNotSupportedError' })
    expect(mail.mailbox.all()).toEqual([])
  })

  it('comes again after a greylist', async () => {
    const time = clock()
    await using mail = await startSmtpEmulator({ now: () => time.now(), greylistSeconds: 60 })
    expect(await send(mail.port)).toEqual({ code: 450, error: 'SMTPRecipientsRefused' })
    time.advance(59)
    expect(await send(mail.port)).toMatchObject({ code: 450 })
    time.advance(1)
    expect(await send(mail.port)).toEqual(taken)
  })

  it.each<[string, FaultInput, unknown]>([
    [
      'too many connections',
      { rpc: 'connect', kind: 'status', status: 421, message: '4.7.0 Busy' },
      { code: 421 },
    ],
    [
      'a sender that is refused',
      { rpc: 'MAIL', kind: 'status', status: 550, message: '5.4.5 Daily limit' },
      { code: 550 },
    ],
    [
      'a receiver that is refused',
      { rpc: 'RCPT', kind: 'status', status: 550, message: '5.1.1 Nobody' },
      { code: 550 },
    ],
    [
      'a message that is refused',
      { rpc: 'message', kind: 'status', status: 550, message: '5.7.1 Spam' },
      { code: 550 },
    ],
    [
      'a sign-in that is refused',
      { rpc: 'AUTH', kind: 'status', status: 535, message: '5.7.8 No' },
      { code: 535 },
    ],
    ['a cut before the message', { rpc: 'DATA', kind: 'cut' }, { error: 'SMTPServerDisconnected' }],
    ['a hang', { rpc: 'EHLO', kind: 'hang' }, { code: null }],
  ])(
    'meets %s',
    async (_what, fault, told) => {
      await using mail = await startSmtpEmulator({ now: fixed, users })
      mail.faults.add(Fault.parse(fault))
      expect(await send(mail.port, signedIn)).toMatchObject(told as object)
      expect(mail.mailbox.all()).toEqual([])
      expect(await send(mail.port, signedIn)).toEqual(taken)
    },
    15_000,
  )

  it('does not know whether a message was taken whose answer was cut', async () => {
    await using mail = await startSmtpEmulator({ now: fixed })
    mail.faults.add(Fault.parse({ rpc: 'message', kind: 'started_but_cut' }))
    expect(await send(mail.port)).toMatchObject({ error: 'SMTPServerDisconnected' })
    expect(mail.mailbox.all()).toHaveLength(1)
  })

  it('is told that a message is too large, before and after it is sent', async () => {
    await using mail = await startSmtpEmulator({ now: fixed, sizeBytes: 2000 })
    expect(await send(mail.port, { text: `${text}${'x'.repeat(3000)}\r\n` })).toMatchObject({
      code: 552,
    })
    expect(mail.mailbox.all()).toEqual([])
  })
})

describe('by hand', () => {
  /** Says lines one after the other, each after an answer to the one before; the codes of the answers. */
  const talk = (port: number, lines: readonly string[]): Promise<string[]> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      const codes: string[] = []
      const left = [...lines]
      let rest = ''
      socket.on('error', reject)
      socket.on('close', () => resolve(codes))
      socket.on('data', (part) => {
        rest += part.toString()
        for (;;) {
          const answer = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n/.exec(rest)
          if (!answer) return
          rest = rest.slice(answer[0].length)
          codes.push(answer[1] ?? '')
          const line = left.shift()
          if (line === undefined) socket.end()
          else socket.write(`${line}\r\n`)
        }
      })
    })

  it.each([
    [['MAIL FROM:<a@x>'], ['220', '503']],
    [
      ['EHLO me', 'RCPT TO:<b@x>'],
      ['220', '250', '503'],
    ],
    [
      ['EHLO me', 'DATA'],
      ['220', '250', '503'],
    ],
    [
      ['EHLO me', 'MAIL FROM:nobody'],
      ['220', '250', '501'],
    ],
    [
      ['EHLO me', 'MAIL FROM:<a@x>', 'RSET', 'RCPT TO:<b@x>'],
      ['220', '250', '250', '250', '503'],
    ],
    [
      ['HELO me', 'NOOP', 'VRFY b', 'STARTTLS', 'EXPN x', 'QUIT'],
      ['220', '250', '250', '252', '502', '502', '221'],
    ],
    [
      ['EHLO me', 'AUTH PLAIN'],
      ['220', '250', '503'],
    ],
  ])('%j is answered %j', async (lines, codes) => {
    await using mail = await startSmtpEmulator({ now: fixed })
    expect(await talk(mail.port, lines)).toEqual(codes)
  })

  it('a line without end is not waited for', async () => {
    await using mail = await startSmtpEmulator({ now: fixed })
    const socket = connect(mail.port, '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => undefined) // it is broken off while we write
    socket.write('x'.repeat(200_000))
    await closed
    expect(mail.mailbox.all()).toEqual([])
  })
})
