import { createHmac } from 'node:crypto'
import type { Preset } from '../../alerts/channel.ts'
import type { Attempt } from '../../alerts/delivery.ts'
import type { Letter, WebhookTarget } from '../../alerts/outbox.ts'
import { secondsBetween } from '../../lib/clock.ts'
import type { CallAnswer, GuardedCall } from './post.ts'

export interface WebhookOptions {
  readonly preset: Preset
  readonly target: WebhookTarget
  readonly call: GuardedCall
  readonly now: () => Date
}

/** Sends messages to a webhook, each with the key under which the receiver knows it again. Never throws. */
export function webhookSender({ preset, target, call, now }: WebhookOptions) {
  return {
    async send({ id, body, headers }: Letter): Promise<Attempt> {
      const addressed = addressedTo(preset, target, body)
      const answer = await call(addressed.url, {
        method: 'POST',
        body: addressed.body,
        headers: {
          ...headers,
          'idempotency-key': id,
          ...secretHeaders(preset, target, addressed.body, now()),
        },
      })
      return attemptOfAnswer(answer, now())
    },
    close: async () => undefined,
  }
}

/** Telegram wants the chat within the body; it is given with the address, as `?chat_id=`. */
function addressedTo(preset: Preset, { url }: WebhookTarget, body: string) {
  if (preset !== 'telegram') return { url, body }
  const address = new URL(url)
  const chat = address.searchParams.get('chat_id')
  address.search = ''
  const content: unknown = JSON.parse(body) // made by webhookBody
  return { url: address.href, body: JSON.stringify({ chat_id: chat, ...Object(content) }) }
}

/** A generic receiver proves the sender by the signature over time and body; ntfy knows an access token. */
function secretHeaders(
  preset: Preset,
  { secret }: WebhookTarget,
  body: string,
  at: Date,
): Record<string, string> {
  if (secret === null) return {}
  if (preset === 'ntfy') return { authorization: `Bearer ${secret}` }
  if (preset !== 'generic') return {}
  const seconds = Math.floor(at.getTime() / 1000)
  return { 'x-rodizio-signature': `t=${seconds},v1=${signature(secret, seconds, body)}` }
}

/** HMAC-SHA-256 of `seconds.body`, in hex. */
export const signature = (secret: string, seconds: number, body: string): string =>
  createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')

/** Statuses of 4xx that may go better later (RFC 9110; 425 of RFC 8470). */
const later = new Set([408, 421, 425, 429])

/** What an answer means for the message. */
export function attemptOfAnswer(answer: CallAnswer, now: Date): Attempt {
  if ('failed' in answer)
    return { kind: answer.isRefused ? 'refused' : 'later', said: answer.failed }
  const { status, words, retryAfter } = answer
  const said = `${status} ${words}`.trim()
  if (status >= 200 && status < 300) return { kind: 'accepted', said }
  if (status >= 500 || later.has(status)) {
    const retryAfterSeconds = secondsOf(retryAfter, now)
    return { kind: 'later', said, ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }) }
  }
  if (status >= 300 && status < 400)
    return {
      kind: 'refused',
      said: `${said}: redirects are not followed; give the address it leads to`,
    }
  return { kind: 'refused', said }
}

/** Retry-After as seconds, at most a day; it comes as seconds or as a date (RFC 9110, 10.2.3). */
function secondsOf(header: string | null, now: Date): number | null {
  if (header === null) return null
  const seconds = /^\d+(\.\d+)?$/.test(header)
    ? Number(header)
    : secondsBetween(now, new Date(header))
  return Number.isFinite(seconds) ? Math.min(86_400, Math.max(0, Math.ceil(seconds))) : null
}
