import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { AppError, messageOf, systemCode } from '../../lib/errors.ts'

/** A request's address and what goes along with it; headers follow a redirect to the same origin alone. */
export interface Remote {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface GetOptions {
  /** Without a byte for so long the connection counts as dead. */
  readonly silenceMs: number
  readonly signal?: AbortSignal
  /** Connections that are kept and used again. */
  readonly agents?: Agents
}

export interface Agents {
  readonly http: http.Agent
  readonly https: https.Agent
}

const mostRedirects = 5

/**
 * The answer to a GET, its body still to come; redirects are followed, and no secret follows them to another origin.
 * @throws AppError `unavailable` (`network`) when nobody answers; no address is repeated, since one may open its file to whoever has it
 */
export async function get(remote: Remote, options: GetOptions): Promise<IncomingMessage> {
  let { url, headers } = remote
  for (let hop = 0; hop <= mostRedirects; hop += 1) {
    const answer = await ask(url, headers, options)
    const { location } = answer.headers
    const isRedirect = [301, 302, 303, 307, 308].includes(answer.statusCode ?? 0)
    if (!isRedirect || location === undefined) return answer
    answer.resume()
    const next = URL.parse(location, url)
    if (!next || !/^https?:$/.test(next.protocol)) {
      throw new AppError('unavailable', `${hostOf(url)} leads to no web address`, {
        code: 'network',
      })
    }
    if (next.origin !== new URL(url).origin) {
      if (next.protocol === 'http:' && url.startsWith('https:')) {
        throw new AppError('unavailable', `${hostOf(url)} leads away from https`, {
          code: 'network',
        })
      }
      headers = headers.range === undefined ? {} : { range: headers.range }
    }
    url = next.href
  }
  throw new AppError('unavailable', `${hostOf(remote.url)} leads from one address to the next`, {
    code: 'network',
  })
}

/** The name of a server, which is all that a message says of an address. */
export const hostOf = (url: string): string => URL.parse(url)?.host ?? 'the server'

function ask(
  url: string,
  headers: Remote['headers'],
  { silenceMs, signal, agents }: GetOptions,
): Promise<IncomingMessage> {
  const isSecure = url.startsWith('https:')
  return new Promise((resolve, reject) => {
    const request = (isSecure ? https : http).get(
      url,
      {
        headers,
        timeout: silenceMs,
        ...(signal ? { signal } : {}),
        ...(agents ? { agent: isSecure ? agents.https : agents.http } : {}),
      },
      resolve,
    )
    request.on('timeout', () =>
      request.destroy(new Error(`nothing came for ${Math.round(silenceMs / 1000)} s`)),
    )
    request.on('error', (error) => reject(networkFailure(error, url)))
  })
}

/** Trouble of the network in our words. */
export const networkFailure = (error: unknown, url: string): AppError =>
  error instanceof AppError
    ? error
    : new AppError(
        'unavailable',
        `${hostOf(url)} broke off: ${systemCode(error) ?? messageOf(error)}`,
        { code: 'network', cause: error },
      )
