import { describe, expect, it } from 'vitest'
import {
  type CauseKind,
  type Consequence,
  consequenceOf,
  verdictOf,
} from '../../src/health/cause.ts'
import type { FailedAt, Seen } from '../../src/health/probe.ts'

const answered = (status: number, body: string, headers: Record<string, string> = {}): Seen => ({
  kind: 'answered',
  status,
  headers,
  body,
  isCut: false,
  ms: 12,
  certificateEndsAt: null,
})
const well = JSON.stringify({
  status: 'ok',
  model: 'support',
  adapter: { version: 'support-100', sha256: 'a'.repeat(64), run: 'run_1', step: 100 },
  free_vram_bytes: 7e9,
})
const json = { 'content-type': 'application/json' }
const html = { 'content-type': 'text/html' }
const ngrok = (code: string, more = {}) => ({ 'ngrok-error-code': code, ...more })
const of = (seen: Seen, run: string | null = null, host = 'node.example') =>
  verdictOf(seen, { run }, host)

it('a node that answers as one is up, and told with what it says of itself', () => {
  expect(of(answered(200, well, json), 'run_1')).toEqual({
    kind: 'up',
    health: {
      model: 'support',
      adapterVersion: 'support-100',
      adapterSha256: 'a'.repeat(64),
      freeVramBytes: 7e9,
    },
  })
  expect(of(answered(200, '{"status":"ok"}'))).toMatchObject({ kind: 'up' })
})

describe.each<[string, Seen, CauseKind, Consequence, (string | undefined)?, string?]>([
  ['tunnel gone', answered(404, '', ngrok('ERR_NGROK_3200')), 'tunnel-gone', 'replace'],
  [
    'server dead behind it, as documented',
    answered(502, '', ngrok('ERR_NGROK_8012')),
    'server-dead',
    'restart',
  ],
  ['… as seen', answered(400, '', ngrok('ERR_NGROK_8012')), 'server-dead', 'restart'],
  [
    'upstream sends no HTTP',
    answered(502, '', ngrok('ERR_NGROK_3004')),
    'broken-answer',
    'restart',
  ],
  ['month used up', answered(403, '', ngrok('ERR_NGROK_727')), 'account-limit', 'wait-out'],
  ['minute used up', answered(429, '', ngrok('ERR_NGROK_734')), 'account-limit', 'wait-out'],
  ['bandwidth used up', answered(403, '', ngrok('ERR_NGROK_4027')), 'account-limit', 'wait-out'],
  ['bytes used up', answered(403, '', ngrok('ERR_NGROK_720')), 'account-limit', 'wait-out'],
  ['429 of anybody', answered(429, '', { 'retry-after': '30' }), 'account-limit', 'wait-out'],
  ['warning page', answered(200, '<html>', ngrok('ERR_NGROK_6024', html)), 'warning-page', 'none'],
  ['a code that is new', answered(500, '', ngrok('ERR_NGROK_9999')), 'http-status', 'restart'],
  ['a code that is markup', answered(500, '', ngrok('<script>')), 'http-status', 'restart'],
  ['no connector', answered(530, 'error code: 1033'), 'tunnel-gone', 'replace'],
  ['host gone', answered(530, 'error code: 1016'), 'tunnel-gone', 'replace'],
  ['too many requests there', answered(429, 'error code: 1027'), 'account-limit', 'wait-out'],
  [
    '502 of a quick tunnel',
    answered(502, ''),
    'server-dead',
    'restart',
    undefined,
    'a-b.trycloudflare.com',
  ],
  ['502 of anybody else', answered(502, ''), 'http-status', 'restart'],
  ['HTTP 500', answered(500, 'oops'), 'http-status', 'restart'],
  ['its server is not well', answered(503, '{"status":"failing"}', json), 'failing', 'restart'],
  ['200 with a page', answered(200, '<html>hello</html>', html), 'no-health', 'none'],
  ['200 with other JSON', answered(200, '{"hello":"world"}', json), 'no-health', 'none'],
  ['200 with nothing', answered(200, ''), 'no-health', 'none'],
  ['another run', answered(200, well, json), 'other-run', 'replace', 'run_2'],
  [
    'a node that tells no run, where one is due',
    answered(200, '{"status":"ok"}'),
    'other-run',
    'replace',
    'run_2',
  ],
])('%s', (_what, seen, kind, consequence, run, host) => {
  it(`is ${kind}, which leads to ${consequence}`, () => {
    const verdict = of(seen, run ?? null, host)
    expect(verdict).toMatchObject({ kind: 'bad', cause: { kind } })
    expect(consequenceOf[kind]).toBe(consequence)
    expect(JSON.stringify(verdict)).not.toMatch(/<|hello|oops/)
  })
})

it.each<[FailedAt, Consequence]>([
  ['dns', 'none'],
  ['connect', 'none'],
  ['tls', 'none'],
  ['timeout', 'restart'],
  ['cut', 'restart'],
  ['refused', 'none'],
  ['redirects', 'none'],
])('a look that failed at %s is told so, and leads to %s', (at, consequence) => {
  const verdict = of({ kind: 'failed', at, why: 'the words', ms: 5 })
  expect(verdict).toMatchObject({ kind: 'bad', cause: { kind: at, words: 'the words' } })
  expect(consequenceOf[at]).toBe(consequence)
})

it.each([
  ['30', 30],
  ['0', 0],
  ['Wed, 21 Oct 2026 07:28:00 GMT', null],
  ['-1', null],
  ['9'.repeat(30), null],
])('a limit says when it ends, where it does: %s', (given, seconds) => {
  expect(of(answered(429, '', { 'retry-after': given }))).toMatchObject({
    cause: { kind: 'account-limit', retryAfterSeconds: seconds },
  })
})

it('an answer that was too long to be one is none', () => {
  const long: Seen = {
    ...(answered(200, well, json) as Extract<Seen, { kind: 'answered' }>),
    isCut: true,
  }
  expect(of(long)).toMatchObject({ cause: { kind: 'no-health' } })
})

describe('where any answer will do', () => {
  const page = (indicator: string) => JSON.stringify({ page: {}, status: { indicator } })
  it.each<[string, Seen, 'up' | CauseKind]>([
    ['a web page is up', answered(200, '<html>', html), 'up'],
    ['a question for a password is up', answered(401, '', html), 'up'],
    ['a status page without an outage is up', answered(200, page('minor'), json), 'up'],
    ['a status page of an outage is not', answered(200, page('critical'), json), 'failing'],
    ['a gateway with nobody behind it is not', answered(502, '', html), 'http-status'],
    ['a tunnel that is gone is not', answered(404, '', ngrok('ERR_NGROK_3200')), 'tunnel-gone'],
  ])('%s', (_what, seen, found) => {
    const verdict = verdictOf(seen, { run: null, anyAnswer: true }, 'node.example')
    expect(verdict.kind === 'up' ? 'up' : verdict.cause.kind).toBe(found)
  })
})
