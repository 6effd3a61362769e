/** A header as it stands in a mail, folded lines joined. */
export interface Header {
  readonly name: string
  readonly value: string
}

export interface Texts {
  readonly text: string | null
  readonly html: string | null
}

/** Mails in mails in mails end here. */
const DEEPEST = 8
const MOST_PARTS = 100

/** Headers and body of a mail or of a part of one (RFC 5322). */
export function splitHead(raw: string): { headers: Header[]; body: string } {
  const bare = raw.startsWith('\r\n')
  const end = bare ? 0 : raw.indexOf('\r\n\r\n')
  const head = end < 0 ? raw : raw.slice(0, end)
  const lines = head.replace(/\r\n(?=[ \t])/g, '').split('\r\n')
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return colon < 1
      ? []
      : [{ name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim() }]
  })
  return { headers, body: end < 0 ? '' : raw.slice(end + (bare ? 2 : 4)) }
}

/** The first plain text and the first web page of a part (RFC 2045, 2046), attachments left out. */
export function readPart(headers: readonly Header[], body: string, depth = 0): Texts {
  const type = headerOf(headers, 'content-type') ?? 'text/plain'
  if (/^multipart\//i.test(type)) {
    const boundary = parameter(type, 'boundary')
    if (boundary === undefined || depth >= DEEPEST) return { text: null, html: null }
    let found: Texts = { text: null, html: null }
    for (const part of partsOf(body, boundary)) {
      const inner = splitHead(part)
      const { text, html } = readPart(inner.headers, inner.body, depth + 1)
      found = { text: found.text ?? text, html: found.html ?? html }
    }
    return found
  }
  if (/^attachment/i.test(headerOf(headers, 'content-disposition') ?? ''))
    return { text: null, html: null }
  if (/^text\/html/i.test(type)) return { text: null, html: decodedBody(headers, type, body) }
  if (/^text\//i.test(type)) return { text: decodedBody(headers, type, body), html: null }
  return { text: null, html: null }
}

/** The text of a header whose words are encoded (RFC 2047); what cannot be read stands as it is. */
export function decodedWords(value: string): string {
  return value
    .replace(/(\?=)\s+(?==\?)/g, '$1') // white space between two of them is none
    .replace(
      /=\?([^?\s]+)\?([bq])\?([^?\s]*)\?=/gi,
      (all, charset: string, kind: string, word: string) => {
        const bytes = /b/i.test(kind)
          ? Buffer.from(word, 'base64')
          : quoted(word.replaceAll('_', ' '))
        return textOf(bytes, charset) ?? all
      },
    )
}

const headerOf = (headers: readonly Header[], wanted: string): string | undefined =>
  headers.find(({ name }) => name.toLowerCase() === wanted)?.value

function parameter(value: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]+))`, 'i').exec(value)
  return found?.[1] ?? found?.[2]
}

function partsOf(body: string, boundary: string): string[] {
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`, MOST_PARTS)
  const last = pieces.findIndex((piece, index) => index > 0 && piece.startsWith('--'))
  // Behind a boundary its own line goes on, with white space at the most.
  return pieces
    .slice(1, last < 0 ? undefined : last)
    .map((piece) => piece.replace(/^[ \t]*\r\n/, ''))
}

function decodedBody(headers: readonly Header[], type: string, body: string): string {
  const encoding = (headerOf(headers, 'content-transfer-encoding') ?? '7bit').trim().toLowerCase()
  if (encoding !== 'base64' && encoding !== 'quoted-printable') return body // text already
  const bytes =
    encoding === 'base64' ? Buffer.from(body, 'base64') : quoted(body.replace(/=[ \t]*\r\n/g, ''))
  return textOf(bytes, parameter(type, 'charset') ?? 'utf-8') ?? bytes.toString('utf8')
}

const quoted = (text: string): Buffer =>
  Buffer.concat(
    text
      .split(/(=[0-9a-f]{2})/i)
      .map((piece, index) =>
        index % 2 === 1 ? Buffer.from(piece.slice(1), 'hex') : Buffer.from(piece),
      ),
  )

function textOf(bytes: Buffer, charset: string): string | undefined {
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return undefined // a charset that nobody knows
  }
}
