import { z } from 'zod'

/** What an edge says when it cannot or will not pass a request on. */
export interface EdgeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * ngrok's: code and sentence by condition (ngrok.com/docs/errors, read 2026-11). The statuses of 3200 and 8012 have been seen, 8012's
 * in two forms; those of the limits are assumed, which is why a prober must go by the code.
 */
const ngrokConditions = {
  gone: [404, 'ERR_NGROK_3200', 'The endpoint is offline.'],
  'no-backend': [503, 'ERR_NGROK_724', 'The tunnel has no backend.'],
  'server-refused': [
    502,
    'ERR_NGROK_8012',
    'Traffic reached the agent, but nothing took it there.',
  ],
  'server-refused-400': [
    400,
    'ERR_NGROK_8012',
    'Traffic reached the agent, but nothing took it there.',
  ],
  'broken-upstream': [502, 'ERR_NGROK_3004', 'The server sent an invalid or incomplete answer.'],
  'month-spent': [403, 'ERR_NGROK_727', 'The HTTP requests of this month are used up.'],
  'minute-spent': [429, 'ERR_NGROK_734', 'Too many requests in a minute.'],
  'bytes-in-spent': [403, 'ERR_NGROK_718', 'Too many bytes in a minute.'],
  'bytes-spent': [403, 'ERR_NGROK_720', 'Too many bytes in a minute.'],
  'bandwidth-spent': [403, 'ERR_NGROK_4027', 'The bandwidth of this month is used up.'],
  warning: [200, 'ERR_NGROK_6024', 'You are about to visit a site that is served for free.'],
} as const

/** cloudflared's, as public runbooks tell them (read 2026-11). */
const cloudflareConditions = {
  gone: [530, '1033'],
  'host-gone': [530, '1016'],
  'too-many': [429, '1027'],
} as const

export const Condition = z.enum([
  'up',
  ...keysOf(ngrokConditions),
  'host-gone',
  'too-many', // 429 with Retry-After; without a code of ngrok's
  'page', // 200 with a web page of whoever stands there now
])
export type Condition = z.infer<typeof Condition>

export type TunnelKind = 'ngrok' | 'cloudflared'

/** What an edge says under a condition; undefined for one that it does not know. `up` is not one of them. */
export function edgeAnswer(
  kind: TunnelKind,
  condition: Condition,
  retryAfterSeconds: number,
): EdgeAnswer | undefined {
  if (condition === 'page') return page(200, {}, 'A page', 'Something else answers here.')
  const wait = { 'retry-after': String(retryAfterSeconds) }
  if (kind === 'cloudflared') return cloudflareAnswer(condition, wait)
  if (condition === 'too-many') return page(429, wait, 'Too many requests', 'Come again later.')
  if (!isOneOf(ngrokConditions, condition)) return undefined
  const [status, code, words] = ngrokConditions[condition]
  const headers = { 'ngrok-error-code': code, ...(status === 429 ? wait : {}) }
  return page(status, headers, code, words)
}

function cloudflareAnswer(
  condition: Condition,
  wait: Readonly<Record<string, string>>,
): EdgeAnswer | undefined {
  const server = { server: 'cloudflare' }
  if (condition === 'server-refused') {
    return page(502, server, '502 Bad Gateway', 'Unable to reach the origin service.')
  }
  if (!isOneOf(cloudflareConditions, condition)) return undefined
  const [status, code] = cloudflareConditions[condition]
  return {
    status,
    headers: { ...server, 'content-type': 'text/plain', ...(status === 429 ? wait : {}) },
    body: `error code: ${code}`,
  }
}

const page = (
  status: number,
  headers: Readonly<Record<string, string>>,
  title: string,
  words: string,
): EdgeAnswer => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
  body: `<!doctype html><html lang="en"><head><title>${title}</title></head><body><p>${words}</p><p>${title}</p></body></html>\n`,
})

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): [Key, ...Key[]] {
  return Object.keys(table) as [Key, ...Key[]] // a table of literals, which has at least one
}

const isOneOf = <Key extends string>(
  table: Readonly<Record<Key, unknown>>,
  key: string,
): key is Key => Object.hasOwn(table, key)
