import type { Attempt } from '../../alerts/delivery.ts'
import type { Letter } from '../../alerts/outbox.ts'
import { messageOf } from '../../lib/errors.ts'
import type { SmtpTarget } from './smtp-url.ts'

export interface MailOptions {
  readonly target: SmtpTarget
  readonly from: string
  /** For each step: the connection, the greeting, a silence in between. */
  readonly timeoutMs: number
  /** Certificates that are believed besides the system's, PEM. */
  readonly ca?: string
  /** The name that the server's certificate is held against, where that is not the host's. */
  readonly servername?: string
}

/**
 * A connection to a mail server for as many messages as there are, made when the first one is sent. The library is loaded then,
 * and not before: a service that has nothing to send does without its memory. Never throws.
 */
export function mailSender({ target, from, timeoutMs, ca, servername }: MailOptions) {
  let transport: Promise<Transport> | undefined
  const open = async () => {
    const { createTransport } = await import('nodemailer')
    const { host, port, encryption, user, password } = target
    return createTransport({
      pool: true,
      maxConnections: 1,
      // A connection that breaks after the message is the outbox's business: it knows when to try again.
      maxRequeues: 0,
      host,
      port,
      secure: encryption === 'tls',
      requireTLS: encryption === 'starttls',
      ignoreTLS: encryption === 'none',
      ...(user === null ? {} : { auth: { user, pass: password ?? '' } }),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      tls: {
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        ...(ca === undefined ? {} : { ca: [ca, ...(await systemCertificates())] }),
        ...(servername === undefined ? {} : { servername }),
      },
      disableFileAccess: true,
      disableUrlAccess: true,
    })
  }
  return {
    async send(letter: Letter): Promise<Attempt> {
      try {
        transport ??= open()
        const info = await (await transport).sendMail(mailOf(letter, from))
        return afterSending(info, letter)
      } catch (error) {
        return attemptOf(error)
      }
    },
    async close(): Promise<void> {
      const opened = await transport?.catch(() => undefined) // what failed was answered by `send`
      opened?.close()
    },
  }
}

type Transport = ReturnType<typeof import('nodemailer')['createTransport']>

/** Those that Node trusts by itself: a list of one's own replaces them. */
const systemCertificates = async (): Promise<readonly string[]> =>
  (await import('node:tls')).rootCertificates

const mailOf = (letter: Letter, from: string) => ({
  from,
  to: [...letter.recipients],
  subject: letter.subject,
  text: letter.body,
  ...(letter.html === null ? {} : { html: letter.html }),
  messageId: letter.messageId,
  ...(letter.inReplyTo === null ? {} : { inReplyTo: letter.inReplyTo }),
  ...(letter.references.length === 0 ? {} : { references: [...letter.references] }),
  date: letter.createdAt,
  // The same at every attempt, the line between its parts included.
  baseBoundary: letter.id,
  headers: { 'Auto-Submitted': 'auto-generated' },
})

interface SmtpError {
  readonly code?: string
  readonly responseCode?: number
  readonly response?: string
  readonly command?: string
}

interface Sent {
  readonly response?: string
  readonly rejected?: readonly unknown[]
  readonly rejectedErrors?: readonly (SmtpError & { readonly recipient?: string })[]
}

/** Some may have been taken and others not: those that may be taken later are tried again, alone. */
function afterSending(info: Sent, { recipients }: Letter): Attempt {
  const said = oneSaid(info.response ?? 'taken')
  const refused = info.rejectedErrors ?? []
  if (refused.length === 0) return { kind: 'accepted', said }
  const words = refused.map(({ response }) => oneSaid(response ?? 'refused')).join('; ')
  const left = refused.flatMap(({ recipient, responseCode = 450 }) =>
    recipient !== undefined && responseCode < 500 && recipients.includes(recipient)
      ? [recipient]
      : [],
  )
  return left.length > 0
    ? { kind: 'later', said: words, left }
    : { kind: 'accepted', said: `${said}; not for all: ${words}` }
}

/** Refusals of the sign-in: wrong, none given, encryption wanted first, too weak (RFC 4954, 6). */
const signInCodes = new Set([530, 534, 535, 538])

/** What a failure means for the message: a refusal for good by a code of 5xx, and everything else may go better later. */
export function attemptOf(error: unknown): Attempt {
  const { code, responseCode, response, command } =
    typeof error === 'object' && error !== null ? (error as SmtpError) : {}
  const said = oneSaid(response ?? (code ? `${code}: ${messageOf(error)}` : messageOf(error)))
  if (responseCode === undefined) {
    // The library's own: a server that wants a sign-in, or offers none for the one that is set.
    if (code === 'ENOAUTH' || code === 'EAUTH') return { kind: 'refused', said, isSignIn: true }
    return { kind: 'later', said }
  }
  if (responseCode < 500) return { kind: 'later', said }
  if (code === 'EAUTH' || signInCodes.has(responseCode))
    return { kind: 'refused', said, isSignIn: true }
  // No greeting but a refusal: the server is not taking anybody, which says nothing of this message.
  if (command === 'CONN' || command === 'EHLO' || command === 'STARTTLS' || code === 'ETLS')
    return { kind: 'later', said }
  return { kind: 'refused', said }
}

/** A server's words as one line, no longer than anybody reads. */
const oneSaid = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, 300)
