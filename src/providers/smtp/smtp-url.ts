import { AppError } from '../../lib/errors.ts'

/** How a mail server is reached. */
export interface SmtpTarget {
  readonly host: string
  readonly port: number
  /** From the first byte; by STARTTLS, without which nothing is sent; or not at all. */
  readonly encryption: 'tls' | 'starttls' | 'none'
  readonly user: string | null
  readonly password: string | null
}

/**
 * A mail server's address: `smtps://user:password@host` speaks TLS from the first byte (port 465), `smtp://…` wants STARTTLS (port
 * 587) unless the host is this machine, and `?tls=off` leaves it out where that is meant. Name and password are percent-encoded.
 * @throws AppError `invalid` (`smtp_url`) that says what is wrong and repeats nothing of it
 */
export function smtpTarget(text: string): SmtpTarget {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '') {
    throw refused('it is no address of a mail server')
  }
  if (url.pathname !== '' && url.pathname !== '/') throw refused('it has a path')
  const tls = url.searchParams.get('tls')
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'tls')
  if (unknown !== undefined || (tls !== null && tls !== 'off' && tls !== 'on'))
    throw refused('after the ? it may say tls=off or tls=on, and nothing else')
  const isTls = url.protocol === 'smtps:'
  if (isTls && tls === 'off') throw refused('smtps:// is TLS, and tls=off takes it away')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isHere = host === 'localhost' || host === '::1' || host.startsWith('127.')
  const isPlain = tls === 'off' || (tls === null && isHere)
  const [user, password] = [decoded(url.username), decoded(url.password)]
  return {
    host,
    port: url.port === '' ? (isTls ? 465 : 587) : Number(url.port),
    encryption: isTls ? 'tls' : isPlain ? 'none' : 'starttls',
    user: user === '' ? null : user,
    password: password === '' ? null : password,
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw refused('its name or password holds a % that is no code')
  }
}

const refused = (why: string): AppError =>
  new AppError('invalid', `RODIZIO_SMTP_URL: ${why}`, {
    code: 'smtp_url',
    next: 'Write smtps://user:password@smtp.example.com, with characters such as @ and / in name and password percent-encoded (%40, %2F)',
  })

/** The server without what is secret. */
export const shownTarget = ({ host, port, encryption }: SmtpTarget): string =>
  `${host}:${port} (${encryption === 'none' ? 'not encrypted' : encryption === 'tls' ? 'TLS' : 'STARTTLS'})`
