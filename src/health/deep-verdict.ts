import { isAccountLimit } from './cause.ts'
import type { FailedAt } from './probe.ts'

/** What one deep probe brought: one token was asked for, and the answer read as it came. Milliseconds from its start. */
export type DeepSeen =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** In small letters, those that tell causes apart. */
      readonly headers: Readonly<Record<string, string>>
      /** To the first token; null without one. */
      readonly tokenMs: number | null
      /** How the answer ended; `left`: the token was there, and the rest not waited for. */
      readonly end: 'whole' | 'capped' | 'cut' | 'late' | 'left'
      /** Whether the answer held an error in a token's place. */
      readonly isError: boolean
      readonly ms: number
    }
  | {
      readonly kind: 'failed'
      readonly at: FailedAt
      /** In our words, without what the other side sent. */
      readonly why: string
      readonly ms: number
    }

/**
 * What a deep probe means: a token came; none came; the request is one that it does not take (which may be the fault of whoever has
 * given the model's name); the key is refused; it is asked too often.
 */
export type DeepVerdict =
  | { readonly kind: 'good'; readonly tokenMs: number; readonly endMs: number | null }
  | { readonly kind: 'no-token'; readonly words: string }
  | { readonly kind: 'asked-wrong'; readonly words: string }
  | { readonly kind: 'refused'; readonly words: string }
  | {
      readonly kind: 'limited'
      readonly words: string
      readonly retryAfterSeconds: number | null
    }

/** @param hasKey whether a key went with the request */
export function deepVerdictOf(seen: DeepSeen, hasKey: boolean): DeepVerdict {
  if (seen.kind === 'failed') {
    const kind = seen.at === 'refused' ? 'asked-wrong' : 'no-token'
    return { kind, words: seen.why }
  }
  const { status, headers, tokenMs, end, ms } = seen
  if (tokenMs !== null) return { kind: 'good', tokenMs, endMs: end === 'whole' ? ms : null }
  if (status === 429 || isAccountLimit(headers)) {
    const words = `it is asked too often (HTTP ${status})`
    return { kind: 'limited', words, retryAfterSeconds: seconds(headers['retry-after']) }
  }
  const isTunnel = headers['ngrok-error-code'] !== undefined
  if ((status === 401 || status === 403) && !isTunnel) {
    const words = hasKey ? 'the key is refused' : 'it wants a key, and none was given'
    return { kind: 'refused', words: `${words} (HTTP ${status})` }
  }
  if (status >= 300 && status < 400) {
    return { kind: 'asked-wrong', words: `it redirects (HTTP ${status}), which is not followed` }
  }
  if (status >= 400 && status < 500 && status !== 408 && !isTunnel) {
    return { kind: 'asked-wrong', words: `it does not take the request (HTTP ${status})` }
  }
  if (status < 200 || status > 299) {
    return { kind: 'no-token', words: `it answers with HTTP ${status}` }
  }
  return { kind: 'no-token', words: seen.isError ? 'its answer is an error' : endWords[end] }
}

const endWords = {
  whole: 'its answer ends without a token',
  left: 'its answer ends without a token',
  capped: 'its answer is long, and holds no token',
  cut: 'its answer broke off before the first token',
  late: 'no token came in time',
} as const

function seconds(given: string | undefined): number | null {
  return given !== undefined && /^\d{1,6}$/.test(given) ? Number(given) : null
}
