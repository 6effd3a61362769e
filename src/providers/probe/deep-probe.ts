import { bearerKey } from '../../health/deep-check.ts'
import type { DeepSeen } from '../../health/deep-verdict.ts'
import type { FailedAt } from '../../health/probe.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { AddressGuard } from './address-guard.ts'
import { firstTokenReader } from './first-token.ts'
import { type Resolve, resolveAll } from './guarded-lookup.ts'
import { guardedRequest, toldBy } from './guarded-request.ts'

export interface DeepOptions {
  readonly guard: AddressGuard
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** For the whole of it, to the first token or to the end that brings none. */
  readonly timeoutMs: number
  /** Certificates that are believed besides the system's, PEM. */
  readonly ca?: string
  /** In place of the system's resolver. */
  readonly resolve?: Resolve
}

export interface DeepTarget {
  /** The base of an OpenAI-compatible interface, such as https://name.example/v1. */
  readonly base: string
  readonly model: string | null
  /** Goes to the host of `base` alone; plain ASCII. */
  readonly key: string | null
}

/** So much of an answer is read before its first token, and no more. */
const capBytes = 64 * 1024
/** The end of an answer is waited for so long after its token. */
const endMs = 2000

/**
 * Asks for one token and reads the answer as it comes: POST on a connection of its own, over addresses that the guard lets through.
 * Redirects are not followed: the key would go where nobody has given it to. Never throws; what it tells holds nothing that was sent.
 */
export function deepProbe({ guard, clock, timeoutMs, ca, resolve = resolveAll }: DeepOptions) {
  return function ask({ base, model, key }: DeepTarget, signal?: AbortSignal): Promise<DeepSeen> {
    const began = clock.monotonicMs()
    const elapsed = () => Math.round(clock.monotonicMs() - began)
    const failure = (at: FailedAt, why: string): DeepSeen => ({
      kind: 'failed',
      at,
      why,
      ms: elapsed(),
    })
    let url: URL
    try {
      url = guard.admit(`${base}/chat/completions`)
    } catch (error) {
      return Promise.resolve(failure('refused', messageOf(error))) // what the guard throws names the address
    }
    if (key !== null && !bearerKey.test(key)) {
      return Promise.resolve(failure('refused', 'its key is none that a header can hold'))
    }
    const body = JSON.stringify({
      ...(model === null ? {} : { model }),
      messages: [{ role: 'user', content: 'Say one word.' }],
      max_tokens: 1,
      stream: true,
    })
    const headers = {
      accept: 'text/event-stream, application/json',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'rodizio-probe/1',
      'ngrok-skip-browser-warning': '1',
      connection: 'close',
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    }
    return new Promise((settle) => {
      let timer: NodeJS.Timeout | undefined
      let isOver = false
      const done = (seen: DeepSeen) => {
        if (isOver) return
        isOver = true
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
        settle(seen)
        request.destroy()
      }
      const stop = () => done(failure('cut', 'it was broken off here'))
      /** What is told once the answer has begun. */
      let answered: ((end: 'late' | 'cut') => void) | undefined
      const fail = (at: FailedAt, why: string) => {
        if (answered) answered(at === 'timeout' ? 'late' : 'cut')
        else done(failure(at, why))
      }
      const request = guardedRequest(url, { method: 'POST', headers }, { guard, ca, resolve }, fail)
      timer = setTimeout(() => fail('timeout', `no token within ${timeoutMs} ms`), timeoutMs)
      signal?.addEventListener('abort', stop)
      request.on('response', (response) => {
        const status = response.statusCode ?? 0
        const told = toldBy(response)
        const reader = firstTokenReader(told['content-type'] ?? '')
        let tokenMs: number | null = null
        let isError = false
        let size = 0
        const finish = (end: Extract<DeepSeen, { kind: 'answered' }>['end']) =>
          done({
            kind: 'answered',
            status,
            headers: told,
            tokenMs,
            end: tokenMs !== null && end !== 'whole' ? 'left' : end,
            isError,
            ms: elapsed(),
          })
        answered = finish
        // The status says it all.
        if (status < 200 || status > 299) return finish('whole')
        const take = (held: ReturnType<typeof reader.end>): boolean => {
          if (held === 'error') isError = true
          else if (held === 'token' && tokenMs === null) tokenMs = elapsed()
          return held === 'error' || held === 'end'
        }
        response.on('data', (part: Buffer) => {
          size += part.length
          if (tokenMs === null) {
            if (take(reader.read(part.subarray(0, capBytes)))) return finish('whole')
            if (tokenMs !== null) {
              clearTimeout(timer)
              timer = setTimeout(() => finish('left'), endMs)
            }
          }
          if (size > capBytes) finish('capped')
        })
        response.on('end', () => {
          if (tokenMs === null) take(reader.end())
          finish('whole')
        })
        response.on('aborted', () => finish('cut'))
      })
      request.end(body)
    })
  }
}

export type DeepProbe = ReturnType<typeof deepProbe>
