import { z } from 'zod'
import type { Seen } from './probe.ts'

/** Why a node is not up, as far as one look tells. */
export type CauseKind =
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'cut'
  | 'refused'
  | 'redirects'
  | 'tunnel-gone'
  | 'server-dead'
  | 'broken-answer'
  | 'account-limit'
  | 'warning-page'
  | 'http-status'
  | 'no-health'
  | 'failing'
  | 'other-run'
  | 'no-token'
  | 'session-gone'

export interface Cause {
  readonly kind: CauseKind
  /** One sentence without what the other side sent, but for codes and numbers. */
  readonly words: string
  /** For a limit: when it may be asked again, in seconds; null where nobody says. */
  readonly retryAfterSeconds: number | null
}

/** What follows for a node that a serving policy covers. */
export type Consequence = 'replace' | 'restart' | 'wait-out' | 'none'

/** What a node says of itself at /health. */
const Health = z.object({
  status: z.string(),
  model: z.string().max(200).optional(),
  adapter: z
    .object({ version: z.string().max(200), sha256: z.string().max(64), run: z.string().max(200) })
    .partial()
    .nullish(),
  free_vram_bytes: z.number().nullish(),
})

export interface NodeHealth {
  readonly model: string | null
  readonly adapterVersion: string | null
  readonly adapterSha256: string | null
  readonly freeVramBytes: number | null
}

/** What a node is to answer; a static one may be expected nothing of. */
export interface Expected {
  /** The run whose adapter it serves, by id. */
  readonly run: string | null
  /** Whatever answers there is up, but for a status page that tells of an outage. */
  readonly anyAnswer?: boolean
}

export type Verdict =
  | { readonly kind: 'up'; readonly health: NodeHealth }
  | { readonly kind: 'bad'; readonly cause: Cause }

/** What a look means: headers of a tunnel first, then the status, then the body. */
export function verdictOf(seen: Seen, expected: Expected, host: string): Verdict {
  if (seen.kind === 'failed') {
    // A quick tunnel's name goes with its connector; whoever asks has made sure that the own network is there.
    if (seen.at === 'dns' && isQuickTunnel(host)) {
      return bad('tunnel-gone', 'its tunnel is gone, and its name with it')
    }
    return bad(seen.at, seen.why)
  }
  const told = ngrokVerdict(seen) ?? cloudflaredVerdict(seen, host)
  if (told) return told
  if (seen.status === 429) {
    return bad('account-limit', 'it is asked too often (HTTP 429)', retryAfter(seen.headers))
  }
  if (expected.anyAnswer) return anyAnswerVerdict(seen)
  const health = seen.isCut ? undefined : readHealth(seen.body)
  if (health && health.status !== 'ok') {
    return bad('failing', `its server says of itself that it is not well (HTTP ${seen.status})`)
  }
  if (seen.status < 200 || seen.status > 299) {
    return bad('http-status', `it answers with HTTP ${seen.status}`)
  }
  if (!health) {
    const html = /text\/html/.test(seen.headers['content-type'] ?? '')
    return bad(
      'no-health',
      `it answers with HTTP ${seen.status}, but with ${html ? 'a web page' : 'nothing'} that a node says at /health`,
    )
  }
  const run = health.adapter?.run ?? null
  if (expected.run !== null && run !== expected.run) {
    return bad('other-run', 'another node answers there: it serves the adapter of another run')
  }
  return {
    kind: 'up',
    health: {
      model: health.model ?? null,
      adapterVersion: health.adapter?.version ?? null,
      adapterSha256: health.adapter?.sha256 ?? null,
      freeVramBytes: health.free_vram_bytes ?? null,
    },
  }
}

/** What a cause leads to where a policy covers the node. The network's own trouble says nothing about the session behind it. */
export const consequenceOf: Readonly<Record<CauseKind, Consequence>> = {
  dns: 'none',
  connect: 'none',
  tls: 'none',
  timeout: 'restart',
  cut: 'restart',
  refused: 'none',
  redirects: 'none',
  'tunnel-gone': 'replace',
  'server-dead': 'restart',
  'broken-answer': 'restart',
  'account-limit': 'wait-out',
  'warning-page': 'none',
  'http-status': 'restart',
  'no-health': 'none',
  failing: 'restart',
  'other-run': 'replace',
  // Found by deep probes alone: it says that it is well, and generates nothing.
  'no-token': 'restart',
  // The rotation knows, and has replaced it.
  'session-gone': 'none',
}

type Answered = Extract<Seen, { kind: 'answered' }>

/** What Statuspage says at /api/v2/status.json (developer.statuspage.io, read 2026-11): none, minor, major or critical. */
const StatusPage = z.object({ status: z.object({ indicator: z.string() }) })

/** A router that asks for a password is there; a gateway that has nobody behind it says 5xx. */
function anyAnswerVerdict({ status, body, isCut }: Answered): Verdict {
  if (status >= 500) return bad('http-status', `it answers with HTTP ${status}`)
  const page = isCut ? undefined : StatusPage.safeParse(jsonOf(body)).data
  const indicator = page?.status.indicator
  if (indicator === 'major' || indicator === 'critical') {
    return bad('failing', `its status page tells of a ${indicator} outage`)
  }
  const unsaid = { model: null, adapterVersion: null, adapterSha256: null, freeVramBytes: null }
  return { kind: 'up', health: unsaid }
}

/** ngrok's own codes, whatever the status they come with (ngrok.com/docs/errors, read 2026-11). */
const ngrok: Readonly<Record<string, readonly [CauseKind, string]>> = {
  ERR_NGROK_3200: ['tunnel-gone', 'its tunnel is gone'],
  ERR_NGROK_724: ['tunnel-gone', 'its tunnel has nobody behind it'],
  ERR_NGROK_8012: ['server-dead', 'its tunnel is there, and no server behind it'],
  ERR_NGROK_3004: ['broken-answer', 'the server behind its tunnel sends what is no HTTP'],
  ERR_NGROK_727: ['account-limit', "the tunnel account's requests of this month are used up"],
  ERR_NGROK_734: ['account-limit', 'the tunnel account is asked too often in a minute'],
  ERR_NGROK_718: ['account-limit', "the tunnel account's bytes of this minute are used up"],
  ERR_NGROK_720: ['account-limit', "the tunnel account's bytes of this minute are used up"],
  ERR_NGROK_4027: ['account-limit', "the tunnel account's bandwidth is used up"],
  ERR_NGROK_6024: ['warning-page', 'its tunnel shows the page that warns browsers'],
}

/** Whether a tunnel says that its account is at a limit. */
export const isAccountLimit = (headers: Answered['headers']): boolean =>
  ngrok[headers['ngrok-error-code'] ?? '']?.[0] === 'account-limit'

function ngrokVerdict({ headers, status }: Answered): Verdict | undefined {
  const code = headers['ngrok-error-code']
  if (code === undefined) return undefined
  const known = ngrok[code]
  if (known) return bad(known[0], `${known[1]} (${code})`, retryAfter(headers))
  const shown = /^ERR_NGROK_\d{1,5}$/.test(code) ? code : 'a code that is none of its own'
  return bad('http-status', `its tunnel answers with HTTP ${status} (${shown})`)
}

/** cloudflared: no connector is HTTP 530 with "error code: 1033", a server that takes no connection 502. */
function cloudflaredVerdict(
  { status, body, headers }: Answered,
  host: string,
): Verdict | undefined {
  const isTunnel = isQuickTunnel(host)
  const code = /error code: (\d{4})/.exec(body.slice(0, 4096))?.[1]
  if (status === 530 && (code === '1033' || code === '1016')) {
    return bad('tunnel-gone', `its tunnel is gone (Cloudflare ${code})`)
  }
  if (code === '1027' || (isTunnel && status === 429)) {
    return bad(
      'account-limit',
      'its tunnel is asked too often (Cloudflare 1027)',
      retryAfter(headers),
    )
  }
  if (isTunnel && status === 502) {
    return bad('server-dead', 'its tunnel is there, and no server behind it (HTTP 502)')
  }
  return undefined
}

const isQuickTunnel = (host: string): boolean => /\.trycloudflare\.com$/.test(host)

const bad = (kind: CauseKind, words: string, retryAfterSeconds: number | null = null): Verdict => ({
  kind: 'bad',
  cause: { kind, words, retryAfterSeconds },
})

const readHealth = (body: string): z.infer<typeof Health> | undefined =>
  Health.safeParse(jsonOf(body)).data

/** Undefined for what is no JSON. */
function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined // a web page, most often
  }
}

/** Seconds of a Retry-After header; null for a date or nonsense. */
function retryAfter(headers: Answered['headers']): number | null {
  const given = headers['retry-after']
  const seconds = given !== undefined && /^\d{1,6}$/.test(given) ? Number(given) : Number.NaN
  return Number.isNaN(seconds) ? null : seconds
}
