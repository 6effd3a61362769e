import type { Fault } from '../faults.ts'
import type { TakenMail } from './mailbox.ts'

export interface ConversationOptions {
  readonly host: string
  readonly now: () => Date
  /** Who may sign in, by name; anybody may send without where there is none. */
  readonly users: ReadonlyMap<string, string>
  /** Whether STARTTLS is offered, and wanted before anybody signs in. */
  readonly offersTls: boolean
  readonly isEncrypted: boolean
  /** The longest message, in bytes. */
  readonly sizeBytes: number
  /** The fault that waits for this step: `connect`, `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA` or `message`. */
  readonly fault: (step: string) => Fault | undefined
  /** Whether this sender is seen for the first time and has to come again later. */
  readonly isGreylisted: (from: string, to: string) => boolean
  readonly take: (mail: Omit<TakenMail, 'id'>) => void
}

/** What the server does after a line: answers, then goes on, encrypts or breaks off. */
export interface Turn {
  readonly say: string | null
  readonly next: 'go-on' | 'encrypt' | 'hang' | 'end' | 'cut'
}

const say = (code: number, text: string): Turn => ({ say: `${code} ${text}`, next: 'go-on' })
const silent: Turn = { say: null, next: 'go-on' }

/**
 * One conversation of a mail server that takes submissions (RFC 5321; AUTH of RFC 4954, STARTTLS of RFC 3207, SIZE of RFC 1870).
 * It is told lines without their ends, and says what to answer.
 */
export function conversation(options: ConversationOptions) {
  const { host, users, fault } = options
  let greeted = false
  let user: string | null = null
  let from: string | null = null
  let to: string[] = []
  let data: { lines: string[]; bytes: number } | null = null
  let awaiting: ((line: string) => Turn) | null = null

  const reset = () => {
    from = null
    to = []
  }

  /** What a fault makes of a step; undefined where none waits. */
  function troubled(step: string): Turn | undefined {
    const found = fault(step)
    if (!found) return undefined
    switch (found.kind) {
      case 'hang':
        return { say: null, next: 'hang' }
      case 'cut':
        return { say: null, next: 'cut' }
      case 'status': {
        const turn = say(found.status, found.message)
        return found.status === 421 ? { ...turn, next: 'end' } : turn
      }
      case 'garbage':
        return { say: found.body, next: 'go-on' }
      default:
        return undefined
    }
  }

  function ehlo(line: string): Turn {
    const trouble = troubled('EHLO')
    if (trouble) return trouble
    greeted = true
    reset()
    const canSignIn = users.size > 0 && (options.isEncrypted || !options.offersTls)
    const offers = [
      `${host} greets you`,
      `SIZE ${options.sizeBytes}`,
      '8BITMIME',
      ...(options.offersTls && !options.isEncrypted ? ['STARTTLS'] : []),
      ...(canSignIn ? ['AUTH PLAIN LOGIN'] : []),
    ]
    if (/^HELO/i.test(line)) return say(250, host)
    const lines = offers.map(
      (offer, index) => `250${index < offers.length - 1 ? '-' : ' '}${offer}`,
    )
    return { say: lines.join('\r\n'), next: 'go-on' }
  }

  function signIn(name: string, password: string): Turn {
    const trouble = troubled('AUTH')
    if (trouble) return trouble
    if (users.get(name) !== password) return say(535, '5.7.8 Username and Password not accepted')
    user = name
    return say(235, '2.7.0 Accepted')
  }

  function auth(rest: string): Turn {
    if (users.size === 0) return say(503, '5.5.1 There is nobody to sign in as')
    if (options.offersTls && !options.isEncrypted)
      return say(538, '5.7.11 Encryption is wanted first')
    const [mechanism = '', initial] = rest.split(' ')
    const plain = (line: string): Turn => {
      const [, name = '', password = ''] = decoded(line).split('\0')
      return signIn(name, password)
    }
    if (/^PLAIN$/i.test(mechanism)) {
      if (initial !== undefined) return plain(initial)
      awaiting = plain
      return say(334, '')
    }
    if (/^LOGIN$/i.test(mechanism)) {
      awaiting = (name) => {
        awaiting = (password) => signIn(decoded(name), decoded(password))
        return say(334, 'UGFzc3dvcmQ6')
      }
      return say(334, 'VXNlcm5hbWU6')
    }
    return say(504, '5.5.4 Only PLAIN and LOGIN are known here')
  }

  function mailFrom(rest: string): Turn {
    const address = /^FROM:\s*<([^>\s]*)>(.*)$/i.exec(rest)
    if (!address) return say(501, '5.5.4 Write MAIL FROM:<address>')
    if (users.size > 0 && user === null) return say(530, '5.7.0 Authentication Required')
    const size = Number(/SIZE=(\d+)/i.exec(address[2] ?? '')?.[1] ?? 0)
    if (size > options.sizeBytes) return say(552, '5.3.4 The message is too large')
    const trouble = troubled('MAIL')
    if (trouble) return trouble
    from = address[1] ?? ''
    to = []
    return say(250, '2.1.0 OK')
  }

  function rcptTo(rest: string): Turn {
    const address = /^TO:\s*<([^>\s]+)>/i.exec(rest)?.[1]
    if (address === undefined) return say(501, '5.5.4 Write RCPT TO:<address>')
    if (from === null) return say(503, '5.5.1 MAIL first')
    const trouble = troubled('RCPT')
    if (trouble) return trouble
    if (options.isGreylisted(from, address)) return say(450, '4.2.0 Greylisted, come again later')
    to.push(address)
    return say(250, '2.1.5 OK')
  }

  function dataBegins(): Turn {
    if (from === null || to.length === 0) return say(503, '5.5.1 RCPT first')
    const trouble = troubled('DATA')
    if (trouble) return trouble
    data = { lines: [], bytes: 0 }
    return say(354, 'Go ahead')
  }

  function dataLine(line: string, open: NonNullable<typeof data>): Turn {
    if (line !== '.') {
      open.bytes += line.length + 2
      if (open.bytes <= options.sizeBytes)
        open.lines.push(line.startsWith('.') ? line.slice(1) : line)
      return silent
    }
    data = null
    if (open.bytes > options.sizeBytes) return say(552, '5.3.4 The message is too large')
    const found = fault('message')
    if (found?.kind === 'status') return say(found.status, found.message)
    if (found?.kind === 'cut') return { say: null, next: 'cut' }
    if (found?.kind === 'hang') return { say: null, next: 'hang' }
    options.take({
      at: options.now(),
      user,
      isEncrypted: options.isEncrypted,
      from: from ?? '',
      to,
      raw: open.lines.map((one) => `${one}\r\n`).join(''),
    })
    reset()
    // It is taken, and who sent it will never know.
    return found?.kind === 'started_but_cut'
      ? { say: null, next: 'cut' }
      : say(250, '2.0.0 OK: taken')
  }

  function command(line: string): Turn {
    const [verb = '', ...words] = line.split(' ')
    const rest = words.join(' ')
    const name = verb.toUpperCase()
    if (name === 'EHLO' || name === 'HELO') return ehlo(line)
    if (name === 'QUIT') return { say: `221 2.0.0 ${host} closes`, next: 'end' }
    if (name === 'NOOP') return say(250, '2.0.0 OK')
    if (name === 'RSET') {
      reset()
      return say(250, '2.0.0 OK')
    }
    if (!greeted) return say(503, '5.5.1 EHLO first')
    if (name === 'STARTTLS') {
      if (!options.offersTls || options.isEncrypted) return say(502, '5.5.1 There is none')
      return { say: '220 2.0.0 Ready', next: 'encrypt' }
    }
    if (name === 'AUTH') return auth(rest)
    if (name === 'MAIL') return mailFrom(rest)
    if (name === 'RCPT') return rcptTo(rest)
    if (name === 'DATA') return dataBegins()
    if (name === 'VRFY') return say(252, '2.5.2 Send it, and see')
    return say(502, '5.5.2 That command is not known here')
  }

  return {
    /** The first word, before anything was said. */
    greeting(): Turn {
      return troubled('connect') ?? say(220, `${host} ESMTP Rodizio emulator`)
    },
    hear(line: string): Turn {
      if (data) return dataLine(line, data)
      if (awaiting) {
        const answer = awaiting
        awaiting = null
        return line === '*' ? say(501, '5.7.0 Given up') : answer(line)
      }
      return command(line)
    },
  }
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8')
