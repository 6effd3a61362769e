import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodedWords, readPart, splitHead } from '../../src/emulators/mail/mime.ts'

const read = (lines: readonly string[]) => {
  const { headers, body } = splitHead(lines.join('\r\n'))
  return readPart(headers, body)
}
const nested = [
  'Content-Type: multipart/mixed; boundary="outer"',
  '',
  'for programs that are old',
  '--outer',
  'Content-Type: multipart/alternative;',
  ' boundary=inner',
  '',
  '--inner',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'n=F3 =',
  'ana',
  '--inner',
  'Content-Type: text/html; charset=utf-8',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from('<p>nó</p>').toString('base64'),
  '--inner--',
  '--outer',
  'Content-Type: text/plain',
  'Content-Disposition: attachment; filename=a.txt',
  '',
  'an attachment',
  '--outer--',
  'behind it all',
]

describe('the texts of a mail', () => {
  it.each([
    ['parts in parts', nested, { text: 'nó ana', html: '<p>nó</p>' }],
    ['an attachment first', nested.toSpliced(3, 16), { text: null, html: null }],
    ['no header at all', ['', 'text'], { text: 'text', html: null }],
    ['no body', ['Subject: x'], { text: '', html: null }],
    [
      'a boundary that is missing',
      ['Content-Type: multipart/mixed', '', 'x'],
      { text: null, html: null },
    ],
    ['an image', ['Content-Type: image/png', '', 'x'], { text: null, html: null }],
    [
      'a charset that nobody knows',
      ['Content-Type: text/plain; charset=x-none', 'Content-Transfer-Encoding: base64', '', 'b2k='],
      { text: 'oi', html: null },
    ],
  ])('%s', (_what, lines, texts) => expect(read(lines)).toEqual(texts))

  it('are read of anything without an error, and no deeper than eight parts in parts', () => {
    const line = fc.constantFrom(
      ...nested,
      '',
      '--',
      '--outer',
      '--inner--',
      ': ',
      'Content-Type:',
      '=',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 40 }), (lines) => {
        const { text, html } = read(lines)
        expect([text === null || typeof text, html === null || typeof html]).not.toContain(
          'undefined',
        )
      }),
    )
    const deep = (depth: number): string =>
      depth === 0
        ? 'Content-Type: text/plain\r\n\r\nfound'
        : `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n${deep(depth - 1)}\r\n--b${depth}--`
    expect(read([deep(8)]).text).toBe('found')
    expect(read([deep(9)]).text).toBe(null)
  })
})

it.each([
  ['=?utf-8?B?T2zDoQ==?=', 'Olá'],
  ['=?UTF-8?Q?Ol=C3=A1_ana?=', 'Olá ana'],
  ['=?utf-8?q?a?= =?utf-8?q?b?= c', 'ab c'],
  ['=?iso-8859-1?Q?n=F3?= <a@x>', 'nó <a@x>'],
  ['=?x-none?Q?a?=', '=?x-none?Q?a?='],
  ['plain = text?', 'plain = text?'],
])('a header %j says %j', (value, said) => expect(decodedWords(value)).toBe(said))
