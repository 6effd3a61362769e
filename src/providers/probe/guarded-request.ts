import http from 'node:http'
import https from 'node:https'
import { connect as connectPlain, isIP } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { type FailedAt, toldHeaders } from '../../health/probe.ts'
import { AppError, messageOf, systemCode } from '../../lib/errors.ts'
import { type AddressGuard, hostOf } from './address-guard.ts'
import { guardedLookup, type Resolve } from './guarded-lookup.ts'

/** How far a connection has come. */
type Stage = Extract<FailedAt, 'dns' | 'connect' | 'tls' | 'cut'>

export interface Guarded {
  readonly guard: AddressGuard
  readonly ca: string | undefined
  readonly resolve: Resolve
}

/**
 * A request on a connection of its own, over addresses that the guard lets through; who calls ends it, and destroys it when the answer
 * is read.
 * @param url as the guard has admitted it
 * @param failed told how far it came, in our words, which hold nothing that was sent
 */
export function guardedRequest(
  url: URL,
  { method, headers }: { readonly method: string; readonly headers: http.OutgoingHttpHeaders },
  { guard, ca, resolve }: Guarded,
  failed: (at: FailedAt, why: string) => void,
): http.ClientRequest {
  const isSecure = url.protocol === 'https:'
  const host = hostOf(url)
  let at: Stage = isIP(host) > 0 ? 'connect' : 'dns'
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port)
  const lookup = guardedLookup(host, guard, resolve)
  // Every probe has a connection of its own, so that no agent is needed to find one.
  const socket = isSecure
    ? connectSecure({
        host,
        port,
        lookup,
        ALPNProtocols: ['http/1.1'],
        servername: isIP(host) > 0 ? '' : host,
        ...(ca === undefined ? {} : { ca }),
      })
    : connectPlain({ host, port, lookup })
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
  // Part by part: from a URL they would be gathered anew for each probe.
  const request = (isSecure ? https : http).request({
    method,
    host,
    port,
    path: url.pathname + url.search,
    createConnection: () => socket,
    headers: { host: url.host, ...headers },
    maxHeaderSize: 16 * 1024,
  })
  request.on('error', (error) => {
    if (error instanceof AppError) failed('refused', error.message)
    else failed(at, wordsFor(at, host, systemCode(error) ?? messageOf(error)))
  })
  return request
}

/** Of an answer's headers those that tell causes apart, as far as they are of use. */
export const toldBy = (response: http.IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    toldHeaders.flatMap((name) => {
      const value = response.headers[name]
      return typeof value === 'string' ? [[name, value.slice(0, 200)]] : []
    }),
  )

const wordsFor = (at: Stage, host: string, code: string): string =>
  ({
    dns: `the name ${host} is not found (${code})`,
    connect: `${host} takes no connection (${code})`,
    tls: `no TLS with ${host} (${code})`,
    cut: `${host} broke the connection off (${code})`,
  })[at]
