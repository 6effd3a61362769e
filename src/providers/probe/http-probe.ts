import http from 'node:http'
import https from 'node:https'
import { connect as connectPlain, isIP } from 'node:net'
import { connect as connectSecure, TLSSocket } from 'node:tls'
import type { FailedAt, Seen } from '../../health/probe.ts'
import { toldHeaders } from '../../health/probe.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf, systemCode } from '../../lib/errors.ts'
import { type AddressGuard, hostOf } from './address-guard.ts'
import { guardedLookup, type Resolve, resolveAll } from './guarded-lookup.ts'

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

/** How far a connection has come. */
type Stage = Extract<FailedAt, 'dns' | 'connect' | 'tls' | 'cut'>

type Answer =
  | (Omit<Extract<Seen, { kind: 'answered' }>, 'kind' | 'ms'> & {
      readonly kind: 'answered'
      /** Where a redirect points. */
      readonly location: string | null
    })
  | { readonly kind: 'failed'; readonly at: FailedAt; readonly why: string }

function ask(url: URL, { guard, ca, resolve, leftMs, timeoutMs }: Ask): Promise<Answer> {
  const isSecure = url.protocol === 'https:'
  const host = hostOf(url)
  return new Promise((settle) => {
    let at: Stage = isIP(host) > 0 ? 'connect' : 'dns'
    const done = (answer: Answer) => {
      clearTimeout(timer)
      settle(answer)
      request.destroy()
    }
    const fail = (stage: FailedAt, why: string) => done({ kind: 'failed', at: stage, why })
    // Every probe has a connection of its own, so that no agent is needed to find one.
    const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port)
    const lookup = guardedLookup(host, guard, resolve)
    const socket = isSecure
      ? connectSecure({
          ...{ host, port, lookup, ALPNProtocols: ['http/1.1'] },
          servername: isIP(host) > 0 ? '' : host,
          ...(ca === undefined ? {} : { ca }),
        })
      : connectPlain({ host, port, lookup })
    const request = (isSecure ? https : http).request({
      host,
      port,
      path: url.pathname + url.search,
      createConnection: () => socket,
      headers: { host: url.host, ...ownHeaders },
      maxHeaderSize: 16 * 1024,
    })
    const timer = setTimeout(
      () => fail('timeout', `no whole answer within ${timeoutMs} ms`),
      leftMs,
    )
    if (at === 'dns') {
      socket.once('lookup', (error: Error | null) => {
        if (!error) at = 'connect'
      })
    }
    socket.once('connect', () => {
      at = isSecure ? 'tls' : 'cut'
    })
    if (isSecure) {
      socket.once('secureConnect', () => {
        at = 'cut'
      })
    }
    request.on('error', (error) => {
      if (error instanceof AppError) fail('refused', error.message)
      else fail(at, wordsFor(at, host, systemCode(error) ?? messageOf(error)))
    })
    request.on('response', (response) => {
      const { socket } = response
      const certificateEndsAt = socket instanceof TLSSocket ? endOf(socket) : null
      const headers = Object.fromEntries(
        toldHeaders.flatMap((name) => {
          const value = response.headers[name]
          return typeof value === 'string' ? [[name, value.slice(0, 200)]] : []
        }),
      )
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

const wordsFor = (at: Stage, host: string, code: string): string =>
  ({
    dns: `the name ${host} is not found (${code})`,
    connect: `${host} takes no connection (${code})`,
    tls: `no TLS with ${host} (${code})`,
    cut: `${host} broke the connection off (${code})`,
  })[at]
