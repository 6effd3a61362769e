import type { IncomingHttpHeaders } from 'node:http'
import { sha256Hex } from '../lib/random.ts'

const KEPT = 2000

/** A request as it came in, without what would let somebody in. */
export interface RecordedRequest {
  readonly rpc: string
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Requests {
  record(rpc: string, method: string, target: string, headers: IncomingHttpHeaders): Recording
  list(): readonly RecordedRequest[]
  clear(): void
}

export interface Recording {
  body(value: unknown): void
}

/** The last requests, oldest first. */
export function createRequests(): Requests {
  let kept: { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] }[] = []
  return {
    record: (rpc, method, target, headers) => {
      const request = {
        rpc,
        method,
        target: withoutCapability(target),
        headers: masked(headers),
        body: null as unknown,
      }
      kept = [...kept.slice(-(KEPT - 1)), request]
      return {
        body: (value) => {
          request.body = rpc === 'IntrospectToken' ? { token: '***' } : value
        },
      }
    },
    list: () => kept,
    clear: () => {
      kept = []
    },
  }
}

/** Of an authorization its scheme stays, and a mark by which two of them can be told apart. */
function masked(headers: IncomingHttpHeaders): Record<string, string> {
  const lines = Object.entries(headers).map(([name, value]) => {
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
    const isSecret = name === 'authorization' || name === 'proxy-authorization' || name === 'cookie'
    return [
      name,
      isSecret ? `${text.split(' ')[0]} #${sha256Hex(text).slice(0, 8)}` : text,
    ] as const
  })
  return Object.fromEntries(lines)
}

/** An address that is itself the right to write keeps a mark, by which two of them can be told apart. */
const withoutCapability = (target: string): string =>
  target.replace(/(upload_id=)([^&]+)/, (_all, name, id) => `${name}#${sha256Hex(id).slice(0, 8)}`)
