import { TLSSocket } from 'node:tls'
import type { FailedAt, Seen } from '../../health/probe.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { type AddressGuard, hostOf } from './address-guard.ts'
import { type Resolve, resolveAll } from './guarded-lookup.ts'
import { guardedRequest, toldBy } from './guarded-request.ts'

export interface ProbeOptions {
  readonly guard: AddressGuard
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** For the whole look, redirects and body included. */
  readonly timeoutMs: number
  /** Certificates that are believed besides the system's, PEM. */
  readonly ca?: string
  /** In place of the system's resolver. */
  readonly resolve?: Resolve
}

/** No health answer is longer. */
const capBytes = 64 * 1024
const mostRedirects = 3

const ownHeaders = {
  accept: 'application/json',
  'user-agent': 'rodizio-probe/1',
  'ngrok-skip-browser-warning': '1',
  connection: 'close',
}

/**
 * One look at a URL: GET, on a connection of its own, over addresses that the guard lets through, redirects followed and looked at
 * again. Never throws. `node:http`: a fresh connection of it costs less than half of what `fetch` takes.
 */
export function httpProbe({ guard, clock, timeoutMs, ca, resolve = resolveAll }: ProbeOptions) {
  return async function look(target: string): Promise<Seen> {
    const began = clock.monotonicMs()
    const elapsed = () => Math.round(clock.monotonicMs() - began)
    const failed = (at: FailedAt, why: string): Seen => ({ kind: 'failed', at, why, ms: elapsed() })
    let next = target
    for (let hop = 0; hop <= mostRedirects; hop += 1) {
      const leftMs = timeoutMs - elapsed()
      if (leftMs <= 0) return failed('timeout', `no whole answer within ${timeoutMs} ms`)
      let url: URL
      try {
        url = guard.admit(next)
      } catch (error) {
        return failed('refused', messageOf(error)) // what the guard throws names the address
      }
      const answer = await ask(url, { guard, ca, resolve, leftMs, timeoutMs })
      if (answer.kind === 'failed') return failed(answer.at, answer.why)
      if (answer.location === null) {
        const { status, headers, body, isCut, certificateEndsAt } = answer
        return { kind: 'answered', status, headers, body, isCut, certificateEndsAt, ms: elapsed() }
      }
      next = URL.canParse(answer.location, url.href) ? new URL(answer.location, url.href).href : ''
    }
    return failed('redirects', `more than ${mostRedirects} redirects, one after the other`)
  }
}

export type HttpProbe = ReturnType<typeof httpProbe>

interface Ask extends Required<Pick<ProbeOptions, 'guard' | 'resolve' | 'timeoutMs'>> {
  readonly ca: string | undefined
  readonly leftMs: number
}

type Answer =
  | (Omit<Extract<Seen, { kind: 'answered' }>, 'kind' | 'ms'> & {
      readonly kind: 'answered'
      /** Where a redirect points. */
      readonly location: string | null
    })
  | { readonly kind: 'failed'; readonly at: FailedAt; readonly why: string }

function ask(url: URL, { guard, ca, resolve, leftMs, timeoutMs }: Ask): Promise<Answer> {
  const host = hostOf(url)
  return new Promise((settle) => {
    let timer: NodeJS.Timeout | undefined
    const done = (answer: Answer) => {
      clearTimeout(timer)
      settle(answer)
      request.destroy()
    }
    const fail = (stage: FailedAt, why: string) => done({ kind: 'failed', at: stage, why })
    const request = guardedRequest(
      url,
      { method: 'GET', headers: ownHeaders },
      { guard, ca, resolve },
      fail,
    )
    timer = setTimeout(() => fail('timeout', `no whole answer within ${timeoutMs} ms`), leftMs)
    request.on('response', (response) => {
      const { socket } = response
      const certificateEndsAt = socket instanceof TLSSocket ? endOf(socket) : null
      const headers = toldBy(response)
      const status = response.statusCode ?? 0
      const isRedirect = [301, 302, 303, 307, 308].includes(status)
      const location = (isRedirect && response.headers.location) || null
      const parts: Buffer[] = []
      let size = 0
      const finish = (isCut: boolean) => {
        const body = Buffer.concat(parts).subarray(0, capBytes).toString('utf8')
        done({ kind: 'answered', status, headers, body, isCut, location, certificateEndsAt })
      }
      if (location !== null) return finish(false)
      response.on('data', (part: Buffer) => {
        parts.push(part)
        size += part.length
        if (size > capBytes) finish(true)
      })
      response.on('end', () => finish(false))
      response.on('aborted', () => fail('cut', `${host} broke its answer off`))
    })
    request.end()
  })
}

/** When the certificate of the other side ends. */
function endOf(socket: TLSSocket): Date | null {
  const at = new Date(socket.getPeerCertificate().valid_to)
  return Number.isNaN(at.getTime()) ? null : at
}
