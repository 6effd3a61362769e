import { createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Certificate } from '../certificate.ts'
import { createFaults, type Faults } from '../faults.ts'
import { listen } from '../listen.ts'
import { type ConversationOptions, conversation, type Turn } from './conversation.ts'
import { createMailbox, type Mailbox, type TakenMail } from './mailbox.ts'

export interface SmtpEmulatorOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 (the default): that of the last time when it is free, else any free one. */
  readonly port?: number
  readonly lastPort?: number | null
  readonly now: () => Date
  readonly users?: Readonly<Record<string, string>>
  /** With one, STARTTLS is offered; see `isTls`. */
  readonly certificate?: Certificate
  /** Encrypted from the first byte, as on port 465. */
  readonly isTls?: boolean
  /** A sender and receiver that are seen for the first time are told to come again after so long. */
  readonly greylistSeconds?: number
  readonly sizeBytes?: number
  /** Waiting faults; its own when left out. */
  readonly faults?: Faults
  /** Told of every mail that was taken. */
  readonly onMail?: (mail: Omit<TakenMail, 'id'>) => void
}

export interface SmtpEmulator extends AsyncDisposable {
  readonly port: number
  readonly mailbox: Mailbox
  readonly faults: Faults
  /** From now on new senders and receivers are told to come again after so long; undefined ends that and forgets who came. */
  greylist(seconds: number | undefined): void
  close(): Promise<void>
}

const longestLine = 64 * 1024

/**
 * Starts a mail server that takes every message and sends none on.
 * @throws AppError `conflict` (`port_taken`) when the port cannot be had
 */
export async function startSmtpEmulator(options: SmtpEmulatorOptions): Promise<SmtpEmulator> {
  const { certificate, isTls = false } = options
  const mailbox = createMailbox()
  const faults = options.faults ?? createFaults()
  let greylistSeconds = options.greylistSeconds
  const sockets = new Set<Socket>()
  const firstSeen = new Map<string, Date>()
  const context =
    certificate && createSecureContext({ key: certificate.key, cert: certificate.certificate })
  const told = (isEncrypted: boolean): ConversationOptions => ({
    host: 'mail.emulated.example',
    now: options.now,
    users: new Map(Object.entries(options.users ?? {})),
    offersTls: context !== undefined && !isTls,
    isEncrypted,
    sizeBytes: options.sizeBytes ?? 10 * 1024 * 1024,
    fault: (step) => faults.take(step),
    isGreylisted(from, to) {
      const seconds = greylistSeconds
      if (seconds === undefined) return false
      const key = `${from} ${to}`
      const first = firstSeen.get(key) ?? options.now()
      firstSeen.set(key, first)
      return options.now().getTime() - first.getTime() < seconds * 1000
    },
    take(mail) {
      mailbox.take(mail)
      options.onMail?.(mail)
    },
  })

  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy()) // the other side broke off
  }
  const encrypted = (socket: Socket): TLSSocket => {
    const secure = new TLSSocket(socket, {
      isServer: true,
      ...(context === undefined ? {} : { secureContext: context }),
    })
    keep(secure)
    return secure
  }

  function talk(socket: Socket, isEncrypted: boolean, greets: boolean): void {
    const talked = conversation(told(isEncrypted))
    let rest = ''
    let isOver = false
    const act = ({ say, next }: Turn): void => {
      if (say !== null) socket.write(`${say}\r\n`)
      if (next === 'go-on') return
      isOver = true
      if (next === 'end') socket.end()
      if (next === 'cut') socket.destroy()
      if (next === 'encrypt') {
        socket.removeListener('data', hear)
        talk(encrypted(socket), true, false)
      }
    }
    const hear = (part: Buffer): void => {
      rest += part.toString('latin1') // bytes as they are; decoded line by line
      for (;;) {
        const end = rest.indexOf('\n')
        if (end < 0 || isOver) break
        const line = Buffer.from(rest.slice(0, end).replace(/\r$/, ''), 'latin1').toString('utf8')
        rest = rest.slice(end + 1)
        act(talked.hear(line))
      }
      if (rest.length > longestLine) socket.destroy()
    }
    socket.on('data', hear)
    if (greets) act(talked.greeting())
  }

  const server = createServer((socket) => {
    keep(socket)
    talk(isTls ? encrypted(socket) : socket, isTls, true)
  })
  const port = await listen(
    server,
    options.host ?? '127.0.0.1',
    options.port ?? 0,
    options.lastPort ?? null,
  )
  const greylist = (seconds: number | undefined): void => {
    greylistSeconds = seconds
    if (seconds === undefined) firstSeen.clear()
  }
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { port, mailbox, faults, greylist, close, [Symbol.asyncDispose]: close }
}
