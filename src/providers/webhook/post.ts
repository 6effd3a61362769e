import http from 'node:http'
import https from 'node:https'
import { AppError, messageOf, systemCode } from '../../lib/errors.ts'
import { type AddressGuard, hostOf } from '../probe/address-guard.ts'
import { guardedLookup, type Resolve, resolveAll } from '../probe/guarded-lookup.ts'

export interface PostOptions {
  readonly guard: AddressGuard
  /** For the whole call. */
  readonly timeoutMs: number
  /** Certificates that are believed besides the system's, PEM. */
  readonly ca?: string
  readonly resolve?: Resolve
}

export interface Call {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** A status with its few words; or why there is none, and whether asking again is of no use. */
export type CallAnswer =
  | { readonly status: number; readonly words: string; readonly retryAfter: string | null }
  | { readonly failed: string; readonly isRefused: boolean }

/**
 * One call to somebody's address, over addresses that the guard lets through; redirects are not followed, and nothing of the body
 * that comes back is kept. Never throws, and repeats nothing of the address beyond its host: there may be a secret in it.
 */
export function guardedCall({ guard, timeoutMs, ca, resolve = resolveAll }: PostOptions) {
  return async function call(target: string, { method, headers, body }: Call): Promise<CallAnswer> {
    let url: URL
    try {
      url = guard.admit(target)
    } catch (error) {
      return { failed: messageOf(error), isRefused: true } // what the guard throws names the host
    }
    const host = hostOf(url)
    return new Promise((settle) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        method,
        agent: false,
        lookup: guardedLookup(host, guard, resolve),
        headers: {
          'user-agent': 'rodizio-alerts/1',
          connection: 'close',
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
        maxHeaderSize: 16 * 1024,
        ...(ca === undefined ? {} : { ca }),
      })
      const done = (answer: CallAnswer) => {
        clearTimeout(timer)
        settle(answer)
        request.destroy()
      }
      const timer = setTimeout(
        () => done({ failed: `${host}: no answer within ${timeoutMs} ms`, isRefused: false }),
        timeoutMs,
      )
      request.on('error', (error) => {
        const isRefused = error instanceof AppError
        const why = isRefused ? error.message : `${host}: ${systemCode(error) ?? messageOf(error)}`
        done({ failed: why, isRefused })
      })
      request.on('response', (response) => {
        const retryAfter = response.headers['retry-after'] ?? null
        const words = (response.statusMessage ?? '').replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 80)
        done({ status: response.statusCode ?? 0, words, retryAfter })
      })
      request.end(body)
    })
  }
}

export type GuardedCall = ReturnType<typeof guardedCall>
